"""15,000 idle WebSockets: user memory for each."""

import time

import peers
from peers import common

BYTES = 300
# A silent peer is pinged after 25 to 50 s.
PINGED_SECONDS = 60


def anonymous_kib(server):
    """The memory in use that belongs to the server alone: heap and stacks. What its sockets take in
    the kernel is not in it."""
    return sum(common.status_of(pid, "RssAnon") for pid in server.pids())


def measured(server, path, count, seconds):
    """The bytes for each socket: after the handshakes, and after a time of silence."""
    with server:
        # The first one creates what all share.
        with peers.Members(server.bound, "ws", path, 1):
            before = anonymous_kib(server)
        with peers.Members(server.bound, "ws", path, count):
            figures = [anonymous_kib(server)]
            if seconds:
                time.sleep(seconds)
                figures.append(anonymous_kib(server))
    return [(figure - before) * 1024 / count for figure in figures]


def run(options):
    count = options.sockets
    limit = (count + 200, count + 200)
    peer = common.Server("socketserver-tokio-rooms", mode="current", descriptors=limit)
    theirs = measured(peer, "/member", count, 0)[0]
    ours = common.Server("ws_echo", "--log", "off", descriptors=limit)
    figures = measured(ours, "/", count, PINGED_SECONDS)
    for figure, when in zip(figures, ("at first", "after pings")):
        peers.row(f"an idle WebSocket, {when}", f"{figure:.0f} bytes",
                  f"{theirs:.0f} tungstenite on tokio", f"{figure / theirs:.3f}",
                  f"at most {BYTES} bytes", figure <= BYTES)


if __name__ == "__main__":
    peers.main(__doc__, run)
