// The page of the chat against a server that the test plays, so that it says anything at any time.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch, looksRight, PHONE, tabbed } from "./browser.js";
import { openLobby, openMock } from "./mock.js";
import { until } from "./waiting.js";

const MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>&amp;";
const MARK = "* some messages may be missing";

let browser;

before(async () => (browser = await launch()));
after(() => browser?.close());

const texts = (page) => page.locator("[role=tabpanel]:visible .lines .text").allTextContents();
const box = (page) => page.locator("textarea:visible");
const shows = (page, text) => page.getByText(text, { exact: true }).first().waitFor();

async function write(page, text) {
  await box(page).fill(text);
  await box(page).press("Enter");
}

test("the page is legible in both color schemes and on a phone", async () => {
  const { page, mock } = await openLobby(browser, {}, (mock) => [
    mock.msg("lobby", "ann", "x".repeat(300)), mock.msg("lobby", "guest-1", "own", { by: "aa-1" }),
    { type: "joined", room: "lobby", id: mock.id(), nick: "n".repeat(32), by: "n", time: Date.now() },
    { type: "mark", room: "lobby", id: mock.id() },
  ]);
  mock.enter("tea-with-a-name-of-thirty-chars");
  mock.send(mock.msg("tea-with-a-name-of-thirty-chars", "bob", "unread"));
  mock.send({ type: "notice", code: "bad-message", text: "a notice" });
  await shows(page, "* a notice");
  await write(page, "on its way");
  await looksRight(page);
  await page.getByRole("button", { name: "Room" }).click();
  await looksRight(page);
  assert.deepEqual(page.errors, []);
});

test("everything is reached by keyboard", async () => {
  const { page, mock } = await openLobby(browser);
  for (const room of ["tea", "cake"]) mock.enter(room);
  await page.getByRole("tab", { name: "cake" }).waitFor();
  const names = await tabbed(page);
  const expected = ["me", "room-1-tab", "add", "3 here", "Leave", "Messages in lobby", "room-1-members", "room-1-text"];
  for (const name of expected) {
    assert.ok(names.includes(name), `Tab does not reach '${name}': ${names}`);
  }
  assert.ok(!names.includes("room-2-tab"), "arrows, not Tab, lead from tab to tab");
  const selected = () => page.locator("[aria-selected=true]").textContent();
  await page.getByRole("tab", { name: "lobby" }).focus();
  const moves = [
    ["ArrowRight", "tea"], ["End", "cake"], ["ArrowRight", "lobby"], ["ArrowLeft", "cake"], ["Home", "lobby"],
  ];
  for (const [key, room] of moves) {
    await page.keyboard.press(key);
    assert.equal(await selected(), room, key);
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-selected")), "true");
  }
  await page.keyboard.press("Delete");
  assert.equal((await mock.next("part")).room, "lobby");
  mock.send({ type: "parted", room: "lobby" });
  await until("the next room", async () => (await selected()) === "tea");
  // A dialog takes the focus, and gives it back.
  await page.getByRole("button", { name: "Room" }).focus();
  await page.keyboard.press("Enter");
  await page.keyboard.type("news");
  await page.keyboard.press("Enter");
  assert.deepEqual(await mock.next("join"), { type: "join", room: "news" });
  mock.send({ type: "entered", room: "News", asked: "news" });
  await until("the new room", async () => (await selected()) === "News");
  assert.equal(await page.evaluate(() => document.activeElement.tagName), "TEXTAREA");
  assert.deepEqual(page.errors, []);
});

test("markup in texts and names is text", async () => {
  const { page, mock } = await openLobby(browser, {}, (mock) => [mock.msg("lobby", MARKUP, MARKUP)]);
  mock.enter(MARKUP, [{ type: "joined", room: MARKUP, id: mock.id(), nick: MARKUP, by: "x", time: 1 }], [MARKUP]);
  mock.send({ type: "nick", nick: MARKUP }, { type: "notice", code: "bad-message", text: MARKUP, room: "lobby" });
  await shows(page, `* ${MARKUP}`);
  assert.deepEqual(await texts(page), [MARKUP]);
  await page.getByRole("tab", { name: MARKUP }).click();
  await shows(page, `${MARKUP} (you)`);
  assert.equal(await page.locator("script:not([src]), img[src=x]").count(), 0);
  assert.deepEqual(page.errors, []);
});

