"""The engine, the nodes and the balancer, with all that can be done to them. Prints nothing."""

import collections
import dataclasses
import time

import programs
from balancer import Balancer
from engine import Engine
from node import STARTING, Node
from programs import Failure, is_free, lasting_port

NAMES = "abcdefghi"
# A killed node starts again after this time, and a killed engine.
NODE_PAUSE_SECONDS = 3
ENGINE_PAUSE_SECONDS = 5
STOP_SECONDS = 5
# And one that has ended by itself.
PAUSE_SECONDS = 2
EVENTS_MAX = 200


@dataclasses.dataclass
class Snapshot:
    """The state of everything. `rooms` is None if the engine does not answer."""
    nodes: list
    engine: str
    balancer: str
    rooms: object


class Cluster:
    """Use it in a `with` statement: at its end all processes have ended."""

    def __init__(self, folder, path, count, port):
        if port and not is_free(port):
            raise Failure(f"port {port} is in use: choose another one by --port")
        self.folder, self.port = folder, port or lasting_port()
        self.engine = Engine(folder, lasting_port())
        self.nodes = [Node(name, folder, lasting_port(), lasting_port(), path, self.engine.url)
                      for name in NAMES[:count]]
        self.balancer = Balancer(folder, self.port, self.nodes)
        self.programs = [self.engine, *self.nodes, self.balancer]
        # What has happened last: time of the day and text; and how much has happened in all.
        self.events, self.count = collections.deque(maxlen=EVENTS_MAX), 0
        self.told = {}

    def __enter__(self):
        try:
            for one in self.programs:
                one.start_and_wait()
                self.tell(one, f"started, pid {one.pid}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        programs.close_all(reversed(self.programs))

    def tell(self, who, what):
        self.events.append((time.strftime("%H:%M:%S"), f"{who.label}: {what}"))
        self.count += 1

    def events_since(self, count):
        """Returns the events after the first `count`, if they are not too old."""
        new = min(self.count - count, len(self.events))
        return list(self.events)[len(self.events) - new:]

    def tick(self):
        """Does what is due: call it often."""
        for one in self.programs:
            if what := one.tick(PAUSE_SECONDS):
                self.tell(one, what)

    def look(self):
        engine, rooms = self.engine.look()
        nodes = [node.look() for node in self.nodes]
        for node, health in zip(self.nodes, nodes):
            self.notice(node, health)
        return Snapshot(nodes, engine, self.balancer.look(), rooms)

    def notice(self, node, health):
        """Tells when a node that runs becomes ready, or is not ready any more."""
        if not node.is_running():
            self.told.pop(node.name, None)
        elif health.state not in (STARTING, self.told.get(node.name)):
            self.told[node.name] = health.state
            self.tell(node, f"{health.state}: {health.why}" if health.why else health.state)

    # What the keys do. What does not run is left alone.

    def kill_node(self, node):
        self.kill(node, NODE_PAUSE_SECONDS)

    def kill_engine(self):
        self.kill(self.engine, ENGINE_PAUSE_SECONDS)

    def kill(self, one, pause):
        if one.is_running():
            one.kill(pause)
            self.tell(one, f"killed, starts again in {pause} s")

    def stop_engine(self):
        if self.engine.is_running() and not self.engine.is_stopped():
            self.engine.stop_for(STOP_SECONDS)
            self.tell(self.engine, f"stopped for {STOP_SECONDS} s: it keeps its connections, and "
                      "answers nothing")

    def wipe_engine(self):
        if self.engine.is_running() and not self.engine.is_stopped():
            self.engine.wipe()
            self.tell(self.engine, "has forgotten everything (FLUSHALL)")
