"""A demonstration that watches itself: two members on different nodes talk while their node and the
engine die. Knows no process."""

import contextlib
import select
import socket
import sys
import time

from programs import LOCAL, Failure

PATIENCE_SECONDS = 30
TICK_SECONDS = 0.02
# A member that finds nothing to connect to tries again after this time.
RETRY_SECONDS = 0.2
# The time in which everything goes on after the engine answers commands again, and more for a busy machine.
RESUME_SECONDS = 5


class Wrong(Exception):
    """Something did not happen."""


class Member:
    """A client of lines, which connects again when its connection has ended."""

    def __init__(self, name, port):
        self.name, self.port = name, port
        self.socket, self.rest = None, b""
        # All lines that it has seen, over all connections.
        self.lines = []
        self.connections, self.tries_at = 0, 0
        # The node of its first connection.
        self.node = None

    def tick(self):
        if self.socket is None:
            return self.connect()
        with contextlib.suppress(BlockingIOError):
            try:
                data = self.socket.recv(65_536)
            except ConnectionError:
                data = b""
            if not data:
                return self.close()
            *lines, self.rest = (self.rest + data).split(b"\n")
            self.lines += [line.decode(errors="replace").strip() for line in lines]
        return None

    def connect(self):
        if time.monotonic() < self.tries_at:
            return
        self.tries_at = time.monotonic() + RETRY_SECONDS
        with contextlib.suppress(OSError):
            self.socket = socket.create_connection((LOCAL, self.port), timeout=1)
            self.socket.setblocking(False)
            self.connections += 1

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket, self.rest = None, b""

    def send(self, line):
        if self.socket:
            with contextlib.suppress(OSError):
                self.socket.sendall(line.encode() + b"\n")

    def has(self, text, since=0):
        """Returns True if it has seen this text, in a line after the first `since`."""
        return any(text in line for line in self.lines[since:])


class Smoke:
    def __init__(self, cluster):
        self.cluster = cluster
        self.members = []
        self.said, self.told = 0, 0

    def tick(self):
        self.cluster.tick()
        for member in self.members:
            member.tick()
        for when, text in self.cluster.events_since(self.told):
            print(f"      {when} {text}", flush=True)
        self.told = self.cluster.count
        sockets = [member.socket for member in self.members if member.socket]
        select.select(sockets, [], [], TICK_SECONDS)

    def wait(self, what, condition, seconds=PATIENCE_SECONDS):
        """Waits for a condition. Returns the time that this has taken."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() > began + seconds:
                raise Wrong(f"not in {seconds} s: {what}")
            self.tick()
        took = time.monotonic() - began
        print(f"ok    {what} ({took:.1f} s)", flush=True)
        return took

    def talk(self, when, seconds=PATIENCE_SECONDS):
        """Each member says lines until the other one has seen one of them."""
        ann, bob = self.members
        said_at, texts = 0, {ann: [], bob: []}

        def both_hear():
            nonlocal said_at
            if time.monotonic() >= said_at:
                said_at = time.monotonic() + 0.5
                for member in self.members:
                    self.said += 1
                    texts[member].append(f"line {self.said} of {member.name}")
                    member.send(texts[member][-1])
            return hears(bob, texts[ann]) and hears(ann, texts[bob])

        def hears(member, lines):
            return any(member.has(line) for line in lines)

        self.wait(f"two members talk: {when}", both_hear, seconds)

    def clients(self):
        """Returns the number of clients of each node; None for one that is too busy to answer."""
        return {node: node.look().clients for node in self.cluster.nodes}

    # The parts, in order.

    def begin(self):
        nodes = self.cluster.nodes
        self.wait("all nodes are ready", lambda: all(node.look().is_ready for node in nodes))
        for name in ("ann", "bob"):
            before = {}
            self.wait("the nodes tell their clients",
                      lambda: before.update(self.clients()) or None not in before.values())
            member = Member(name, self.cluster.port)
            self.members.append(member)
            self.wait(f"{member.name} is in through the balancer", lambda: member.has("welcome"))
            self.wait(f"{member.name} is at a node", lambda: self.grown(member, before))
        ann, bob = self.members
        if ann.node is bob.node:
            raise Wrong("the balancer has sent both members to one node")
        self.talk(f"at the nodes {ann.node.name} and {bob.node.name}")

    def grown(self, member, before):
        """Finds the node that has a client more."""
        more = [node for node, count in self.clients().items() if (count or 0) > before[node]]
        member.node = more[0] if len(more) == 1 else None
        return member.node

    def names(self):
        ann, bob = self.members
        ann.send("/nick ann")
        self.wait("ann has her name", lambda: bob.has("is now ann"))
        bob.send("/nick ann")
        self.wait("the other node refuses the same name", lambda: bob.has("ann is taken"))
        bob.send("/nick bob")
        self.wait("bob has another one", lambda: ann.has("is now bob"))
        since = len(ann.lines)
        ann.send("/who")
        self.wait("/who lists members of both nodes", lambda: ann.has("ann, bob", since))
        self.wait("so does the engine", lambda: {"ann", "bob"} <= set(self.room("lobby")))

    def room(self, wanted):
        """Returns the names in a room, as the engine knows them."""
        rooms, _ = self.cluster.look().rooms or ([], 0)
        return next((names for name, _, names in rooms if name == wanted), [])

    def node_dies(self):
        _, bob = self.members
        connections = bob.connections
        self.cluster.kill_node(bob.node)
        self.wait("bob has connected again, to another node", lambda: bob.connections > connections)
        self.talk("without the killed node")
        self.wait("the killed node is ready again", lambda: bob.node.look().is_ready)

    def engine_dies(self):
        ann, bob = self.members
        connections = ann.connections, bob.connections
        since = len(ann.lines)
        self.cluster.kill_engine()
        end = time.monotonic() + 3
        while time.monotonic() < end:
            self.tick()
        ann.send("a line while the engine is away")
        self.wait("ann is told that her line was not sent", lambda: len(ann.lines) > since, 5)
        print(f"      ann sees: {ann.lines[-1]}")
        self.wait("the engine answers again", self.cluster.engine.answers)
        self.talk("after the engine was away", RESUME_SECONDS)
        if (ann.connections, bob.connections) != connections:
            raise Wrong("a member has lost its connection, although its node lives")
        if bob.has("a line while the engine is away"):
            raise Wrong("a line has arrived that ann was told about")

    def run(self):
        self.begin()
        self.names()
        self.node_dies()
        self.engine_dies()
        self.wait("all nodes are ready", lambda: all(n.look().is_ready for n in self.cluster.nodes))


def run(cluster):
    """Returns the exit code."""
    smoke = Smoke(cluster)
    try:
        smoke.run()
    except Wrong as wrong:
        print(f"FAIL  {wrong}", flush=True)
        for member in smoke.members:
            print(f"      {member.name} has seen: {member.lines[-10:]}")
        for node in cluster.nodes:
            print(f"      node {node.name}: {node.look()}, its log ends: {node.last_words()}")
        return 1
    finally:
        for member in smoke.members:
            member.close()
    print("all is well")
    return 0
