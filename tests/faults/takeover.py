"""A successor takes over a port under load, many times: no request fails, and none waits for long.

The successor listens on the same port (`--reuse-port`), then the old server gets SIGTERM. A client
that connects while the old server empties its queue tries again after a second (its SYN is dropped).
"""

import threading
import time

import common

CLIENTS = 20
# Between two takeovers: longer than a client waits until it tries again, so that it does not meet the
# next stop.
LOAD_SECONDS = 1.5
WAIT_SECONDS = 2


class Client(threading.Thread):
    """Asks on a new connection each time, until `over` is set."""

    def __init__(self, address, over):
        super().__init__()
        self.address, self.over = address, over
        self.answered, self.slowest, self.failed = 0, 0.0, []

    def run(self):
        while not self.over.is_set():
            began = time.monotonic()
            try:
                with common.connect(self.address) as client:
                    client.sendall(common.request(keep=False))
                    status, _, _ = common.read_answer(client)
                    if status != 200:
                        self.failed.append(f"status {status}")
            except (common.Ended, OSError) as error:
                self.failed.append(repr(error))
            self.answered += 1
            self.slowest = max(self.slowest, time.monotonic() - began)


def successor(mode, bind):
    return common.Server("reactor_web", "--reuse-port", mode=mode, bind=bind)


def takeovers(mode, times):
    codes, over = set(), threading.Event()
    old = successor(mode, "127.0.0.1:0")
    clients = [Client(old.address, over) for _ in range(CLIENTS)]
    try:
        for client in clients:
            client.start()
        for _ in range(times):
            time.sleep(LOAD_SECONDS)
            new = successor(mode, old.bound)
            with old:
                codes.add(old.stop())
            old = new
            if not old.listens:
                break
        time.sleep(LOAD_SECONDS)
    finally:
        over.set()
        for client in clients:
            client.join()
        old.__exit__()
    failed = [one for client in clients for one in client.failed]
    for one in failed[:5]:
        common.note("failed: " + one)
    answered = sum(client.answered for client in clients)
    slowest = max(client.slowest for client in clients)
    common.row(f"takeover {mode}", f"{len(failed)} of {answered} failed, longest {slowest:.2f} s, "
               f"{times} times, codes {sorted(codes, key=str)}",
               f"0 failed, < {WAIT_SECONDS} s, code 0",
               not failed and slowest < WAIT_SECONDS and codes == {0})


def run(options):
    for mode in common.MODES:
        takeovers(mode, options.times)


if __name__ == "__main__":
    common.main(__doc__, run)
