"""A room of 100 members, 32 messages in flight: deliveries for each second of CPU time."""

import contextlib

import peers
from peers import common

MEMBERS = 100
FLIGHT = 32
# Of tungstenite on tokio: threads, and the way to flush.
TOKIO = ["current", "multi", "current-gathering", "multi-gathering"]
TIMES_TOKIO = 2


@contextlib.contextmanager
def redis():
    port = peers.free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "",
               "--appendonly", "no"]
    with peers.started(command, port) as process:
        yield f"127.0.0.1:{port}", [process.pid]


def measurement(members, pids, count):
    """Returns a measurement: deliveries for each second of CPU time."""
    def measure():
        before = peers.cpu_seconds(pids)
        members.publish(count, FLIGHT)
        return MEMBERS * count / (peers.cpu_seconds(pids) - before)
    return measure


def run(options):
    with contextlib.ExitStack() as stack:
        measurements = {}

        def add(name, address, pids, protocol="ws"):
            members = peers.Members(address, protocol, "/member", MEMBERS)
            measurements[name] = measurement(stack.enter_context(members), pids, options.messages)

        ours = stack.enter_context(common.Server("socketserver-rooms"))
        add("ours", ours.bound, ours.pids())
        for mode in TOKIO:
            server = stack.enter_context(common.Server("socketserver-tokio-rooms", mode=mode))
            add(f"tokio {mode}", server.bound, server.pids())
        has_redis = common.has("redis-server")
        if has_redis:
            common.note(peers.version(["redis-server", "--version"]))
            add("Redis", *stack.enter_context(redis()), "redis")
        else:
            common.skip("deliveries, Redis", "redis-server")
        for measure in measurements.values():
            measure()
        figures = peers.in_turn(options.times, measurements)
    for mode in TOKIO:
        peers.compare("deliveries", "/s", figures, f"tokio {mode}", TIMES_TOKIO, peers.at_least)
    if has_redis:
        peers.compare("deliveries", "/s", figures, "Redis", 1, peers.at_least)


if __name__ == "__main__":
    peers.main(__doc__, run)
