"""Measures the latency of good clients of a server under attack and, at the same time, of an idle
second one: other load of the machine delays both. Knows no attack."""

import contextlib
import multiprocessing
import time

import common

INTERVAL_SECONDS = 0.003
FACTOR = 2
MIB = 1 << 20
# Below this a factor of two is the noise of the machine, not the server.
NOISE_MS = 1
ROUNDS = 3


class Web:
    """Repeats a request on one connection."""

    def __init__(self, address):
        self.connection = common.connect(address)

    def ask(self, _):
        assert common.exchange(self.connection)[0] == 200


class Chat:
    """Sends a line from one member to another."""

    def __init__(self, address):
        self.speaker, self.listener = common.connect(address), common.connect(address)
        # A member receives lines only after its welcome.
        self.hear(self.speaker, b"welcome")
        self.hear(self.listener, b"welcome")

    def ask(self, number):
        # A member that does not read is paused or closed.
        self.speaker.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while self.speaker.recv(MIB):
                pass
        self.speaker.settimeout(common.PATIENCE)
        word = f"probe-{number}.".encode()
        self.speaker.sendall(word + b"\n")
        self.hear(self.listener, word)

    @staticmethod
    def hear(member, word):
        end = b""
        while word not in end:
            part = member.recv(MIB)
            assert part, "a good client was closed"
            # The word may come in two parts.
            end = end[-len(word):] + part


def measure(kind, address, stop, told):
    """Runs in a separate process, so that no other client delays it."""
    waited = []
    client = kind(address)
    while not stop.is_set():
        began = time.monotonic()
        client.ask(len(waited))
        waited.append(time.monotonic() - began)
        time.sleep(INTERVAL_SECONDS)
    told.send(waited)


class Pair:
    """Measures both servers while the block runs."""

    def __init__(self, attacked, quiet, kind=Web):
        self.kind, self.servers = kind, (attacked, quiet)
        self.stop = multiprocessing.Event()
        self.p99_ms = []
        self.counts = []

    def __enter__(self):
        self.probes = []
        for server in self.servers:
            told, tell = multiprocessing.Pipe(duplex=False)
            arguments = (self.kind, server.address, self.stop, tell)
            process = multiprocessing.Process(target=measure, args=arguments, daemon=True)
            process.start()
            tell.close()
            self.probes.append((process, told))
        return self

    def __exit__(self, *_):
        self.stop.set()
        for process, told in self.probes:
            try:
                waited = sorted(told.recv())
            except EOFError:
                # The process has printed the error.
                waited = []
            process.join()
            self.counts.append(len(waited))
            enough = waited[len(waited) * 99 // 100] if waited else float("inf")
            self.p99_ms.append(1000 * enough)

    def is_unchanged(self):
        attacked, quiet = self.p99_ms
        return attacked < max(FACTOR * quiet, NOISE_MS)

    def row(self, name):
        attacked, quiet = self.p99_ms
        common.note(f"{self.counts[0]} and {self.counts[1]} requests of good clients")
        common.row(name + ", good clients", f"p99 {attacked:.2f} ms, quiet {quiet:.2f} ms",
                   f"< {FACTOR} x quiet or {NOISE_MS} ms", self.is_unchanged())


def rounds(measured):
    """Measures up to three pairs, until one is unchanged: a server that delays its good clients does
    so each time, a machine with other load does not."""
    for _ in range(ROUNDS):
        pair = measured()
        if pair.is_unchanged():
            break
    return pair
