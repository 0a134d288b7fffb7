"""The state of a cluster on one screen, and the keys; without a terminal, a line for each change.
Knows no process."""

import contextlib
import os
import select
import shutil
import sys
import termios
import time
import tty

LOOK_SECONDS = 1
TICK_SECONDS = 0.1
EVENTS_MIN = 3
NAMES_WIDTH_MIN = 20
# ANSI: another screen without a cursor, and back.
ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
HOME, TO_LINE_END, TO_SCREEN_END = "\x1b[H", "\x1b[K", "\x1b[J"
COLORS = {"good": "\x1b[32m", "bad": "\x1b[31m", "head": "\x1b[1m", "faint": "\x1b[2m"}
PLAIN = "\x1b[0m"


def run(cluster, seconds):
    """Shows the cluster until `q`, or for a number of seconds."""
    shows = Screen if sys.stdout.isatty() else Lines
    end = time.monotonic() + seconds if seconds else None
    with shows(cluster) as view, keys() as read_key:
        looks_at = 0
        while end is None or time.monotonic() < end:
            cluster.tick()
            if time.monotonic() >= looks_at:
                view.show(cluster.look())
                looks_at = time.monotonic() + LOOK_SECONDS
            key = read_key(TICK_SECONDS)
            if key in ("q", "\x04"):
                return
            if key and press(cluster, key):
                looks_at = 0


def press(cluster, key):
    """Does what a key means. Returns True if it means something."""
    actions = {str(number): lambda node=node: cluster.kill_node(node)
               for number, node in enumerate(cluster.nodes, 1)}
    actions |= {"r": cluster.kill_engine, "s": cluster.stop_engine, "w": cluster.wipe_engine}
    if action := actions.get(key):
        action()
    return action is not None


@contextlib.contextmanager
def keys():
    """Gives a function that waits for a key: it returns None after a time without one."""
    if not sys.stdin.isatty():
        yield lambda wait: time.sleep(wait)
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)

    def read_key(wait):
        ready, _, _ = select.select([sys.stdin], [], [], wait)
        # Not by the buffer of the stream, in which further keys would wait unseen.
        return sys.stdin.buffer.raw.read(1).decode(errors="replace") if ready else None

    try:
        yield read_key
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def addresses(cluster):
    port = cluster.port
    return f"in a browser:   http://127.0.0.1:{port}", f"in a terminal:  nc 127.0.0.1 {port}"


def number(value, form):
    return "" if value is None else format(value, form)


class Lines:
    """A line for each change."""

    def __init__(self, cluster):
        self.cluster, self.shown, self.before = cluster, 0, {}

    def __enter__(self):
        for text in addresses(self.cluster):
            self.say(text)
        return self

    def __exit__(self, *_):
        pass

    def say(self, text):
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)

    def show(self, seen):
        for when, text in self.cluster.events_since(self.shown):
            print(when, text, flush=True)
        self.shown = self.cluster.count
        for subject, text in self.facts(seen):
            if self.before.get(subject) != text:
                self.before[subject] = text
                self.say(f"{subject}: {text}")

    def facts(self, seen):
        for node, health in zip(self.cluster.nodes, seen.nodes):
            if health.clients is not None:
                yield f"node {node.name}", f"clients: {health.clients}"
        if seen.rooms is not None:
            rooms, _ = seen.rooms
            for name in {room for room, *_ in rooms} | self.rooms_before():
                count, names = next((it[1:] for it in rooms if it[0] == name), (0, []))
                yield f"room {name}", f"members: {count} {', '.join(names)}".strip()

    def rooms_before(self):
        return {subject.removeprefix("room ") for subject in self.before if subject.startswith("room ")}


class Screen:
    """Everything on one screen, drawn again each time."""

    def __init__(self, cluster):
        self.cluster, self.began = cluster, time.monotonic()

    def __enter__(self):
        self.write(ENTER)
        return self

    def __exit__(self, *_):
        self.write(LEAVE)

    def write(self, text):
        sys.stdout.write(text)
        sys.stdout.flush()

    def show(self, seen):
        columns, rows = shutil.get_terminal_size()
        above = [*self.head(), "", *self.nodes(seen, columns), "", *self.others(seen), "",
                 *self.rooms(seen, columns), ""]
        below = ["", *self.help()]
        # The others are the older ones.
        events = list(self.events())[-max(EVENTS_MIN, rows - 1 - len(above) - len(below)):]
        lines = [("", line) if isinstance(line, str) else line for line in above + events + below]
        drawn = [draw(color, text[:columns]) + TO_LINE_END for color, text in lines[:rows - 1]]
        self.write(HOME + "\n".join(drawn) + "\n" + TO_SCREEN_END)

    def head(self):
        since = int(time.monotonic() - self.began)
        yield "head", f"a chat on {len(self.cluster.nodes)} nodes, for {since // 60}:{since % 60:02}"
        yield from addresses(self.cluster)
        yield "faint", f"logs in {self.cluster.folder}"

    def nodes(self, seen, columns):
        yield "faint", (f"{'key':7}{'node':9}{'port':>6}{'pid':>8}{'clients':>8}{'probe':>7}"
                        f"{'unacked':>8}{'marks':>6}  state")
        for key, (node, health) in enumerate(zip(self.cluster.nodes, seen.nodes), 1):
            age = number(health.probe_age, ".1f")
            row = (f"{key:<7}{node.name:9}{node.port:6}{node.pid or '':>8}"
                   f"{number(health.clients, 'd'):>8}{age + ' s' if age else '':>7}"
                   f"{number(health.unaccepted, '.0f'):>8}{number(health.marks, '.0f'):>6}"
                   f"  {health.state}")
            color = "good" if health.is_ready else "bad"
            yield color, row
            if health.why:
                yield color, f"{'':7}{health.why}"

    def others(self, seen):
        both = ((self.cluster.engine, seen.engine, "r s w"), (self.cluster.balancer, seen.balancer, ""))
        for one, state, its_keys in both:
            is_good = one.is_running() and not one.is_stopped()
            yield "good" if is_good else "bad", (
                f"{its_keys:7}{one.name:9}{one.port:6}{one.pid or '':>8}  {state}")

    def rooms(self, seen, columns):
        yield "faint", f"{'members':9}room"
        if seen.rooms is None:
            yield "faint", f"{'':9}the engine does not answer"
            return
        rooms, more = seen.rooms
        for name, count, names in rooms:
            yield f"{count:7}  {name}: {listed(names, count, columns - 24 - len(name))}"
        if not rooms:
            yield "faint", f"{'':9}no members: open the address above"
        if more:
            yield "faint", f"{'':9}and {more} more rooms"

    def events(self):
        for when, text in self.cluster.events:
            yield "faint", f"{when}  {text}"

    def help(self):
        last = len(self.cluster.nodes)
        numbers = "1" if last == 1 else f"1 to {last}"
        yield f"{numbers} kill -9 a node  r kill -9 Redis  s stop it for 5 s  w wipe it  q quit"


def draw(color, text):
    is_plain = not color or os.environ.get("NO_COLOR")
    return text if is_plain else f"{COLORS[color]}{text}{PLAIN}"


def listed(names, count, width):
    """The names that have room, and the number of the others."""
    shown = []
    for name in names:
        if sum(len(one) + 2 for one in shown) + len(name) > max(width, NAMES_WIDTH_MIN):
            break
        shown.append(name)
    more = count - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
