"""Rooms over nodes: what they cost the engine and the nodes, and how long they take."""

import contextlib
import os
import statistics
import sys
import tempfile
import time

import bare
import peers
from peers import common

sys.path.append(os.path.join(common.ROOT, "tests/engines"))
import servers  # noqa: E402
import world  # noqa: E402

# The CPU time of the engine for a message, against the script and against PUBLISH of a bare client.
TIMES_SCRIPT, TIMES_PUBLISH = 1.3, 4.5
# The CPU time of a node for a delivery, against one of a local room.
TIMES_LOCAL = 1.1
# The time of a message, against PUBLISH.
TIMES_DELAY = 1.3
# On their way at once.
FLIGHT = 32
MEMBERS = 100
PER_SECOND = 300
TOPICS = 10_000
RESUBSCRIBED_SECONDS = 2
STRETCH_MS = 20
FRAME = bytes([0x81, 0x80 | 64, 0, 0, 0, 0]) + b"x" * 64


def node(stack, redis, port=None, **more):
    url = redis.url_at(port or redis.port)
    return stack.enter_context(common.Server("socketserver-rooms", "--backplane", url, **more))


def members(stack, *arguments):
    return stack.enter_context(peers.Members(*arguments))


def await_watchers(redis, count):
    """Waits until this number of nodes has the room in step."""
    if not common.until(lambda: int(redis.call("PUBSUB", "NUMSUB", "bp:{room}")[1]) >= count):
        raise RuntimeError("the nodes do not watch the room")
    # The read that follows the subscription.
    time.sleep(0.5)


def number(redis, section, name, field=None):
    """A number of INFO."""
    lines = redis.call("INFO", section).decode().splitlines()
    value = next((line.split(":", 1)[1] for line in lines if line.startswith(name + ":")), "0")
    if field:
        value = dict(one.split("=") for one in value.split(",") if "=" in one).get(field, 0)
    return int(value)


def cpu_of(pids, work, per):
    """Returns a measurement: the CPU time of processes during `work`, in µs for each of `per`."""
    def measure():
        before = peers.cpu_seconds(pids)
        work()
        return 1e6 * (peers.cpu_seconds(pids) - before) / per
    return measure


def costs_of_the_engine(redis, options):
    count = 4 * options.messages
    with contextlib.ExitStack() as stack:
        room = members(stack, node(stack, redis).bound, "ws", "/member", 1)
        script, publish = bare.Script(redis.port), bare.Publish(redis.port)
        await_watchers(redis, 1)
        calls = lambda: number(redis, "commandstats", "cmdstat_evalsha", "calls")
        room.publish(count, FLIGHT)
        before = calls()
        room.publish(count, FLIGHT)
        batch = round(count / (calls() - before))
        common.note(f"a node publishes {batch} messages in a call")
        pids = [redis.process.pid]
        figures = peers.in_turn(options.times, {
            "ours": cpu_of(pids, lambda: room.publish(count, FLIGHT), count),
            "the script": cpu_of(pids, lambda: script.publish(count, batch), count),
            "PUBLISH": cpu_of(pids, lambda: publish.publish(count, batch, False), count),
            "PUBLISH in a write of its own": cpu_of(
                pids, lambda: publish.publish(count, batch, True), count),
        })
    name = "CPU of Redis for a message"
    peers.compare(name, "µs", figures, "the script", TIMES_SCRIPT, peers.at_most)
    peers.compare(name, "µs", figures, "PUBLISH", TIMES_PUBLISH, peers.at_most)
    peers.tell(*peers.compared(name, "µs", figures, "PUBLISH in a write of its own")[0], "")


def costs_of_a_node(redis, options):
    """For a delivery: a node whose members hear the publisher of another, and a local room."""
    count = options.messages
    with contextlib.ExitStack() as stack:
        local = stack.enter_context(common.Server("socketserver-rooms"))
        other, ours = node(stack, redis), node(stack, redis)
        here = members(stack, local.bound, "ws", "/member", MEMBERS)
        there = members(stack, ours.bound, "ws", "/member", MEMBERS, other.bound)
        await_watchers(redis, 1)
        work = {"local": (local, here), "ours": (ours, there)}
        for _, room in work.values():
            room.publish(count, FLIGHT)
        figures = peers.in_turn(options.times, {
            name: cpu_of([server.pid], lambda room=room: room.publish(count, FLIGHT),
                         MEMBERS * count)
            for name, (server, room) in work.items()
        })
    peers.compare("CPU of a node for a delivery", "µs", figures, "local", TIMES_LOCAL,
                  peers.at_most)


class Way:
    """A message from one socket to another. Nothing else runs in this process meanwhile."""

    def __init__(self, sender, receiver, sent, size, answer):
        self.sender, self.receiver, self.sent, self.size = sender, receiver, sent, size
        # What the sender gets for each message.
        self.answer = answer

    def delays(self, count):
        found = []
        for _ in range(count):
            due = time.monotonic() + 1 / PER_SECOND
            began = time.perf_counter()
            self.sender.sendall(self.sent)
            receive(self.receiver, self.size)
            found.append(1e6 * (time.perf_counter() - began))
            receive(self.sender, self.answer)
            time.sleep(max(0, due - time.monotonic()))
        return statistics.median(found)


def receive(connection, size):
    while size > 0:
        part = connection.recv(size)
        assert part, "a connection has ended"
        size -= len(part)


