// The page at `/` of reactor_web.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch, looksRight, open, tabbed } from "./browser.js";
import { start } from "./servers.js";
import { until } from "./waiting.js";

let server, browser;

before(async () => {
  [server, browser] = await Promise.all([start("reactor_web"), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("the page says welcome, and nothing on the console", async () => {
  const page = await open(browser, server.url);
  assert.equal(await page.textContent("h1"), "welcome");
  await until("a number of requests", async () => {
    return Number(await page.textContent("[data-show=requests]")) > 0;
  });
  assert.deepEqual(page.errors, []);
});

test("the page is legible in both color schemes and on a phone", async () => {
  const page = await open(browser, server.url);
  await looksRight(page);
  assert.deepEqual(page.errors, []);
});

test("a route is called with the keyboard alone", async () => {
  const page = await open(browser, server.url);
  const names = await tabbed(page);
  for (const name of ["pause", "GET /plaintext", "words", "answer"]) {
    assert.ok(names.includes(name), `Tab does not reach '${name}': ${names}`);
  }
  await page.evaluate(() => document.activeElement.blur());
  await until("the focus on a route", async () => {
    await page.keyboard.press("Tab");
    return page.evaluate(() => document.activeElement.textContent === "GET /plaintext");
  });
  await page.keyboard.press("Enter");
  await until("the answer", async () => (await page.textContent("#answer")).endsWith("Hello, World!"));
  assert.match(await page.textContent("#status"), /^200 OK after \d+ ms$/);
});

test("the numbers come as events, also after a restart, and pause", async () => {
  const server = await start("reactor_web");
  const page = await open(browser, server.url);
  const requests = async () => Number(await page.textContent("[data-show=requests]"));
  await until("a number", async () => (await requests()) > 0);
  const first = await requests();
  await page.evaluate(() => fetch("/plaintext").then(() => {}));
  await until("a request more", async () => (await requests()) > first);
  await server.stop();
  await until("trouble", async () => (await page.textContent("#trouble")).startsWith("The server does not answer."));
  const again = await start("reactor_web", [], server.port);
  await until("numbers again", async () => (await page.textContent("#trouble")) === "");
  const connections = async () => {
    const metrics = await fetch(`${again.url}/metrics`).then((answer) => answer.text());
    return Number(/^socketserver_connections (\d+)$/m.exec(metrics)[1]);
  };
  const listening = await connections();
  await page.getByRole("button", { name: "Pause" }).click();
  await until("the end of the stream", async () => (await connections()) < listening);
  await again.stop();
});

test("words are echoed as text", async () => {
  const page = await open(browser, server.url);
  const words = "<img src=x onerror=alert(1)>";
  await page.fill("#words", words);
  await page.keyboard.press("Enter");
  await until("the echo", async () => (await page.textContent("#answer")).endsWith(words));
  assert.deepEqual(page.errors, []);
});
