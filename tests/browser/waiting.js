// Waits with a deadline: a failure shows the awaited event and the last state. Knows no browser.

import { setTimeout as pause } from "node:timers/promises";

// Longer than any step of the tests on a busy machine: it turns a hang into a failure.
export const PATIENCE_MS = 60_000;
// A look takes time from the browser that is looked at.
const BETWEEN_LOOKS_MS = 5;

// Calls `look` again and again until it returns something true, and returns that. `instead` may tell
// the state that is shown in the failure.
export async function until(awaited, look, instead = look) {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (performance.now() > end) {
      const state = JSON.stringify(await instead());
      throw new Error(`after ${PATIENCE_MS} ms not yet: ${awaited}; instead: ${state}`);
    }
    await pause(BETWEEN_LOOKS_MS);
  }
}
