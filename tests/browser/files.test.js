// Static files of reactor_web: a film that is played and seeked in, and the list of a directory.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { launch, looksRight, open, tabbed } from "./browser.js";
import { COLORS, film } from "./media.js";
import { start } from "./servers.js";
import { until } from "./waiting.js";

const SECONDS = 120;
// Seconds far from the buffered ones, in both directions.
const SEEKS = [100, 3, 77, 110, 41];
const PLAYER =
  `<!DOCTYPE html><html lang="en"><link rel="icon" href="data:,"><title>player</title>` +
  `<video src="film.webm" preload="metadata" muted></video>`;
const AWKWARD = "<b onclick=alert(1)>ä & 'x'.txt";

let server, browser, root;

before(async () => {
  root = mkdtempSync(join(tmpdir(), "socketserver-files-"));
  [server, browser] = await Promise.all([start("reactor_web", ["--root", root, "--listing"]), launch()]);
  const page = await open(browser, "about:blank");
  writeFileSync(join(root, "film.webm"), await film(page, SECONDS));
  writeFileSync(join(root, "player.html"), PLAYER);
  mkdirSync(join(root, "list/folder"), { recursive: true });
  writeFileSync(join(root, "list", AWKWARD), "the awkward file\n");
});
after(async () => {
  await browser?.close();
  await server?.stop();
  rmSync(root, { recursive: true, force: true });
});

// The color in the film's picture, as the nearest of COLORS.
function colorOf(page) {
  return page.evaluate((colors) => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 36 });
    const context = canvas.getContext("2d", { alpha: false });
    context.drawImage(document.querySelector("video"), 0, 0, 64, 36);
    const seen = context.getImageData(32, 4, 1, 1).data;
    const parts = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
    const far = (color) => parts(color).reduce((sum, part, at) => sum + Math.abs(part - seen[at]), 0);
    return colors.reduce((best, color) => (far(color) < far(best) ? color : best));
  }, COLORS);
}

test("a film is seeked in by ranges, and plays", async () => {
  const page = await open(browser, "about:blank");
  const ranges = [];
  page.on("response", (answer) => {
    if (!answer.url().endsWith("/film.webm")) return;
    assert.equal(answer.status(), 206);
    ranges.push(Number(/^bytes (\d+)-/.exec(answer.headers()["content-range"])[1]));
  });
  await page.goto(`${server.url}/files/player.html`);
  const video = (look) => page.evaluate(`(video => ${look})(document.querySelector("video"))`);
  await until("the length of the film", () => video("video.readyState >= 1"), () => video("video.error?.message"));
  assert.equal(await video("video.duration"), SECONDS);
  for (const second of SEEKS) {
    await video(`void (video.currentTime = ${second + 0.5})`);
    await until(`the picture of second ${second}`, () => video("!video.seeking && video.readyState >= 2"));
    assert.equal(await colorOf(page), COLORS[second % COLORS.length], `second ${second}`);
  }
  await video("video.play()");
  await until("two seconds more", () => video(`video.currentTime > ${SEEKS.at(-1) + 2.5}`));
  assert.ok(ranges.length > 2 && ranges.some((from) => from > 0), `ranges from ${ranges}`);
  assert.deepEqual(page.errors, []);
});

test("the list of a directory shows names as text, and leads to the files", async () => {
  const page = await open(browser, `${server.url}/files/list/`);
  await looksRight(page);
  const names = await tabbed(page);
  assert.ok(names.includes(AWKWARD), `Tab does not reach the file: ${names}`);
  assert.deepEqual(page.errors, []);
  await page.getByText(AWKWARD).focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(/\.txt$/);
  assert.equal(await page.evaluate(() => document.body.textContent), "the awkward file\n");
});
