"""How long good clients wait, of a server under attack and, at the same time and in the same way, of
one that is left alone: what the machine is busy with holds up both. Knows no attack."""

import multiprocessing
import time

import common

INTERVAL_SECONDS = 0.003
FACTOR = 2
# Below this a factor of two is the noise of the machine, not the server.
NOISE_MS = 1.0


class Web:
    """Asks again and again on one connection."""

    def __init__(self, address):
        self.connection = common.connect(address)

    def ask(self, _):
        assert common.exchange(self.connection)[0] == 200


class Chat:
    """Says something and hears it at the other end."""

    def __init__(self, address):
        self.speaker, self.listener = common.connect(address), common.connect(address)
        self.heard = b""

    def ask(self, number):
        word = f"probe-{number}.".encode()
        self.speaker.sendall(word + b"\n")
        while word not in self.heard:
            part = self.listener.recv(65536)
            assert part, "the good client was closed"
            self.heard += part
        self.heard = b""


def measure(kind, address, stop, told):
    """Runs in a process of its own, so that no other client is in its way."""
    waited = []
    client = kind(address)
    while not stop.is_set():
        began = time.monotonic()
        client.ask(len(waited))
        waited.append(time.monotonic() - began)
        time.sleep(INTERVAL_SECONDS)
    told.send(waited)


class Pair:
    """Measures both while the block runs."""

    def __init__(self, attacked, quiet, kind=Web):
        self.kind, self.servers = kind, (attacked, quiet)
        self.stop = multiprocessing.Event()
        self.p99_ms = []
        self.count = 0

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
                # It has said on standard error what was wrong.
                waited = []
            process.join()
            self.count = len(waited)
            enough = waited[len(waited) * 99 // 100] if waited else float("inf")
            self.p99_ms.append(1000 * enough)

    def row(self, name):
        attacked, quiet = self.p99_ms
        common.row(name + ", good clients", f"p99 {attacked:.2f} ms, quiet {quiet:.2f} ms",
                   f"< {FACTOR} x quiet or {NOISE_MS:.0f} ms",
                   attacked < max(FACTOR * quiet, NOISE_MS))
