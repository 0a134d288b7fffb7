"""Members of rooms over several nodes: connections that read, and some that publish numbered lines.
Knows no engine."""

import concurrent.futures
import contextlib
import itertools
import random
import selectors
import socket
import threading
import time

import oracle
from servers import common

ROOMS = ["lobby", "garden", "attic"]
# One member at each node. Its lines are long and many.
FLOODED = "flood"
FLOOD_BYTES = 3_500
TICK_SECONDS = 0.005
# A connection that was cut connects to another node after this time.
RETRY_SECONDS = 0.5
BUFFER = 256 * 1024


class Member:
    """A connection to a node."""

    # If its node ends, it goes on at another one, instead of a new member.
    moves = False
    hears_itself = False

    def __init__(self, node, room, publisher, came_early):
        self.session = oracle.Session(node, room, publisher.name if publisher else b"", came_early)
        self.publisher = publisher
        # What the node has not taken so far: its publisher must wait.
        self.unsent = bytearray()
        # What has come, and when.
        self.chunks = []
        self.socket = None

    def greeting(self):
        return b"room %b\n" % self.session.room.encode()

    @staticmethod
    def encoded(line):
        return line + b"\n"

    # What members get of a line.
    heard = encoded

    def parse(self):
        """Fills the session with what has come since the node has let it into its room."""
        rest, self.is_in = b"", False
        for when, data in self.chunks:
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self.line(when, line)
        self.chunks = []

    def line(self, when, line):
        if not self.is_in:
            self.is_in = line == b"* in %b" % self.session.room.encode()
            return
        if line.startswith(oracle.TOLD):
            return self.publisher.told.add(int(line.removeprefix(oracle.TOLD).split()[1]))
        event = oracle.MARK
        if line != oracle.MARK_LINE:
            name, _, rest = line.partition(b" ")
            number = rest.partition(b" ")[0]
            event = name, int(number) if number.isdigit() else 0
        self.session.events.append(event)
        self.session.times.append(when)


