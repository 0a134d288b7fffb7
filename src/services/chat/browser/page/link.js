// The connection to the server: one WebSocket at a time, made again after it has ended. Knows no
// room.

const PROTOCOL = "chat.v1.json";
// The server refuses a message of this page with these codes: sent again, it would be refused again.
const FINAL = [1003, 1009];
// The delays of attempts: from this to twice this, and twice as long after each failure.
const DELAY_MS = 1000;
const DELAY_MAX_MS = 15_000;
// A connection of this age was a good one: the next delay is the first again.
const STEADY_MS = 10_000;
// A server that has vanished, or a phone that has slept, is noticed by a question without an answer.
const LOOK_EVERY_MS = 5000;
const SILENT_MS = 45_000;
const ANSWER_MS = 15_000;

export class Link {
  #url;
  #events;
  #socket = null;
  #timer = 0;
  #failures = 0;
  #openedAt = 0;
  #heardAt = 0;
  #askedAt = 0;

  // `events` has `state(name)` with connecting, open, waiting or ended; `message(object)`; and
  // `probe()`, which sends anything that has an answer.
  constructor(url, events) {
    this.#url = url;
    this.#events = events;
    addEventListener("online", () => this.#timer && this.connect());
    document.addEventListener("visibilitychange", () => this.#look());
    setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.connect();
  }

  // Connects now, whatever the delay.
  connect() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (this.#socket) return;
    this.#events.state("connecting");
    const socket = new WebSocket(this.#url, PROTOCOL);
    this.#socket = socket;
    socket.onopen = () => {
      this.#openedAt = this.#heardAt = performance.now();
      this.#askedAt = 0;
      this.#events.state("open");
    };
    socket.onmessage = ({ data }) => {
      this.#heardAt = performance.now();
      this.#askedAt = 0;
      this.#events.message(JSON.parse(data));
    };
    socket.onclose = ({ code }) => this.#ended(socket, code);
  }

  // Returns false if there is no connection.
  send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #ended(socket, code) {
    // A socket that was given up already may end much later.
    if (socket !== this.#socket) return;
    this.#socket = null;
    const isSteady = this.#openedAt > 0 && performance.now() - this.#openedAt > STEADY_MS;
    this.#failures = isSteady ? 0 : this.#failures + 1;
    this.#openedAt = 0;
    if (FINAL.includes(code)) return this.#events.state("ended");
    // Thousands of pages lose a server at the same time, and must not come back at the same time.
    const delay = Math.min(DELAY_MS * 2 ** this.#failures, DELAY_MAX_MS) * (1 + Math.random());
    this.#timer = setTimeout(() => this.connect(), delay);
    this.#events.state("waiting");
  }

  #look() {
    if (document.hidden || this.#openedAt === 0) return;
    const now = performance.now();
    if (this.#askedAt > 0 && now - this.#askedAt > ANSWER_MS) {
      const socket = this.#socket;
      this.#ended(socket, 1006);
      socket.close();
    } else if (this.#askedAt === 0 && now - this.#heardAt > SILENT_MS) {
      this.#askedAt = now;
      this.#events.probe();
    }
  }
}
