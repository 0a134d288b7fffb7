// The rooms as tabs: the one that is shown, the unread ones, and the address of the page, which has
// all of them. Knows no connection.

const list = document.getElementById("tabs");
const panels = document.getElementById("panels");

export function sameName(a, b) {
  return a.toLowerCase() === b.toLowerCase();
}

export class Tabs {
  shown = null;
  #rooms = new Map();
  #actions;
  // The room that the address shows, until it is there.
  #due;

  // `leave(room)` and `join(name)` ask the server.
  constructor(actions) {
    this.#actions = actions;
    this.#due = fromHash().shown;
    list.addEventListener("keydown", (event) => this.#pressed(event));
    document.addEventListener("visibilitychange", () => this.#seen());
    addEventListener("hashchange", () => this.#addressed());
  }

  all() {
    return [...this.#rooms.values()];
  }

  // The rooms to ask for: those that are there, with their last ids, or those of the address.
  asked(max) {
    if (this.#rooms.size > 0) return this.all().map((room) => [room.name, room.last]);
    return fromHash().names.slice(0, max).map((name) => [name, null]);
  }

  get(name) {
    return this.#rooms.get(name);
  }

  // The room with this name in any case.
  find(name) {
    return this.all().find((room) => sameName(room.name, name));
  }

  // Shows a room if it is the first, or the one that the address shows.
  add(room) {
    this.#rooms.set(room.name, room);
    list.append(room.tab);
    panels.append(room.panel);
    room.tab.onclick = () => this.show(room);
    if (!this.shown || sameName(this.#due, room.name)) this.show(room);
    this.#told();
  }

  respell(room, name) {
    const before = this.all();
    room.rename(name);
    this.#rooms = new Map(before.map((each) => [each.name, each]));
    this.#told();
  }

  show(room) {
    if (this.shown !== room) this.shown?.select(false);
    if (sameName(this.#due, room.name)) this.#due = "";
    this.shown = room;
    room.select(true);
    room.setUnread(0);
    this.#told();
  }

  drop(room) {
    const all = this.all();
    const at = all.indexOf(room);
    const neighbour = all[at + 1] ?? all[at - 1];
    this.#rooms.delete(room.name);
    room.remove();
    if (this.shown === room) {
      this.shown = null;
      if (neighbour) this.show(neighbour);
      (neighbour?.tab ?? document.getElementById("add")).focus();
    }
    this.#told();
  }

  isSeen(room) {
    return room === this.shown && !document.hidden;
  }

  addUnread(room) {
    room.setUnread(room.unread + 1);
    this.#told();
  }

  #seen() {
    if (!this.shown || document.hidden) return;
    this.shown.setUnread(0);
    this.#told();
  }

  #pressed(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || !this.shown) return;
    if (event.key === "Delete") return this.#actions.leave(this.shown);
    const all = this.all();
    const at = all.indexOf(this.shown);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.show(all[(to + all.length) % all.length]);
    this.shown.tab.focus();
  }

  // The user has changed the address: rooms that it lacks are not left by this.
  #addressed() {
    const { names, shown } = fromHash();
    this.#due = shown;
    const room = this.find(shown);
    if (room) this.show(room);
    for (const name of names) if (!this.find(name)) this.#actions.join(name);
  }

  // Says in the title and in the address how it is.
  #told() {
    const all = this.all();
    const unread = all.reduce((sum, room) => sum + room.unread, 0);
    document.title = `${unread > 0 ? `(${unread}) ` : ""}${this.shown ? `${this.shown.name} · ` : ""}chat`;
    const star = (room) => (room === this.shown && all.length > 1 ? "*" : "");
    const hash = all.map((room) => star(room) + encodeURIComponent(room.name)).join("/");
    history.replaceState(null, "", `#${hash}`);
  }
}

// `#lobby/*tea` has two rooms, of which tea is shown. No name has a slash or a star.
function fromHash() {
  const words = location.hash.slice(1).split("/").map(decoded);
  const bare = (word) => word.replace(/^\*/, "");
  const names = words.map(bare).filter((name) => name !== "");
  return { names: [...new Set(names)], shown: bare(words.find((word) => word.startsWith("*")) ?? words[0]) };
}

function decoded(word) {
  try {
    return decodeURIComponent(word);
  } catch {
    return "";
  }
}
