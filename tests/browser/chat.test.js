// The chat: browsers and a client of lines in the rooms of one reactor_chat, which is killed and
// started again.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";

import { launch, looksRight, open } from "./browser.js";
import { proxyTo } from "./proxy.js";
import { program, start } from "./servers.js";
import { until } from "./waiting.js";

const LINES = 1000;
const MARK = "* some messages may be missing";
// The pace of members has tests of its own.
const FAST = ["--line-interval", "0"];

let browser;

before(async () => (browser = await launch()));
after(() => browser?.close());

// Opens the page in a room, under this name. `page.seen` has all texts that were shown, also those
// that have been removed since.
async function member(server, name, room = "tea") {
  const page = await open(browser, "about:blank");
  page.seen = [];
  await page.exposeFunction("noteSeen", (text) => page.seen.push(text));
  await page.addInitScript(() => {
    new MutationObserver((changes) => {
      for (const { addedNodes } of changes) {
        for (const node of addedNodes) {
          if (node.matches?.(".lines .line")) noteSeen(node.querySelector(".text").textContent);
          else if (node.matches?.(".lines .mark")) noteSeen(node.textContent);
        }
      }
    }).observe(document, { childList: true, subtree: true });
  });
  await page.goto(`${server.url}/#${room}`);
  await page.getByRole("button", { name: "Change your name" }).click();
  await page.getByLabel("Name that the others see").fill(name);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  await page.locator("textarea:visible").waitFor();
  return page;
}

async function write(page, text) {
  await page.locator("textarea:visible").fill(text);
  await page.locator("textarea:visible").press("Enter");
}

// A chat_client. `seen` has the lines that it has printed.
async function lineMember(server, name, room = "tea") {
  const child = spawn(program("chat_client"), [server.address], { stdio: ["pipe", "pipe", "ignore"] });
  const client = { seen: [], say: (text) => child.stdin.write(`${text}\n`) };
  createInterface(child.stdout).on("line", (line) => client.seen.push(line));
  client.ended = once(child, "exit");
  client.leave = () => child.stdin.end() && client.ended;
  client.say(`/nick ${name}`);
  client.say(`/join ${room}`);
  await until(`${name} in ${room}`, () => client.seen.some((line) => line.includes(room)), () => client.seen);
  return client;
}

// Errors but those of connections that failed while the server was away.
function others(page) {
  return page.errors.filter((error) => !/^WebSocket connection to .* failed/.test(error));
}

const numbered = (who, texts) => texts.filter((text) => text.startsWith(`${who} says `));

test("browsers and a client of lines exchange a thousand lines, and no restart repeats one", async () => {
  let server = await start("reactor_chat", FAST);
  const [ann, bob] = await Promise.all([member(server, "ann"), member(server, "bob")]);
  let kim = await lineMember(server, "kim");
  const said = { ann: [], bob: [], kim: [] };
  // Pages paste ten lines at a time, and the client writes them.
  const round = async () => {
    const batch = (who) => {
      const texts = Array.from({ length: 10 }, (_, at) => `${who} says ${said[who].length + at}`);
      said[who].push(...texts);
      return texts;
    };
    batch("kim").forEach((text) => kim.say(text));
    await Promise.all([write(ann, batch("ann").join("\n")), write(bob, batch("bob").join("\n"))]);
    for (const page of [ann, bob]) {
      for (const who of Object.keys(said)) {
        const isThere = () => page.seen.includes(said[who].at(-1));
        await until(`the lines of ${who}`, isThere, () => page.seen.slice(-3));
      }
    }
    for (const who of ["ann", "bob"]) {
      const isThere = () => kim.seen.includes(`${who}: ${said[who].at(-1)}`);
      await until(`the lines of ${who}`, isThere, () => kim.seen.slice(-3));
    }
  };
  const count = () => said.ann.length + said.bob.length + said.kim.length;
  while (count() < LINES / 2) await round();

  await server.kill();
  await kim.ended;
  for (const page of [ann, bob]) await page.getByText("no connection, trying again").waitFor();
  server = await start("reactor_chat", FAST, server.port);
  const before = kim.seen;
  kim = await lineMember(server, "kim");
  kim.seen.unshift(...before);
  for (const page of [ann, bob]) await until("a mark", () => page.seen.includes(MARK), () => page.seen.slice(-3));
  while (count() < LINES) await round();

  for (const page of [ann, bob]) {
    for (const who of Object.keys(said)) assert.deepEqual(numbered(who, page.seen), said[who]);
    assert.deepEqual(page.seen.filter((text) => text === MARK), [MARK]);
    assert.deepEqual(others(page), []);
  }
  const shared = (page) => page.seen.filter((text) => text !== MARK);
  assert.deepEqual(shared(ann), shared(bob), "one order for all");
  for (const who of ["ann", "bob"]) {
    const heard = kim.seen.filter((line) => line.startsWith(`${who}: `)).map((line) => line.slice(who.length + 2));
    assert.deepEqual(heard, said[who]);
  }
  await kim.leave();
  await server.stop();
});

test("a cut connection loses nothing and repeats nothing", async () => {
  const server = await start("reactor_chat", FAST);
  const proxy = await proxyTo(server.port);
  const ann = await member(proxy, "ann");
  const kim = await lineMember(server, "kim");
  const expected = [];
  const say = (text) => expected.push(text) && kim.say(text);
  for (let turn = 0; turn < 5; turn++) {
    say(`before cut ${turn}`);
    await until("the line before the cut", () => ann.seen.at(-1) === expected.at(-1), () => ann.seen);
    say(`at cut ${turn}`);
    proxy.cut();
    say(`after cut ${turn}`);
    await ann.getByText("no connection, trying again").waitFor();
    await ann.getByRole("button", { name: "Try now" }).click();
    await until("the line after the cut", () => ann.seen.at(-1) === expected.at(-1), () => ann.seen);
  }
  assert.deepEqual(ann.seen, expected);
  assert.deepEqual(others(ann), []);
  await kim.leave();
  proxy.close();
  await server.stop();
});

test("markup of a client of lines is text", async () => {
  const server = await start("reactor_chat", FAST);
  const ann = await member(server, "ann");
  const markup = "<img src=x onerror=alert(1)><b>&amp;</b>";
  const kim = await lineMember(server, "<b>kim");
  kim.say(markup);
  await until("the text", () => ann.seen.includes(markup), () => ann.seen);
  assert.equal(await ann.locator("main b, main img").count(), 0);
  await kim.leave();
  await looksRight(ann);
  assert.deepEqual(ann.errors, []);
  await server.stop();
});

test("a page of another origin cannot join", async () => {
  const [server, other] = await Promise.all([start("reactor_chat"), start("reactor_web")]);
  const page = await open(browser, `${other.url}/plaintext`);
  const code = await page.evaluate((url) => new Promise((resolve) => {
    const socket = new WebSocket(url, "chat.v1.json");
    socket.onopen = () => resolve("open");
    socket.onclose = ({ code }) => resolve(code);
  }), `ws://${server.address}/ws`);
  assert.equal(code, 1006);
  assert.match(page.errors.join(), /403/);
  await Promise.all([server.stop(), other.stop()]);
});

test("a page that is open does not delay the stop of the server, which it says", async () => {
  const server = await start("reactor_chat");
  const ann = await member(server, "ann");
  await server.stop();
  await ann.getByText("no connection, trying again").waitFor();
});
