// A browser, and the rules for every page: no error on the console, no horizontal scroll bar,
// everything by keyboard, contrast. Knows no page.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { chromium } from "playwright-core";

import { PATIENCE_MS } from "./waiting.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PROGRAM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const OPTIONS = [
  "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
];
export const PHONE = { width: 320, height: 640 };
export const DESK = { width: 1280, height: 800 };
export const SCHEMES = ["light", "dark"];

// A browser with a profile of its own, which disappears with it.
export function launch() {
  return chromium.launch({ executablePath: PROGRAM, args: OPTIONS });
}

// A page in a context of its own: its own storage, its own cookies. `page.errors` collects the
// errors and warnings of the console and uncaught errors of scripts.
export async function open(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: DESK, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.errors = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) page.errors.push(message.text());
  });
  page.on("pageerror", (error) => page.errors.push(String(error)));
  await page.goto(url);
  return page;
}

// Violations of accessibility, contrast included, each with the elements that have it.
export async function violations(page) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() => axe.run(document));
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
}

// Checks the page in both color schemes, and as wide as a desk and a phone.
export async function looksRight(page) {
  for (const viewport of [DESK, PHONE]) {
    await page.setViewportSize(viewport);
    for (const colorScheme of SCHEMES) {
      await page.emulateMedia({ colorScheme });
      const at = `${viewport.width} px, ${colorScheme}`;
      assert.deepEqual(await violations(page), [], at);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= viewport.width, `${at}: the page is ${width} px wide`);
    }
  }
}

// Presses Tab until the focus leaves the page, and returns the names of the elements that had it.
// Each must show that it has the focus.
export async function tabbed(page) {
  const names = [];
  // The focus of the whole page: an element without the focus is still where Tab goes on.
  await page.evaluate(() => {
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute("tabindex");
  });
  for (let count = 0; count < 100; count++) {
    await page.keyboard.press("Tab");
    const found = await page.evaluate(() => {
      const it = document.activeElement;
      if (it === document.body) return null;
      const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(it);
      const isShown = (outlineStyle !== "none" && outlineWidth !== "0px") || boxShadow !== "none";
      return { name: it.id || it.getAttribute("aria-label") || it.textContent, isShown };
    });
    if (!found) return names;
    assert.ok(found.isShown, `the focus on '${found.name}' is not shown`);
    names.push(found.name);
  }
  throw new Error(`the focus does not leave the page: ${names.slice(-10)}`);
}
