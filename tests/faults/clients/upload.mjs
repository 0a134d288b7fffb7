// Uploads with a client of Node: http, fetch, or undici. Takes its name, an address, a number of bytes
// and a count; prints what each attempt has seen, one a line: the status, or the error.

import http from "node:http";
import { createRequire } from "node:module";

const [, , name, url, size, count] = process.argv;
const body = Buffer.alloc(Number(size), "x");

const clients = {
  http: () =>
    new Promise((resolve, reject) => {
      const headers = { "content-length": body.length };
      const request = http.request(url, { method: "POST", headers }, (answer) => {
        answer.resume();
        answer.on("end", () => resolve(answer.statusCode));
      });
      request.on("error", reject);
      request.end(body);
    }),
  fetch: async () => {
    const answer = await fetch(url, { method: "POST", body });
    await answer.arrayBuffer();
    return answer.status;
  },
  undici: async () => {
    // From the folder of NODE_PATH.
    const { request } = createRequire(import.meta.url)("undici");
    const answer = await request(url, { method: "POST", body });
    await answer.body.dump();
    return answer.statusCode;
  },
};

for (let n = 0; n < Number(count); n++) {
  try {
    console.log(await clients[name]());
  } catch (error) {
    console.log(String(error.cause ?? error));
  }
}
process.exit(0);
