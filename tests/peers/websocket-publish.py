"""One publish to 15,000 WebSockets: the CPU time of the loop at a stretch."""

import statistics

import peers
from peers import common

STRETCH_MS = 20


def stretch_ms(client):
    """The longest stretch since the last call."""
    return int(common.exchange(client, "/stretch")[2]) / 1e6


def run(options):
    count = options.sockets
    limit = (count + 200, count + 200)
    with common.Server("socketserver-rooms", mode="probed", descriptors=limit) as server, \
            peers.Members(server.bound, "ws", "/member", count) as members, \
            server.connect() as client:
        members.publish(1, 1)
        figures, totals = [], []
        for _ in range(options.times):
            stretch_ms(client)
            before = peers.cpu_seconds([server.pid])
            members.publish(1, 1)
            totals.append(1000 * (peers.cpu_seconds([server.pid]) - before))
            figures.append(stretch_ms(client))
    total = statistics.median(totals)
    figure = statistics.median(figures)
    common.note("stretches in ms: " + ", ".join(f"{one:.1f}" for one in figures))
    peers.row(f"a publish to {count}, at a stretch", f"{figure:.1f} ms", f"{total:.1f} in all",
              f"{figure / total:.2f}", f"at most {STRETCH_MS} ms", figure <= STRETCH_MS)


if __name__ == "__main__":
    peers.main(__doc__, run)
