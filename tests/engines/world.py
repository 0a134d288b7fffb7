"""One run: three nodes, an engine, a path between each node and the engine, and members that publish
while a fault happens. Knows no oracle and no fault."""

import contextlib
import os
import subprocess
import sys
import time

import crowd
import servers
from servers import common

HERE = servers.HERE
NODES = 3
MEMBERS = 50
# At each node.
PUBLISHERS = 6
LINES_PER_SECOND = 200
# After a fault, so that its consequences show before all is calm.
AFTER_SECONDS = 2


class Path:
    """The program path.py as a process: see there."""

    def __init__(self, port):
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "path.py"), str(port)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())

    def do(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        if self.process.stdout.readline() != "done\n":
            raise RuntimeError(f"the path does not {word}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


HEALTH = ["--health", servers.LOCAL + ":0"]


class Node:
    """A node as a process: `program` takes --bind and --backplane, and may have --health."""

    def __init__(self, program, url, log):
        command = [*program, "--bind", servers.LOCAL + ":0", "--backplane", url]
        environment = {**os.environ, "RUST_LOG": "info"}
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=log, text=True, env=environment)
        self.log = log
        self.address = self.listens()
        self.health = self.listens() if "--health" in program else None

    def listens(self):
        """The next address that it listens on."""
        line = self.process.stdout.readline().strip()
        if not line.startswith("listening on "):
            raise RuntimeError(f"the node said '{line}': see {self.log.name}")
        host, port = line.removeprefix("listening on ").rsplit(":", 1)
        return host, int(port)

    def ask(self, path):
        """The status and the body at this path of its health."""
        with common.connect(self.health) as client:
            status, _, body = common.exchange(client, path)
        return status, bytes(body).decode()

    def number(self, name):
        """The value of one of its metrics."""
        _, page = self.ask("/metrics")
        lines = (line.split() for line in page.splitlines() if not line.startswith("#"))
        return next(float(value) for key, value in lines if key.split("{")[0].endswith(name))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class World:
    """Everything of a run. `engine` runs already."""

    def __init__(self, stack, folder, engine, program, member, seed):
        self.stack, self.engine, self.program = stack, engine, program
        self.log = stack.enter_context(open(os.path.join(folder, "nodes"), "ab"))
        self.paths = [stack.enter_context(Path(engine.port)) for _ in range(NODES)]
        self.nodes = [self.new_node(number) for number in range(NODES)]
        self.crowd = stack.enter_context(crowd.Crowd(
            [node.address for node in self.nodes], member, MEMBERS, PUBLISHERS, LINES_PER_SECOND,
            seed))
        # When the last fault was over.
        self.back = None
        # What went wrong besides the lines of members.
        self.wrong = []

    def new_node(self, number):
        url = self.engine.url_at(self.paths[number].port)
        return self.stack.enter_context(Node(self.program, url, self.log))

    def stop_node(self, number):
        # First, so that the members do not count it as a fault of the node.
        self.crowd.nodes[number] = None
        self.nodes[number].process.kill()

    def start_node(self, number):
        self.nodes[number] = self.new_node(number)
        self.crowd.nodes[number] = self.nodes[number].address

    def is_back(self):
        """Nothing hinders the nodes from here on."""
        if not common.until(self.engine.answers):
            raise RuntimeError("the engine does not answer after its fault")
        self.back = time.monotonic()

    def expect_away(self):
        """The engine must be away for all nodes, and they must say so."""
        for number, node in enumerate(self.nodes):
            if node.health and not common.until(lambda: node.ask("/readyz")[0] == 503, 1):
                self.wrong.append(f"node {number} says that it is ready")

    def run(self, fault, seconds):
        if not common.until(lambda: all(self.serves(node) for node in self.nodes)):
            return self.wrong.append("the nodes do not serve")
        if not self.crowd.warm_up():
            return self.wrong.append("the members do not hear each other")
        self.crowd.is_publishing = True
        end = time.monotonic() + seconds
        time.sleep(seconds / 4)
        fault.strike(self)
        if self.back:
            end = max(end, self.back + AFTER_SECONDS)
        time.sleep(max(0, end - time.monotonic()))
        if not self.crowd.calm_down():
            self.wrong.append("in the end the members do not hear each other")
        if self.crowd.dropped:
            self.wrong.append(f"{self.crowd.dropped} connections dropped")
        for number, node in enumerate(self.nodes):
            if node.process.poll() is not None:
                self.wrong.append(f"node {number} has ended")
            elif node.health:
                self.check_health(number, node)

    def check_health(self, number, node):
        if unaccepted := node.number("backplane_unaccepted"):
            self.wrong.append(f"node {number} has {unaccepted:.0f} unaccepted lines")
        if (answer := node.ask("/readyz"))[0] != 200:
            self.wrong.append(f"node {number} is not ready: {answer}")

    @staticmethod
    def serves(node):
        with contextlib.suppress(OSError), common.connect(node.address):
            return True
        return False

    def resumed(self):
        """The time from the end of the fault until each member has a later line of each publisher of
        its room; None without a fault."""
        sent_at = {publisher.name: publisher.sent_at for publisher in self.crowd.publishers}
        longest = None
        for member in self.crowd.members:
            session = member.session
            # The flooded room is silent by then.
            if not (self.back and session.lasted and session.came_early
                    and session.room != crowd.FLOODED):
                continue
            first = {}
            for event, when in zip(session.events, session.times):
                if event and event[0] not in first and 0 < event[1] <= len(sent_at[event[0]]) and \
                        sent_at[event[0]][event[1] - 1] >= self.back:
                    first[event[0]] = when - self.back
            longest = max(longest or 0, *first.values(), 0)
        return longest
