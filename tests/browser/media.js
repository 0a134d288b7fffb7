// A film to seek in, without a tool that makes films: a lossy WebP image is a VP8 key frame, so a
// WebM file needs no more than images of the browser and a container around them. One frame a second.

export const COLORS = ["#e6194b", "#3cb44b", "#ffe119", "#4363d8", "#f58231", "#911eb4", "#46f0f0", "#808080"];
const [WIDTH, HEIGHT] = [640, 360];

// Returns the bytes of a film of `seconds`, whose second N has the color N modulo their number, over
// noise that makes each frame large.
export async function film(page, seconds) {
  const frames = (await page.evaluate(images, [COLORS, WIDTH, HEIGHT])).map((text) => vp8(Buffer.from(text, "base64")));
  const clusters = Array.from({ length: seconds }, (_, second) => {
    const block = [Buffer.from([0x81, 0, 0, 0x80]), frames[second % frames.length]];
    return element(0x1f43b675, number(0xe7, second * 1000), element(0xa3, ...block));
  });
  const head = Buffer.concat([
    element(0x1549a966, number(0x2ad7b1, 1_000_000), real(0x4489, seconds * 1000),
      text(0x4d80, "test"), text(0x5741, "test")),
    element(0x1654ae6b, element(0xae,
      number(0xd7, 1), number(0x73c5, 1), number(0x83, 1), text(0x86, "V_VP8"),
      element(0xe0, number(0xb0, WIDTH), number(0xba, HEIGHT)))),
  ]);
  // The index has numbers of a fixed length, so that its own length is known before its numbers.
  let at = head.length + index(clusters.map(() => 0)).length;
  const places = clusters.map((cluster) => (at += cluster.length) - cluster.length);
  return Buffer.concat([
    element(0x1a45dfa3, number(0x4286, 1), number(0x42f7, 1), number(0x42f2, 4), number(0x42f3, 8),
      text(0x4282, "webm"), number(0x4287, 2), number(0x4285, 2)),
    element(0x18538067, head, index(places), ...clusters),
  ]);
}

// In the page: an image for each color.
function images([colors, width, height]) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { alpha: false });
  const noise = context.createImageData(width, height);
  return colors.map((color) => {
    for (let at = 0; at < noise.data.length; at++) noise.data[at] = at % 4 === 3 ? 255 : Math.random() * 256;
    context.putImageData(noise, 0, 0);
    context.fillStyle = color;
    context.fillRect(0, 0, width, height / 4);
    return canvas.toDataURL("image/webp", 0.9).split(",")[1];
  });
}

// The key frame within a WebP file: the chunk "VP8 " (RFC 9649, section 2).
function vp8(file) {
  for (let at = 12; at + 8 <= file.length; ) {
    const [start, length] = [at + 8, file.readUInt32LE(at + 4)];
    if (file.toString("latin1", at, start).startsWith("VP8 ")) return file.subarray(start, start + length);
    at = start + length + (length % 2);
  }
  throw new Error("the browser makes no lossy WebP images");
}

// Elements of Matroska (RFC 9559): an id, a length of eight bytes, the content.
function element(id, ...parts) {
  const content = Buffer.concat(parts);
  const name = Buffer.from(id.toString(16), "hex");
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(content.length) | (1n << 56n));
  return Buffer.concat([name, length, content]);
}

function number(id, value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return element(id, bytes);
}

function real(id, value) {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return element(id, bytes);
}

function text(id, value) {
  return element(id, Buffer.from(value));
}

function index(places) {
  const points = places.map((place, second) => element(0xbb,
    number(0xb3, second * 1000), element(0xb7, number(0xf7, 1), number(0xf1, place))));
  return element(0x1c53bb6b, ...points);
}
