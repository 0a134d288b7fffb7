// Server-sent events of the example sse, while connections are cut and the server is killed.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { launch, looksRight, open } from "./browser.js";
import { proxyTo } from "./proxy.js";
import { start } from "./servers.js";
import { until } from "./waiting.js";

const TIMES = 20;

let browser;

before(async () => (browser = await launch()));
after(() => browser?.close());

async function publish(server, text) {
  const answer = await fetch(`${server.url}/publish`, { method: "POST", body: text });
  assert.equal(answer.status, 200);
}

const lines = (page) => page.locator("#list li").allTextContents();
const last = async (page) => (await lines(page)).at(-1);

// The console tells of each connection that failed. Anything else is an error.
function others(page) {
  return page.errors.filter((error) => !error.startsWith("Failed to load resource: net::ERR_"));
}

test("the page is legible in both color schemes and on a phone", async () => {
  const server = await start("sse");
  const page = await open(browser, server.url);
  await publish(server, "w".repeat(500));
  await until("the event", async () => (await lines(page)).length === 1);
  await looksRight(page);
  assert.deepEqual(page.errors, []);
  await server.stop();
});

// Browsers wait for a second or two before they connect again: both at once.
describe("an EventSource", { concurrency: true }, () => {
  test("misses nothing and gets nothing twice over cut connections", async () => {
    const server = await start("sse");
    const proxy = await proxyTo(server.port);
    const page = await open(browser, proxy.url);
    const expected = [];
    const say = async (count) => {
      for (let at = 0; at < count; at++) {
        expected.push(`event ${expected.length}`);
        await publish(server, expected.at(-1));
      }
    };
    for (let turn = 0; turn < TIMES; turn++) {
      await say(3);
      await until("the events before the cut", async () => (await last(page)) === expected.at(-1));
      // Some are on their way, and some come while there is no connection.
      const said = say(4);
      proxy.cut();
      await said;
      await say(3);
      await until("the events after the cut", async () => (await last(page)) === expected.at(-1));
    }
    assert.deepEqual(await lines(page), expected);
    assert.deepEqual(others(page), []);
    proxy.close();
    await server.stop();
  });

  test("notices the new epoch after each restart, once", async () => {
    let server = await start("sse");
    const page = await open(browser, server.url);
    const expected = [];
    const isThere = async () => (await last(page)) === expected.at(-1);
    for (let turn = 0; turn < TIMES; turn++) {
      expected.push(`before restart ${turn}`);
      await publish(server, expected.at(-1));
      await until("the event before the restart", isThere, () => lines(page));
      await server.kill();
      server = await start("sse", [], server.port);
      await publish(server, `after restart ${turn}`);
      expected.push("* some events are missing (epoch)", `after restart ${turn}`);
      await until("the event after the restart", isThere, () => lines(page));
    }
    assert.deepEqual(await lines(page), expected);
    assert.deepEqual(others(page), []);
    await server.stop();
  });
});
