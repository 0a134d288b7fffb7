// The page of the chat without a server: its files from the sources, and a WebSocket whose other end
// is the test. Knows no room.

import { readFileSync } from "node:fs";

import { open } from "./browser.js";
import { ROOT } from "./servers.js";
import { until } from "./waiting.js";

const ORIGIN = "http://127.0.0.1:9";
const FILES = `${ROOT}src/services/chat/browser/page/`;
const TYPES = { html: "text/html", css: "text/css", js: "text/javascript", svg: "image/svg+xml" };
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

// The other end of the page's WebSocket. `connections` counts them.
class Mock {
  connections = 0;
  #socket = null;
  #received = [];
  #number = 0;

  attach(socket) {
    this.connections++;
    this.#socket = socket;
    this.#received = [];
    socket.onMessage((text) => this.#received.push(JSON.parse(text)));
    socket.onClose(() => {});
  }

  send(...messages) {
    for (const message of messages) this.#socket.send(JSON.stringify(message));
  }

  close(code = 1001) {
    return this.#socket.close({ code });
  }

  // The next message of this type from the page.
  async next(type) {
    const at = () => this.#received.findIndex((message) => message.type === type);
    await until(`a message '${type}'`, () => at() >= 0, () => this.#received);
    return this.#received.splice(0, at() + 1).at(-1);
  }

  hello(you = "aa-1", nick = "guest-1") {
    this.send({ type: "hello", nick, you, lobby: "lobby", rooms_max: 8, text_max: 4096 });
  }

  // Answers a request for a room, with the events that it has missed.
  enter(room, events = [], names = ["guest-1"]) {
    this.send({ type: "entered", room, asked: room }, ...events);
    this.send({ type: "names", room, id: this.id(), count: names.length, names });
  }

  id() {
    return `e-${++this.#number}`;
  }

  msg(room, from, text, more = {}) {
    return { type: "msg", room, id: this.id(), from, by: `by-${from}`, text, time: Date.now(), ...more };
  }
}

// Opens the page, and returns it with the other end of its connection.
export async function openMock(browser, options = {}, hash = "") {
  const mock = new Mock();
  const page = await open(browser, "about:blank", options);
  // Before the page sets its timers: the clock of a test may be put forward.
  await page.clock.install();
  await page.route(`${ORIGIN}/**`, (route) => {
    const name = new URL(route.request().url()).pathname.slice(1) || "index.html";
    const contentType = `${TYPES[name.split(".").pop()]}; charset=utf-8`;
    const headers = { "content-security-policy": POLICY, "content-type": contentType };
    route.fulfill({ body: readFileSync(FILES + name), headers });
  });
  await page.routeWebSocket(/\/ws$/, (socket) => mock.attach(socket));
  await page.goto(`${ORIGIN}/${hash}`);
  await until("a connection", () => mock.connections > 0);
  return { page, mock };
}

// Opens the page in the lobby, with `events` in it.
export async function openLobby(browser, options = {}, events = () => []) {
  const { page, mock } = await openMock(browser, options);
  mock.hello();
  await mock.next("resume");
  mock.enter("lobby", events(mock), ["ann", "bob", "guest-1"]);
  await page.getByText("3 here").first().waitFor();
  return { page, mock };
}