test("own lines are on their way until the server has them", async () => {
  const { page, mock } = await openLobby(browser);
  await write(page, "hello");
  const { text, tag, room } = await mock.next("say");
  assert.deepEqual([text, room], ["hello", "lobby"]);
  await shows(page, "sending");
  mock.send(mock.msg("lobby", "guest-1", "hello", { by: "aa-1", tag }));
  await until("the line", async () => (await texts(page)).length === 1);
  assert.equal(await page.locator(".pending li").count(), 0);
  assert.equal(await page.locator(".lines .own").count(), 1);
  await write(page, "refused");
  mock.send({ type: "notice", code: "too-long", text: "too long", room: "lobby", tag: (await mock.next("say")).tag });
  await shows(page, "too long");
  await page.getByRole("button", { name: "Discard" }).click();
  assert.equal(await page.locator(".pending li").count(), 0);
});

test("several pasted lines are several messages", async () => {
  const { page, mock } = await openLobby(browser);
  await box(page).fill("one\ntwo\r\n\n  three\u2028four");
  await shows(page, "4 lines are 4 messages.");
  await box(page).press("Shift+Enter");
  await box(page).press("Enter");
  for (const text of ["one", "two", "  three", "four"]) assert.equal((await mock.next("say")).text, text);
  assert.equal(await box(page).inputValue(), "");
});

test("a text that is too long is refused before it is sent", async () => {
  const { page, mock } = await openLobby(browser);
  await write(page, "ä".repeat(2049));
  await shows(page, "Too long: 4098 bytes, at most 4096.");
  await write(page, "ä".repeat(2048));
  assert.equal((await mock.next("say")).text.length, 2048);
});

test("Enter within an input method sends nothing", async () => {
  const { page, mock } = await openLobby(browser);
  await box(page).fill("かな");
  await box(page).evaluate((area) => {
    for (const more of [{ isComposing: true }, { keyCode: 229 }]) {
      area.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true, ...more }));
    }
  });
  assert.equal(await box(page).inputValue(), "かな");
  await box(page).press("Enter");
  assert.equal((await mock.next("say")).text, "かな");
});

test("other rooms show what is unread", async () => {
  const { page, mock } = await openLobby(browser);
  mock.enter("tea", [mock.msg("tea", "bob", "old")]);
  mock.send(mock.msg("tea", "bob", "first"), mock.msg("tea", "bob", "second"));
  await page.getByRole("tab", { name: "tea 2 unread" }).waitFor();
  assert.equal(await page.title(), "(2) lobby · chat");
  await page.getByRole("tab", { name: "tea" }).click();
  assert.deepEqual(await texts(page), ["old", "first", "second"]);
  assert.equal(await page.locator(".new:visible + .line .text").textContent(), "first");
  assert.equal(await page.title(), "tea · chat");
  assert.ok(page.url().endsWith("#lobby/*tea"));
});

test("the address has the rooms, and the browser keeps the name", async () => {
  const { page, mock } = await openMock(browser, {}, "#lobby/*d%C3%B6ner/%zz");
  mock.hello();
  assert.deepEqual((await mock.next("resume")).rooms, { lobby: null, "döner": null });
  mock.enter("lobby");
  mock.enter("döner");
  await until("the room of the address", async () => (await page.title()) === "döner · chat");
  await page.getByRole("button", { name: "Change your name" }).click();
  await page.getByLabel("Name that the others see").fill("bob");
  await page.keyboard.press("Enter");
  assert.equal((await mock.next("nick")).nick, "bob");
  mock.send({ type: "notice", code: "nick-taken", text: "bob is taken" });
  await shows(page, "bob is taken");
  await page.getByLabel("Name that the others see").fill("ann");
  await page.keyboard.press("Enter");
  assert.equal((await mock.next("nick")).nick, "ann");
  mock.send({ type: "nick", nick: "Ann" });
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  await page.reload();
  await until("another connection", () => mock.connections === 2);
  mock.hello();
  assert.equal((await mock.next("nick")).nick, "Ann");
  assert.deepEqual(page.errors, []);
});

test("a page comes back after its connection, where it was", async () => {
  const { page, mock } = await openLobby(browser);
  const seen = mock.msg("lobby", "ann", "seen");
  mock.send(seen);
  await write(page, "on its way");
  await shows(page, "seen");
  for (let turn = 2; turn <= 8; turn++) {
    mock.close(1012);
    await shows(page, "no connection, trying again");
    // Longer each time, and never longer than this.
    await page.clock.runFor(30_000);
    await until(`connection ${turn}`, () => mock.connections === turn);
    await shows(page, "connected");
  }
  mock.hello("aa-2", "guest-2");
  assert.deepEqual((await mock.next("resume")).rooms, { lobby: seen.id });
  mock.enter("lobby", [{ type: "mark", room: "lobby", id: mock.id() }, mock.msg("lobby", "ann", "missed")]);
  await shows(page, MARK);
  assert.deepEqual(await texts(page), ["seen", "missed"]);
  await shows(page, "may not have arrived");
  await page.getByRole("button", { name: "Send again" }).click();
  assert.equal((await mock.next("say")).text, "on its way");
  assert.deepEqual(page.errors, []);
});