class Crowd(threading.Thread):
    """All members, in one thread. `nodes` are the addresses of the nodes, or None for a dead one."""

    def __init__(self, nodes, kind, members, publishers, rate, seed):
        super().__init__(daemon=True)
        self.nodes, self.kind, self.rate = nodes, kind, rate
        self.random = random.Random(seed)
        self.selector = selectors.DefaultSelector()
        self.names = (b"p%d" % number for number in itertools.count())
        self.members, self.publishers = [], []
        # The open ones.
        self.by_socket = {}
        self.waiting = []
        self.tasks = []
        self.is_publishing, self.ends = False, False
        self.is_early = True
        # Connections that a living node has ended.
        self.dropped = 0
        for node in range(len(nodes)):
            for number in range(members):
                self.open(node, ROOMS[number % len(ROOMS)], number < publishers)
            self.open(node, FLOODED, node > 0)

    # Called by other threads.

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ends = True
        self.join()
        for member in self.by_socket.values():
            member.socket.close()

    def ask(self, task):
        """Calls `task` in the thread of the crowd, and returns its result."""
        answer = concurrent.futures.Future()
        self.tasks.append((task, answer))
        return answer.result(2 * common.PATIENCE)

    def flood(self, node, count):
        """A member of this node publishes many long lines."""
        member = next(one for one in self.members
                      if one.session.room == FLOODED and one.session.node == node)
        self.ask(lambda: [self.publish(member, b"x" * FLOOD_BYTES) for _ in range(count)])

    def warm_up(self):
        """Publishes until each member hears all others of its room. Those that come from then on
        are late. Returns False if that takes too long."""
        hears = self.everyone_hears(self.publish_all)
        self.is_early = False
        return hears

    def calm_down(self):
        """Publishes no more but a last line of each, again if that was refused. Returns False if one
        does not reach all members in time."""
        self.is_publishing = False
        if not common.until(lambda: self.ask(self.all_is_sent)):
            return False
        return self.everyone_hears(self.publish_all)

    def everyone_hears(self, publish):
        end = time.monotonic() + common.PATIENCE
        while time.monotonic() < end:
            starts = self.ask(lambda: {id(one): len(one.chunks) for one in self.members})
            self.ask(publish)
            if common.until(lambda: self.ask(lambda: self.have_heard(starts)), 2):
                return True
        return False

    # In its own thread.

    def open(self, node, room, publishes):
        publisher = self.new_publisher(room) if publishes else None
        member = self.kind(node, room, publisher, self.is_early)
        self.members.append(member)
        self.connect(member)

    def new_publisher(self, room):
        publisher = oracle.Publisher(next(self.names), room, came_late=not self.is_early)
        self.publishers.append(publisher)
        return publisher

    def connect(self, member):
        address = self.nodes[member.session.node]
        try:
            member.socket = socket.create_connection(address)
        except (OSError, TypeError):
            return self.close(member)
        member.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        member.socket.sendall(member.greeting())
        member.socket.setblocking(False)
        self.by_socket[member.socket] = member
        self.selector.register(member.socket, selectors.EVENT_READ)

    def close(self, member):
        """Goes elsewhere."""
        session = member.session
        if member.socket:
            self.selector.unregister(member.socket)
            del self.by_socket[member.socket]
            member.socket.close()
            member.socket = None
        if self.nodes[session.node]:
            self.dropped += 1
        if member.publisher:
            member.publisher.lasted = False
        others = [node for node in range(len(self.nodes)) if node != session.node]
        node = self.random.choice(others)
        if member.moves:
            again = lambda: self.move(member, node)
        else:
            session.lasted = False
            again = lambda: self.open(node, session.room, member.publisher is not None)
        self.waiting.append((time.monotonic() + RETRY_SECONDS, again))

    def move(self, member, node):
        """Its lines have another name from here on: those that were lost are not owed."""
        # What its last connection told it is about the old name.
        member.parse()
        member.session.node = node
        member.unsent.clear()
        if member.publisher:
            member.publisher = self.new_publisher(member.session.room)
        self.connect(member)

    def read(self, member):
        try:
            data = member.socket.recv(BUFFER)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            return self.close(member)
        member.chunks.append((time.monotonic(), data))

    def publish(self, member, more=b""):
        publisher = member.publisher
        publisher.sent_at.append(time.monotonic())
        more = b" " + more if more else b""
        member.unsent += member.encoded(b"%b %d%b" % (publisher.name, publisher.sent, more))
        self.send(member)

    def send(self, member):
        with contextlib.suppress(BlockingIOError, OSError):
            del member.unsent[:member.socket.send(member.unsent)]

    def publish_all(self):
        for member in self.by_socket.values():
            if member.publisher:
                self.publish(member)

    def all_is_sent(self):
        return not any(member.unsent for member in self.by_socket.values())

    def have_heard(self, starts):
        """Returns True if all have got the last line of all others in the chunks from `starts`."""
        last = {room: [] for room in [*ROOMS, FLOODED]}
        for member in self.by_socket.values():
            if publisher := member.publisher:
                line = member.heard(b"%b %d" % (publisher.name, publisher.sent))
                last[publisher.room].append((publisher, line))
        for member in self.by_socket.values():
            heard = b"".join(data for _, data in member.chunks[starts.get(id(member), 0):])
            for publisher, line in last[member.session.room]:
                is_owed = publisher is not member.publisher or member.hears_itself
                if is_owed and line not in heard:
                    return False
        return True

    def publishers_open(self):
        return [member for member in self.by_socket.values()
                if member.publisher and member.session.room != FLOODED]

    def run(self):
        due = time.monotonic()
        while not self.ends:
            for key, _ in self.selector.select(TICK_SECONDS):
                if key.fileobj in self.by_socket:
                    self.read(self.by_socket[key.fileobj])
            now = time.monotonic()
            while self.tasks:
                task, answer = self.tasks.pop(0)
                answer.set_result(task())
            while self.waiting and self.waiting[0][0] <= now:
                self.waiting.pop(0)[1]()
            for member in self.by_socket.values():
                if member.unsent:
                    self.send(member)
            if not self.is_publishing:
                due = now
                continue
            while due <= now:
                due += 1 / self.rate
                ready = [member for member in self.publishers_open() if not member.unsent]
                if ready:
                    self.publish(self.random.choice(ready))
