// A TCP proxy that cuts its connections when it is told to. Knows no protocol.

import { once } from "node:events";
import { connect, createServer } from "node:net";

class Proxy {
  #server;
  #pairs = new Set();

  constructor(port) {
    this.#server = createServer((client) => {
      const server = connect(port, "127.0.0.1");
      const pair = [client, server];
      this.#pairs.add(pair);
      for (const [from, to] of [pair, [server, client]]) {
        from.pipe(to);
        // The purpose of this proxy.
        from.on("error", () => to.destroy());
        from.on("close", () => {
          to.destroy();
          this.#pairs.delete(pair);
        });
      }
    });
  }

  async listen() {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
    return this;
  }

  // Ends all connections by a reset. Bytes on their way are lost.
  cut() {
    for (const [client, server] of this.#pairs) {
      client.resetAndDestroy();
      server.destroy();
    }
  }

  close() {
    this.#server.close();
    this.cut();
  }
}

// Starts a proxy on a free port for a server on this one.
export function proxyTo(port) {
  return new Proxy(port).listen();
}