def upgraded(address, path):
    """A WebSocket at a path."""
    client = common.connect(address)
    client.sendall(b"GET %b HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                   b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                   b"\r\n" % path.encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += client.recv(1)
    return client


def publish(to, back):
    """PUBLISH at one address, and a subscriber at another."""
    publisher, subscriber = common.connect(to), common.connect(back)
    channel = b"bare:%d" % publisher.getsockname()[1]
    subscriber.sendall(bare.encoded("SUBSCRIBE", channel))
    receive(subscriber, len(bare.encoded("subscribe", channel) + b":1\r\n"))
    pushed = bare.encoded("message", channel, b"x" * 64)
    return Way(publisher, subscriber, bare.encoded("PUBLISH", channel, b"x" * 64), len(pushed),
               len(b":1\r\n"))


def delays(redis, options):
    """From a publisher at one node to a member at another."""
    with contextlib.ExitStack() as stack:
        one, other = node(stack, redis), node(stack, redis)
        proxies = [stack.enter_context(common.Server("tcp_proxy", "--to", redis.address))
                   for _ in range(2)]
        there = "127.0.0.1", redis.port
        ways = {
            "ours": Way(upgraded(one.address, "/publisher"), upgraded(other.address, "/member"),
                        FRAME, 66, 0),
            "PUBLISH": publish(there, there),
            "PUBLISH through two proxies": publish(*(proxy.address for proxy in proxies)),
        }
        await_watchers(redis, 1)
        figures = peers.in_turn(options.times, {
            name: lambda way=way: way.delays(PER_SECOND) for name, way in ways.items()})
    name = f"median delay at {PER_SECOND}/s"
    cells, _ = peers.compared(name, "µs", figures, "PUBLISH")
    peers.tell(*cells, "two hops less")
    peers.compare(name, "µs", figures, "PUBLISH through two proxies", TIMES_DELAY, peers.at_most)


def stretch_ms(server):
    """The longest stretch of CPU time since the last call."""
    with server.connect() as client:
        return int(common.exchange(client, "/stretch")[2]) / 1e6


def topics_again(redis, options):
    """A node that is cut off subscribes to all its topics again, and reads their logs."""
    reads = lambda: number(redis, "commandstats", "cmdstat_xrange", "calls")
    channels = lambda: len(redis.call("PUBSUB", "CHANNELS", "bp:{room-*"))
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(world.Path(redis.port))
        server = node(stack, redis, path.port, mode="probed")
        members(stack, server.bound, "ws", f"/rooms/{TOPICS}", 1)
        if not common.until(lambda: channels() == TOPICS, 60):
            raise RuntimeError(f"the node watches {channels()} topics")
        time.sleep(1)
        figures, stretches = [], []
        for _ in range(options.times):
            before = reads()
            stretch_ms(server)
            path.do("cut")
            began = time.monotonic()
            common.until(lambda: reads() >= before + TOPICS)
            figures.append(time.monotonic() - began)
            assert channels() == TOPICS
            stretches.append(stretch_ms(server))
            time.sleep(1.5)
    figure, stretch = statistics.median(figures), statistics.median(stretches)
    common.note("seconds: " + ", ".join(f"{one:.2f}" for one in figures))
    common.note("stretches in ms: " + ", ".join(f"{one:.1f}" for one in stretches))
    peers.row(f"{TOPICS} topics again after a cut", f"{figure:.2f} s", "", "",
              f"at most {RESUBSCRIBED_SECONDS} s", figure <= RESUBSCRIBED_SECONDS)
    peers.row(f"{TOPICS} topics again, at a stretch", f"{stretch:.1f} ms", "", "",
              f"at most {STRETCH_MS} ms", stretch <= STRETCH_MS)


def large_room(redis, options):
    """One room over three nodes."""
    each = options.sockets // 3
    limit = (each + 200, each + 200)
    with contextlib.ExitStack() as stack:
        nodes = [node(stack, redis, mode="probed", descriptors=limit) for _ in range(3)]
        rooms = [members(stack, one.bound, "ws", "/member", each) for one in nodes]

        def publish(count):
            for room in rooms[1:]:
                room.tell(f"await {count}")
            rooms[0].publish(count, 1)
            for room in rooms[1:]:
                room.expect("delivered")

        await_watchers(redis, len(nodes))
        publish(1)
        figures = []
        for _ in range(options.times):
            stretch_ms(nodes[0])
            publish(1)
            figures.append(stretch_ms(nodes[0]))
    figure = statistics.median(figures)
    common.note("stretches in ms: " + ", ".join(f"{one:.1f}" for one in figures))
    peers.row(f"a publish to {3 * each} at three nodes, at a stretch", f"{figure:.1f} ms", "", "",
              f"at most {STRETCH_MS} ms", figure <= STRETCH_MS)


def run(options):
    if not common.has("redis-server"):
        return common.skip("backplane", "redis-server")
    common.note(peers.version(["redis-server", "--version"]))
    for part in (costs_of_the_engine, costs_of_a_node, delays, topics_again, large_room):
        # An append-only file would add its own cost to all but PUBLISH.
        with tempfile.TemporaryDirectory() as folder, servers.Redis(folder, append="no") as redis:
            part(redis, options)


if __name__ == "__main__":
    peers.main(__doc__, run)
