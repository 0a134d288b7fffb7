// A room in the document: its tab, its lines, its members. Text of others becomes text nodes only.
// Knows no connection.

import { Say } from "./say.js";

// Older lines are removed, so that a page may stay open for months.
const LINES_MAX = 500;
// Lines of one member within this time belong together.
const GROUP_MS = 5 * 60_000;
const HUES = 12;
// Fewer pixels than a line: the end is in sight.
const NEAR_END = 48;

const clock = new Intl.DateTimeFormat([], { timeStyle: "short" });
const calendar = new Intl.DateTimeFormat([], { weekday: "long", day: "numeric", month: "long" });
let count = 0;

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

// Shows the first character of a name on a color of its own.
export function paint(avatar, name) {
  let hash = 0;
  for (const c of name.toLowerCase()) hash = (hash * 31 + c.codePointAt(0)) >>> 0;
  avatar.className = `avatar hue-${hash % HUES}`;
  avatar.textContent = [...name][0]?.toUpperCase() ?? "";
  return avatar;
}

function timeOf(at) {
  const time = make("time", "", clock.format(at));
  time.dateTime = new Date(at).toISOString();
  time.title = new Date(at).toLocaleString();
  return time;
}

export class Room {
  // The last id that was seen.
  last = null;
  // Old events still come: "first" if the page has seen none before, or "again". Else null.
  catchingUp = null;
  unread = 0;
  members = new Set();
  count = 0;
  say;
  #id = `room-${++count}`;
  #actions;
  #find;
  #log;
  #lines;
  #shown = { by: null, at: 0, day: "" };
  #pending = new Map();
  #divider = null;
  #isAtEnd = true;
  #frame = 0;

