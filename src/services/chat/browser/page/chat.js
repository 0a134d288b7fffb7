// The chat: takes the messages of the server, and sends the requests of the user. The messages are
// those of docs/chat.md, `chat.v1.json`.

import { Ask } from "./ask.js";
import { Link } from "./link.js";
import { Room, paint } from "./room.js";
import { Tabs, sameName } from "./tabs.js";

const $ = (id) => document.getElementById(id);
const STATES = {
  connecting: "connecting",
  open: "connected",
  waiting: "no connection, trying again",
  ended: "no connection",
};
// A lost connection holds its name until the server has noticed its end.
const NAME_RETRY_MS = 5000;
const NAME_RETRIES = 6;
const OWN_MAX = 16;

let server = { lobby: "lobby", rooms_max: 8, text_max: 4096 };
let nick = "";
// The name that the user has chosen, and how often it was taken.
let wanted = stored(() => localStorage.getItem("nick"));
let refusals = 0;
let retry = 0;
// The `by` of this page, also of its earlier connections: their lines are its own.
const own = new Set(stored(() => JSON.parse(sessionStorage.getItem("own"))));
const prefix = Math.random().toString(36).slice(2, 10);
let said = 0;

// Storage may be switched off: names are forgotten then, and all else works.
function stored(use) {
  try {
    return use();
  } catch {
    return null;
  }
}

const tabs = new Tabs({ join: (name) => link.send({ type: "join", room: name }), leave });
const rename = new Ask("rename", (name) => link.send({ type: "nick", nick: name }));
const join = new Ask("join", (name) => {
  const room = tabs.find(name);
  if (room) enter(room);
  return room !== undefined || link.send({ type: "join", room: name });
});
const link = new Link(address(), {
  state(state) {
    $("state").dataset.state = state;
    $("state").textContent = STATES[state];
    $("now").hidden = !["waiting", "ended"].includes(state);
  },
  message(message) {
    const { type } = message;
    const room = tabs.get(message.room);
    // An unknown message is of a later version, or of a room that was left.
    if (Object.hasOwn(ON_SERVER, type)) ON_SERVER[type](message);
    else if (room && message.id !== room.last && Object.hasOwn(ON_EVENT, type)) {
      ON_EVENT[type](room, message);
      room.last = message.id;
    }
  },
  probe: () => link.send({ type: "who", room: tabs.shown?.name ?? server.lobby }),
});

$("now").onclick = () => link.connect();
$("add").onclick = () => join.open();
$("me").onclick = () => rename.open(nick);

