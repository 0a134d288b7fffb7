"""Work for clients that have gone does not delay the next: none is begun, or it is done behind."""

import statistics
import time

import common

ROUNDS = 20
JOB_MS = 20
JOBS = 3
# The most time for the server to end the connections of a round. Calls of handlers are made, though
# late, because they may have input that came before the reset.
REST_SECONDS = 60


def abandon(server, path, count, leave):
    """Requests the work `count` times and leaves. Returns the answer's milliseconds for the next
    client."""
    clients = [server.connect() for _ in range(count)]
    for client in clients:
        client.sendall(common.request(path))
        if leave == "reset":
            client.setsockopt(common.socket.SOL_SOCKET, common.socket.SO_LINGER, common.RESET)
    with server.connect() as late:
        for client in clients:
            client.close()
        began = time.monotonic()
        status, _, _ = common.exchange(late, path)
        took = 1000 * (time.monotonic() - began)
    if status != 200:
        raise RuntimeError(f"status {status}")
    return took


def rounds(server, path, count, leave):
    """The milliseconds of each round. After a reset, each round is on its own; work for clients that
    have closed is done in the end, so later rounds add a part only."""
    before = server.descriptors_at_rest()
    rest = lambda: common.until(lambda: server.descriptors() <= before, REST_SECONDS)
    took = [abandon(server, path, count, leave)]
    for _ in range(1, ROUNDS):
        if leave == "reset":
            rest()
        took.append(abandon(server, path, count if leave == "reset" else count // ROUNDS, leave))
    rest()
    return took


def abandons(mode, what, count, leave):
    common.raise_descriptors(2 * count + 100)
    path = f"/{what}?ms={JOB_MS}"
    limit = JOBS * JOB_MS
    with common.Server(common.ROUTES, mode=mode) as server:
        before = server.descriptors_at_rest()
        took = rounds(server, path, count, leave)
        after = server.descriptors_at_rest()
    median, longest = statistics.median(took), max(took)
    name = f"abandoned {mode}, {what}, {leave}"
    common.row(name, f"median {median:.0f} ms, longest {longest:.0f} ms, {count} gone",
               f"median < {limit} ms", median < limit)
    common.row(name + ", descriptors", f"{before} -> {after}", "no more", after <= before)


def run(options):
    for leave in ("reset", "close"):
        for mode in common.MODES:
            abandons(mode, "offload", options.works, leave)
        # Handlers that block run in the threads of this mode, as calls.
        abandons("threads", "work", options.works, leave)


if __name__ == "__main__":
    common.main(__doc__, run)
