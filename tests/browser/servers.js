// The examples as processes, which print their address when they listen. Knows no page.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { PATIENCE_MS } from "./waiting.js";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TARGET = process.env.CARGO_TARGET_DIR ?? `${ROOT}target`;

// A running example. `url` has the address on which it listens.
class Server {
  constructor(name, process, address) {
    Object.assign(this, { name, process, address });
    this.url = `http://${address}`;
    this.port = Number(address.split(":").pop());
  }

  // SIGTERM, and the end of the process, which must be in order.
  async stop() {
    const code = await this.#end("SIGTERM");
    if (code !== 0) throw new Error(`${this.name} ended with ${code}`);
  }

  // The server disappears without a word to its clients.
  async kill() {
    await this.#end("SIGKILL");
  }

  async #end(signal) {
    const { exitCode, signalCode } = this.process;
    if (exitCode !== null || signalCode !== null) return exitCode;
    const ended = once(this.process, "exit");
    this.process.kill(signal);
    const timer = setTimeout(() => this.process.kill("SIGKILL"), PATIENCE_MS);
    const [code] = await ended;
    clearTimeout(timer);
    return code;
  }
}

const running = new Set();
// A test that fails leaves no server behind.
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

// The path of an example.
export function program(name) {
  return `${TARGET}/debug/examples/${name}`;
}

// Starts an example on a free port, or on `port`, and waits until it listens.
export async function start(name, options = [], port = 0) {
  const bind = ["--bind", `127.0.0.1:${port}`, "--log", "error"];
  const child = spawn(program(name), [...bind, ...options], { stdio: ["ignore", "pipe", "inherit"] });
  running.add(child);
  child.on("exit", () => running.delete(child));
  const failed = once(child, "error").then(([error]) => Promise.reject(error));
  const ended = once(child, "exit").then(([code]) => Promise.reject(new Error(`${name} ended with ${code}`)));
  const [line] = await Promise.race([once(createInterface(child.stdout), "line"), failed, ended]);
  // From now on its end is an event, not a failure.
  failed.catch(() => {});
  ended.catch(() => {});
  const address = /^listening on (\S+)$/.exec(line)?.[1];
  if (!address) throw new Error(`${name} says '${line}', not its address`);
  return new Server(name, child, address);
}
