"""Two nodes of 100 members each and one Redis: deliveries for each second of CPU time of the nodes,
beside Socket.IO with its adapter of Redis streams."""

import contextlib
import os
import subprocess
import sys
import tempfile

import backplane
import peers
from backplane import servers
from peers import common

NODES = 2
MEMBERS = 100
FLIGHT = 32
TIMES = 5
PACKAGES = ["socket.io@4.8.4", "@socket.io/redis-streams-adapter@0.3.1", "redis@5"]
PROGRAM = """
import { createServer } from "node:http";
import { Server } from "socket.io";
import { createClient } from "redis";
import { createAdapter } from "@socket.io/redis-streams-adapter";

const client = createClient({ url: process.argv[2] });
await client.connect();
const http = createServer();
// The members answer no pings.
const pingInterval = 3_600_000;
const io = new Server(http, { adapter: createAdapter(client), serveClient: false, pingInterval });
io.on("connection", (socket) => {
  if (socket.handshake.query.role === "/publisher") {
    socket.on("line", (text) => io.to("room").emit("line", text));
  } else {
    socket.join("room");
  }
});
http.listen(0, "127.0.0.1", () => console.log(`listening on 127.0.0.1:${http.address().port}`));
"""


class SocketIo:
    """A node of Socket.IO."""

    def __init__(self, folder, url):
        self.process = subprocess.Popen(["node", os.path.join(folder, "server.mjs"), url], text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.bound = self.process.stdout.readline().removeprefix("listening on ").strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def pids(self):
        return [self.process.pid]


def installed(folder):
    """Installs Socket.IO into a folder. Returns False if that cannot be done."""
    with open(os.path.join(folder, "server.mjs"), "w") as file:
        file.write(PROGRAM)
    command = ["npm", "install", "--prefix", folder, "--no-audit", "--no-fund", "--silent", *PACKAGES]
    return not subprocess.run(command, stdout=sys.stderr).returncode


def measurement(stack, nodes, protocol, count):
    """Returns a measurement: deliveries for each second of CPU time. The publisher is at the first
    node, outside the room."""
    nodes = [stack.enter_context(node) for node in nodes]
    rooms = [stack.enter_context(peers.Members(node.bound, protocol, "/member", MEMBERS))
             for node in nodes]
    pids = [pid for node in nodes for pid in node.pids()]

    def measure():
        before = peers.cpu_seconds(pids)
        for room in rooms[1:]:
            room.tell(f"await {count}")
        rooms[0].publish(count, FLIGHT)
        for room in rooms[1:]:
            room.expect("delivered")
        return NODES * MEMBERS * count / (peers.cpu_seconds(pids) - before)
    return measure


def run(options):
    for tool in ("redis-server", "node", "npm"):
        if not common.has(tool):
            return common.skip("Socket.IO", tool)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        if not installed(folder):
            return common.skip("Socket.IO", "npm's registry")
        common.note(", ".join([peers.version(["node", "--version"]), *PACKAGES]))
        redis = stack.enter_context(servers.Redis(folder, append="no"))
        ours = [common.Server("socketserver-rooms", "--backplane", redis.url) for _ in range(NODES)]
        theirs = [SocketIo(folder, redis.url) for _ in range(NODES)]
        measurements = {
            "ours": measurement(stack, ours, "ws", options.messages),
            "Socket.IO": measurement(stack, theirs, "socketio", options.messages),
        }
        # Those of Socket.IO read the stream from their start on.
        backplane.await_watchers(redis, NODES)
        for measure in measurements.values():
            measure()
        figures = peers.in_turn(options.times, measurements)
    peers.compare("deliveries over two nodes", "/s", figures, "Socket.IO", TIMES, peers.at_least)


if __name__ == "__main__":
    peers.main(__doc__, run)