function address() {
  const url = new URL("ws", location.href.replace(/[?#].*$/, ""));
  url.protocol = url.protocol.replace("http", "ws");
  return url.href;
}

const ON_SERVER = {
  hello(message) {
    server = message;
    own.add(message.you);
    stored(() => sessionStorage.setItem("own", JSON.stringify([...own].slice(-OWN_MAX))));
    setNick(message.nick);
    refusals = 0;
    askName();
    const asked = tabs.asked(message.rooms_max);
    if (asked.length === 0) asked.push([message.lobby, null]);
    link.send({ type: "resume", rooms: Object.fromEntries(asked) });
  },
  nick(message) {
    setNick(message.nick);
    if (rename.sent !== null) rename.accept();
    wanted = message.nick;
    stored(() => localStorage.setItem("nick", nick));
  },
  entered(message) {
    // Another member may have spelled the name first.
    let room = tabs.get(message.room) ?? tabs.get(message.asked);
    if (!room) tabs.add((room = new Room(message.room, actions)));
    else if (room.name !== message.room) tabs.respell(room, message.room);
    room.setCatchingUp(room.last === null ? "first" : "again");
    if (join.sent !== null && sameName(join.sent, message.asked)) enter(room);
    // With a keyboard one wants to write. On a phone it would cover half of the page.
    const isIdle = document.activeElement === document.body && matchMedia("(hover: hover)").matches;
    if (isIdle && tabs.shown === room) room.say.focus();
  },
  names(message) {
    const room = tabs.get(message.room);
    if (!room) return;
    room.members = new Set(message.names);
    room.count = message.count;
    room.last = message.id;
    room.showMembers(nick);
    if (room.catchingUp) room.failPending("may not have arrived");
    room.setCatchingUp(null);
    // The server may find names equal that are not so here.
    if (join.sent !== null) enter(room);
  },
  parted(message) {
    const room = tabs.get(message.room);
    if (room) tabs.drop(room);
  },
  notice({ code, text, room: name, tag }) {
    const room = tabs.get(name) ?? tabs.shown;
    if (tag && tabs.get(name)) return room.failPending(text, tag);
    if (join.sent !== null && ["bad-name", "room-taken", "rooms-full"].includes(code)) return join.refuse(text);
    const isRefused = ["nick-taken", "nick-later", "nick-never"].includes(code);
    if (rename.sent !== null && (isRefused || code === "bad-name")) return rename.refuse(text);
    if (isRefused && wanted !== null && !retryName()) return;
    if (room) room.addNote(`* ${text}`, "trouble");
    else $("notice").textContent = text;
    // No room of the address could be entered.
    if (!room && code !== "stopping") link.send({ type: "join", room: server.lobby });
  },
};

const ON_EVENT = {
  msg(room, message) {
    room.removePending(message.tag);
    const isOwn = own.has(message.by);
    const isUnread = !isOwn && room.catchingUp !== "first" && !tabs.isSeen(room);
    room.addMessage(message, isOwn, isUnread);
    if (isUnread) tabs.addUnread(room);
  },
  joined(room, message) {
    room.addNote(`${message.nick} joined`, "note", message.time);
    // Over nodes, the list may have a member before its event.
    const isNew = !room.members.has(message.nick);
    changeMembers(room, () => room.members.add(message.nick), isNew ? 1 : 0);
  },
  left(room, message) {
    const { nick, namesake } = message;
    room.addNote(`${namesake ? "another " : ""}${nick} left`, "note", message.time);
    const isCounted = room.members.has(nick) || room.count > room.members.size;
    changeMembers(room, () => namesake || room.members.delete(nick), isCounted ? -1 : 0);
  },
  renamed(room, message) {
    const { nick, was, namesake } = message;
    room.addNote(`${namesake ? "another " : ""}${was} is now ${nick}`, "note", message.time);
    const isListed = () => (namesake ? room.members.has(was) : room.members.delete(was));
    changeMembers(room, () => isListed() && room.members.add(nick), 0);
  },
  mark(room) {
    room.addNote("* some messages may be missing", "mark");
  },
};

// The list of members follows the old events, which do not change it.
function changeMembers(room, change, more) {
  if (room.catchingUp) return;
  change();
  room.count += more;
  room.showMembers(nick);
}

// The requests of rooms.

const actions = {
  textMax: () => server.text_max,
  say(room, texts) {
    for (const text of texts) {
      const tag = `${prefix}-${++said}`;
      if (!link.send({ type: "say", room: room.name, text, tag })) return false;
      room.addPending(tag, text);
    }
    room.toEnd();
    return true;
  },
  command(room, command, argument) {
    if (command === "leave") return leave(room);
    if (!argument) return command === "join" ? join.open() : rename.open(nick);
    const dialog = command === "join" ? join : rename;
    dialog.open();
    dialog.submit(argument);
  },
  leave,
};

function leave(room) {
  // Without a connection there is no member to part: the room is not asked for again.
  if (!link.send({ type: "part", room: room.name })) tabs.drop(room);
}

// Shows the room that the user has asked for.
function enter(room) {
  join.accept();
  tabs.show(room);
  room.say.focus();
}

// The own name.

function setNick(name) {
  nick = name;
  $("me").hidden = false;
  $("me").querySelector(".name").textContent = name;
  paint($("me").querySelector(".avatar"), name);
  for (const room of tabs.all()) room.showMembers(nick);
}

function askName() {
  clearTimeout(retry);
  if (wanted !== null && wanted !== nick) link.send({ type: "nick", nick: wanted });
}

// Returns true for the first refusal, which is shown.
function retryName() {
  if (refusals < NAME_RETRIES) retry = setTimeout(askName, NAME_RETRY_MS * 2 ** refusals);
  return ++refusals === 1;
}
