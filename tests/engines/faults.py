"""The faults of a run, each with what it may lose. Knows no member and no line."""

import contextlib
import dataclasses
import time

import servers

ALL = (0, 1, 2)
BOTH = ("redis", "nats")
REDIS = ("redis",)


@dataclasses.dataclass
class Fault:
    strike: object
    # The nodes whose members may get marks.
    loses: tuple
    engines: tuple
    # Of the engine.
    settings: dict

    @property
    def meaning(self):
        return self.strike.__doc__


FAULTS = {}


def fault(name, loses=(), engines=BOTH, **settings):
    """Registers a function as a fault. It gets the world: see run."""
    def register(strike):
        FAULTS[name] = Fault(strike, loses, engines, settings)
        return strike
    return register


@fault("none")
def nothing(_):
    """Nothing happens."""


@fault("cut")
def cut(world):
    """The connections of one node after another are reset, three times."""
    for _ in range(3):
        for path in world.paths:
            path.do("cut")
            time.sleep(0.2)
    world.is_back()


@fault("stall")
def stall(world):
    """Nothing passes for 0.7 s; then node 0 alone is cut off without a word for 5 s."""
    for path in world.paths:
        path.do("stall")
    time.sleep(0.7)
    for path in world.paths:
        path.do("go")
    time.sleep(0.5)
    world.paths[0].do("stall")
    time.sleep(5)
    world.paths[0].do("go")
    world.is_back()


@fault("late")
def late(world):
    """The connection of node 0 hangs until that has made another; then the old bytes arrive."""
    world.paths[0].do("late")
    time.sleep(4.5)
    world.paths[0].do("release")
    world.is_back()


def kill(world):
    """The engine is killed, and starts again after 5 s."""
    world.engine.kill()
    time.sleep(4)
    world.expect_away()
    time.sleep(1)
    world.engine.start()
    world.is_back()


# What was acknowledged is in the file, or the system would have to crash, too.
fault("kill", append="everysec")(kill)
fault("aof-always", engines=REDIS, append="always")(kill)
fault("aof-no", loses=ALL, engines=REDIS, append="no")(kill)


@fault("stop-2")
def stop_2(world, seconds=2):
    """The engine does nothing for 2 s."""
    world.engine.pause()
    time.sleep(seconds)
    if seconds > 8:
        world.expect_away()
    world.engine.resume()
    world.is_back()


@fault("stop-10")
def stop_10(world):
    """The engine does nothing for 10 s."""
    stop_2(world, 10)


@contextlib.contextmanager
def node_0_away(world):
    """Node 0 is cut off from 0.7 s before until after something: it has lines to miss."""
    world.paths[0].do("refuse")
    time.sleep(0.7)
    yield
    world.paths[0].do("go")
    world.is_back()


@fault("wipe", loses=ALL)
def wipe(world):
    """While node 0 is cut off, the engine loses all that it has."""
    with node_0_away(world):
        world.engine.wipe()


@fault("trim", loses=(0,))
def trim(world):
    """While node 0 is cut off, the logs are cut to their last 3 entries."""
    with node_0_away(world):
        world.engine.trim(3)


@fault("rollback", loses=ALL)
def rollback(world):
    """While node 0 is cut off, the engine loses what it took last, as by a power failure."""
    with node_0_away(world):
        world.engine.remember()
        world.engine.lose_power(0.5)


@fault("slow")
def slow(world):
    """Node 0 reads nothing while its room is flooded, until the engine cuts it: the tail is lost."""
    world.engine.limit_output()
    world.paths[0].do("deaf")
    world.crowd.flood(node=1, count=2_000)
    time.sleep(2.6)
    world.paths[0].do("go")
    world.is_back()


@fault("node")
def node(world):
    """A node is killed. Its members go to the others, and it starts again after 2 s."""
    world.stop_node(2)
    time.sleep(2)
    world.start_node(2)
    world.is_back()


# The same with the chat, whose members have positions.
CHAT = "chat-node"
fault(CHAT)(node)


@fault("disaster", loses=ALL)
def disaster(world):
    """A node is killed, and the engine loses what it took last: both start again."""
    world.engine.remember()
    time.sleep(0.3)
    world.stop_node(2)
    world.engine.lose_power(0)
    world.start_node(2)
    world.is_back()


@fault("demotion", engines=REDIS)
def demotion(world):
    """The engine becomes a replica for 3 s, of a server that is not there."""
    world.engine.call("REPLICAOF", servers.LOCAL, servers.lasting_port())
    time.sleep(3)
    world.engine.call("REPLICAOF", "NO", "ONE")
    world.is_back()


@fault("client-kill", engines=REDIS)
def client_kill(world):
    """An administrator ends the connections, three times."""
    for _ in range(3):
        for kind in ("pubsub", "normal"):
            # Also its own.
            with contextlib.suppress(OSError, RuntimeError):
                world.engine.call("CLIENT", "KILL", "TYPE", kind)
        time.sleep(0.5)
    world.is_back()


@fault("script-flush", engines=REDIS)
def script_flush(world):
    """The scripts are removed, three times."""
    for _ in range(3):
        world.engine.call("SCRIPT", "FLUSH")
        time.sleep(0.5)
    world.is_back()