  constructor(name, actions) {
    const panel = document.getElementById("room").content.firstElementChild.cloneNode(true);
    this.panel = panel;
    this.tab = make("button");
    const badge = make("span", "badge");
    // The words beside it say the same.
    badge.setAttribute("aria-hidden", "true");
    this.tab.append(make("span", "title"), badge, make("span", "unseen"));
    this.tab.type = "button";
    this.tab.id = `${this.#id}-tab`;
    this.tab.setAttribute("role", "tab");
    this.tab.setAttribute("aria-controls", this.#id);
    panel.id = this.#id;
    panel.setAttribute("aria-labelledby", this.tab.id);
    this.#find = (selector) => panel.querySelector(selector);
    this.#log = this.#find(".log");
    this.#lines = this.#find(".lines");
    this.#actions = actions;
    this.say = new Say(this.#find(".say"), {
      textMax: actions.textMax,
      send: (texts) => actions.say(this, texts),
      command: (command, argument) => actions.command(this, command, argument),
    });
    this.#find("label").htmlFor = this.#find("textarea").id = `${this.#id}-text`;
    this.#find(".leave").onclick = () => actions.leave(this);
    this.#find(".down").onclick = () => this.toEnd();
    const who = this.#find(".who");
    who.setAttribute("aria-controls", (this.#find(".members").id = `${this.#id}-members`));
    who.onclick = () => this.#showMembers(this.#find(".members").hidden);
    this.#showMembers(matchMedia("(min-width: 56rem)").matches);
    // While lines wait to be followed, the end is not where it will be.
    this.#log.addEventListener("scroll", () => this.#frame || this.#scrolled());
    // The keyboard of a phone takes half of the height, and must not hide the end.
    new ResizeObserver(() => this.#isAtEnd && this.toEnd()).observe(this.#log);
    this.rename(name);
    this.setUnread(0);
    this.select(false);
  }

  rename(name) {
    this.name = name;
    this.tab.querySelector(".title").textContent = name;
    this.#find("h2").textContent = name;
    this.#find("label").textContent = `Message to ${name}`;
    this.#log.setAttribute("aria-label", `Messages in ${name}`);
    const words = this.#find(".start p");
    if (!words) return;
    words.textContent = `Everyone in ${name} sees what you write: in a browser, or in a terminal`;
    // At another path the port is that of a web server, to which lines mean nothing.
    if (location.pathname !== "/") return words.append(".");
    words.append(" with ", make("code", "", `nc ${location.hostname} ${location.port || 80}`), ".");
  }

  select(isSelected) {
    this.tab.setAttribute("aria-selected", String(isSelected));
    this.tab.tabIndex = isSelected ? 0 : -1;
    this.panel.hidden = !isSelected;
    if (isSelected && this.#isAtEnd) this.toEnd();
    if (isSelected) this.tab.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  remove() {
    this.tab.remove();
    this.panel.remove();
  }

  setUnread(unread) {
    this.unread = unread;
    this.tab.querySelector(".badge").textContent = unread > 99 ? "99+" : unread || "";
    this.tab.querySelector(".unseen").textContent = unread > 0 ? ` ${unread} unread` : "";
  }

  // Old events are not announced.
  setCatchingUp(kind) {
    this.catchingUp = kind;
    this.#log.setAttribute("aria-live", kind ? "off" : "polite");
  }

  // Adds the line of a member. `isNew` puts a divider above it if it is the first that is not read.
  addMessage({ from, by, text, time }, isOwn, isNew) {
    this.#addDay(time);
    if (isNew && this.unread === 0) this.#divide();
    const isFirst = by !== this.#shown.by || time - this.#shown.at > GROUP_MS;
    const line = make("li", `line ${isOwn ? "own" : "theirs"}${isFirst ? " first" : ""}`);
    const bubble = make("div", "bubble");
    const author = make("span", isOwn || !isFirst ? "unseen" : "from");
    author.append(make("bdi", "", isOwn ? "You" : from));
    const said = make("span", "text", text);
    said.dir = "auto";
    bubble.append(author, make("span", "unseen", ": "), said, " ", timeOf(time));
    if (!isOwn) line.append(isFirst ? this.#avatar(from) : make("span", "avatar"));
    line.append(bubble);
    this.#append(line, { by, at: time });
  }

  // Adds a line of the server: `kind` is note, mark or trouble.
  addNote(text, kind = "note", time = null) {
    if (time) this.#addDay(time);
    const line = make("li", kind, text);
    if (time) line.append(" ", timeOf(time));
    this.#append(line, { by: null });
  }

  // Shows a message that is on its way.
  addPending(tag, text) {
    const line = make("li", "line own");
    const bubble = make("div", "bubble");
    bubble.append(make("span", "text", text), " ", make("span", "state", "sending"));
    line.append(bubble);
    this.#find(".pending").append(line);
    this.#pending.set(tag, { text, line });
    if (this.#isAtEnd) this.toEnd();
  }

  // Returns true if the message was one of this page.
  removePending(tag) {
    this.#pending.get(tag)?.line.remove();
    return this.#pending.delete(tag);
  }

  // Says of messages on their way, or of one, that they have not arrived, and offers to try again.
  failPending(reason, only = null) {
    for (const [tag, { text, line }] of this.#pending) {
      const state = line.querySelector(".state");
      if ((only !== null && only !== tag) || line.classList.contains("failed")) continue;
      line.classList.add("failed");
      state.textContent = reason;
      const [again, drop] = [make("button", "quiet", "Send again"), make("button", "quiet", "Discard")];
      again.onclick = () => this.#actions.say(this, [text]) && this.removePending(tag);
      drop.onclick = () => this.removePending(tag);
      again.type = drop.type = "button";
      line.firstElementChild.append(" ", again, " ", drop);
    }
  }

  showMembers(own) {
    const names = [...this.members].sort((a, b) => a.localeCompare(b));
    const items = names.map((name) => {
      const item = make("li");
      const text = make("span", "", name === own ? `${name} (you)` : name);
      text.dir = "auto";
      item.append(this.#avatar(name), text);
      return item;
    });
    const more = this.count - names.length;
    if (more > 0) items.push(make("li", "note", `and ${more} more`));
    this.#find(".members ul").replaceChildren(...items);
    this.#find(".members h3").textContent = `${this.count} here`;
    this.#find(".who").textContent = `${this.count} here`;
  }

  toEnd() {
    this.#log.scrollTop = this.#log.scrollHeight;
    this.#scrolled();
  }

  #showMembers(isShown) {
    this.#find(".members").hidden = !isShown;
    this.#find(".who").setAttribute("aria-expanded", String(isShown));
  }

  #avatar(name) {
    const avatar = paint(make("span"), name);
    avatar.setAttribute("aria-hidden", "true");
    return avatar;
  }

  #addDay(time) {
    const day = calendar.format(time);
    if (day === this.#shown.day) return;
    this.#append(make("li", "day", day === calendar.format(Date.now()) ? "Today" : day), { by: null, day });
  }

  #divide() {
    this.#divider?.remove();
    this.#divider = make("li", "new", "new");
    this.#append(this.#divider, { by: null });
  }

  #append(line, shown) {
    Object.assign(this.#shown, shown);
    this.#lines.append(line);
    while (this.#lines.childElementCount > LINES_MAX) this.#lines.firstElementChild.remove();
    // The picture and its words have been read by then.
    if (this.#lines.childElementCount > LINES_MAX / 10) this.#find(".start")?.remove();
    // Once for all lines that come together: it has the page laid out.
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.panel.hidden) return;
      if (this.#isAtEnd) this.toEnd();
      else this.#find(".down").hidden = false;
    });
  }

  #scrolled() {
    // A hidden log has no height, and keeps its place.
    if (this.panel.hidden) return;
    const { scrollHeight, scrollTop, clientHeight } = this.#log;
    this.#isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_END;
    if (this.#isAtEnd) this.#find(".down").hidden = true;
  }
}