const STEP_MS = 500;
const isWaiting = async (page) => (await page.textContent("#state")) === "no connection, trying again";

test("attempts are further and further apart, and at random times", async () => {
  const { page, mock } = await openMock(browser);
  await page.clock.pauseAt(Date.now() + 1000);
  for (const [turn, atLeastMs] of [2000, 4000, 8000, 15_000, 15_000].entries()) {
    mock.close(1001);
    await shows(page, "no connection, trying again");
    await page.clock.runFor(atLeastMs - 1);
    await shows(page, "no connection, trying again");
    // In steps, up to the attempt: a connection that has lasted ten seconds would start anew.
    for (let left = atLeastMs + 1; left > 0 && (await isWaiting(page)); left -= STEP_MS) {
      await page.clock.runFor(STEP_MS);
    }
    await until("another connection", () => mock.connections === turn + 2);
    await shows(page, "connected");
  }
});

test("a server that has vanished is noticed by its silence", async () => {
  const { page, mock } = await openLobby(browser);
  await page.clock.fastForward(60_000);
  assert.deepEqual(await mock.next("who"), { type: "who", room: "lobby" });
  mock.send({ type: "names", room: "lobby", id: mock.id(), count: 1, names: ["guest-1"] });
  await shows(page, "1 here");
  await page.clock.fastForward(20_000);
  await shows(page, "connected");
  await page.clock.fastForward(60_000);
  await mock.next("who");
  await page.clock.fastForward(25_000);
  await until("another connection", () => mock.connections === 2);
});

test("a message that the server refuses as such ends the attempts", async () => {
  const { page, mock } = await openLobby(browser);
  mock.close(1009);
  await shows(page, "no connection");
  await page.getByRole("button", { name: "Try now" }).click();
  await until("another connection", () => mock.connections === 2);
});

test("the log follows its end only if it was there, and stays short", async () => {
  const { page, mock } = await openLobby(browser, { viewport: PHONE });
  const say = (count, word) => {
    for (let at = 0; at < count; at++) mock.send(mock.msg("lobby", "ann", `${word} ${at}`));
  };
  const away = () => page.locator(".log").evaluate((log) => log.scrollHeight - log.scrollTop - log.clientHeight);
  say(60, "first");
  await shows(page, "first 59");
  await until("the end", async () => (await away()) < 2);
  await page.locator(".log").evaluate((log) => log.scrollTo(0, 100));
  await until("the scroll to be noticed", async () => (await away()) > 100);
  say(1, "second");
  await page.getByRole("button", { name: "New messages" }).click();
  await until("the end", async () => (await away()) < 2);
  say(600, "third");
  await shows(page, "third 599");
  assert.equal(await page.locator(".lines > li").count(), 500);
  await until("the end", async () => (await away()) < 2);
});

test("new messages are announced, old ones are not", async () => {
  const { page, mock } = await openMock(browser);
  mock.hello();
  mock.send({ type: "entered", room: "lobby", asked: "lobby" }, mock.msg("lobby", "ann", "old"));
  await shows(page, "old");
  const log = page.getByRole("log", { name: "Messages in lobby" });
  assert.equal(await log.getAttribute("aria-live"), "off");
  mock.send({ type: "names", room: "lobby", id: mock.id(), count: 1, names: ["guest-1"] });
  await shows(page, "1 here");
  assert.equal(await log.getAttribute("aria-live"), "polite");
});

test("the members fit on a phone, above the messages", async () => {
  const { page } = await openLobby(browser, { viewport: PHONE });
  const members = page.locator(".members");
  assert.ok(await members.isHidden());
  await page.getByRole("button", { name: "3 here" }).click();
  assert.deepEqual(await members.locator("li span:last-child").allTextContents(), ["ann", "bob", "guest-1 (you)"]);
  const { x, width } = await members.boundingBox();
  assert.ok(width > 150 && x + width <= PHONE.width, `from ${x}, ${width} px wide`);
});

test("nothing moves for those that want it so", async () => {
  const { page } = await openMock(browser, { reducedMotion: "reduce" });
  assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
});
