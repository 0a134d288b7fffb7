"use strict";

const $ = (id) => document.getElementById(id);

// Commands: the address of this server, and a button to copy each.
for (const place of document.querySelectorAll(".commands b")) place.textContent = location.origin;
for (const item of document.querySelectorAll(".commands li")) {
  const text = item.firstElementChild;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy " + text.textContent);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
      $("copied").textContent = "Copied: " + text.textContent;
    } catch {
      // No clipboard without TLS, except on this machine.
      getSelection().selectAllChildren(text);
      $("copied").textContent = "The command is selected.";
    }
  });
  item.append(button);
}

// Routes: the answer is shown in the page.
const SHOWN_MAX = 8192;
let calls = 0;

async function call(path, options = {}) {
  const number = ++calls;
  $("status").textContent = `${options.method ?? "GET"} ${path} …`;
  const begun = performance.now();
  let status, shown;
  try {
    const answer = await fetch(path, { cache: "no-store", ...options });
    const text = await answer.text();
    const time = Math.round(performance.now() - begun);
    status = `${answer.status} ${answer.statusText} after ${time} ms`;
    const fields = [...answer.headers].map(([name, value]) => `${name}: ${value}\n`).join("");
    const rest = text.length > SHOWN_MAX ? "\n…" : "";
    shown = `${fields}\n${text.slice(0, SHOWN_MAX)}${rest}`;
  } catch {
    [status, shown] = ["The server does not answer.", ""];
  }
  // A slow answer does not replace that of a later call.
  if (number === calls) [$("status").textContent, $("answer").textContent] = [status, shown];
}

for (const link of document.querySelectorAll(".call")) {
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    call(link.getAttribute("href"));
  });
}
$("echo").addEventListener("submit", (event) => {
  event.preventDefault();
  call("/echo", { method: "POST", headers: { "content-type": "text/plain" }, body: $("words").value });
});

// Numbers: the samples of /metrics, which /counters sends each second.
const RATES_MAX = 60;
const rates = [];
let before;

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

function bytes(count) {
  if (count === undefined) return "–";
  const steps = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (count >= 1024 && at < steps.length - 1) [count, at] = [count / 1024, at + 1];
  return `${count.toFixed(at > 0 && count < 100 ? 1 : 0)} ${steps[at]}`;
}

function lag(seconds) {
  const ms = seconds * 1000;
  return ms < 1 ? `${Math.round(ms * 1000)} µs` : `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}

function samples(page) {
  const found = new Map();
  for (const line of page.split("\n")) {
    const at = line.lastIndexOf(" ");
    if (at > 0 && !line.startsWith("#")) found.set(line.slice(0, at), Number(line.slice(at + 1)));
  }
  return found;
}

function show(name, text) {
  document.querySelector(`[data-show="${name}"]`).textContent = text;
}

function draw() {
  const most = Math.max(...rates, 1);
  const points = rates.map((rate, at) => {
    const x = 240 - (rates.length - 1 - at) * (240 / (RATES_MAX - 1));
    return `${x.toFixed(1)},${(39 - (rate / most) * 37).toFixed(1)}`;
  });
  $("line").setAttribute("points", points.join(" "));
  $("most").textContent = `, at most ${short.format(Math.round(most))}`;
}

function read(page) {
  const found = samples(page);
  const of = (name) => found.get("socketserver_" + name);
  const now = { at: performance.now(), requests: of("messages_total") };
  show("requests", whole.format(now.requests));
  show("open", whole.format(of("connections")));
  show("sent", bytes(of("sent_bytes_total")));
  show("lag", lag(of("longest_lag_seconds")));
  show("memory", bytes(found.get("process_resident_memory_bytes")));
  if (before) {
    const rate = ((now.requests - before.requests) * 1000) / (now.at - before.at);
    show("rate", short.format(Math.round(rate)));
    rates.push(rate);
    if (rates.length > RATES_MAX) rates.shift();
    draw();
  }
  before = now;
}

// The connection that the numbers come on. A page that is not seen has none: browsers allow few to a
// server.
const pause = $("pause");
const AGAIN_MS = 3000;
let isPaused = false;
let source;

function listen() {
  source?.close();
  source = undefined;
  before = undefined;
  if (isPaused || document.hidden) return;
  source = new EventSource("/counters");
  source.onmessage = ({ data }) => {
    $("trouble").textContent = "";
    read(data);
  };
  source.onerror = () => {
    // Another worker process may answer next: its counters are its own.
    before = undefined;
    $("trouble").textContent = "The server does not answer. This page tries again.";
    if (source?.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN_MS);
  };
}

pause.hidden = false;
pause.addEventListener("click", () => {
  isPaused = !isPaused;
  pause.setAttribute("aria-pressed", String(isPaused));
  listen();
});
document.addEventListener("visibilitychange", listen);
listen();
