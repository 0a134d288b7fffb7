"""A minute of clients that reset, half-close, drip, scan or send garbage leaks nothing."""

import itertools
import random
import socket
import threading
import time

import common

THREADS = 4
# Until the allocator has the memory for the peak load. 20 s may be too short: the resident set grows
# by steps of some 50 KiB that become rarer.
WARM_UP_SECONDS = 60
# The ports of one source address run out within a minute, because TIME_WAIT lasts that long.
SOURCES = [f"127.0.0.{n}" for n in range(1, 33)]
# A leak in each connection is larger than this, even if only one kind of client causes it. The memory
# of allocators and of the records that workers reuse grows slowly to its maximum.
MEMORY_PERCENT = 1
LEAK_BYTES = 1
SEED = 1

HEAD = b"GET /plaintext HTTP/1.1\r\nHost: h\r\n"
UPLOAD = b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\n"
CHUNKS = b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhello"


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, common.RESET)


def answered(client, _):
    assert common.exchange(client)[0] == 200


def scanned(client, _):
    """Connects and closes."""


def scanned_and_reset(client, _):
    reset(client)


def reset_in_the_middle(client, chance):
    client.sendall(chance.choice([HEAD[:-9], UPLOAD + b"x" * 999, CHUNKS, common.request() * 3]))
    reset(client)


def reset_while_answered(client, _):
    client.sendall(UPLOAD + b"x" * 50000)
    client.recv(1)
    reset(client)


def half_closed(client, chance):
    """All requests are still answered."""
    count = chance.randrange(1, 4)
    client.sendall(common.request() * count)
    client.shutdown(socket.SHUT_WR)
    said = b""
    while part := client.recv(65536):
        said += part
    assert said.count(b"Hello, World!") == count, said


def half_closed_in_the_middle(client, chance):
    client.sendall(chance.choice([HEAD, UPLOAD, CHUNKS, b"G", b""]))
    client.shutdown(socket.SHUT_WR)
    while client.recv(65536):
        pass


def dripping(client, _):
    for byte in common.request():
        client.sendall(bytes([byte]))
    assert common.read_answer(client)[0] == 200


def rubbish(client, chance):
    client.sendall(chance.randbytes(chance.randrange(1, 3000)) + b"\r\n\r\n")
    client.shutdown(socket.SHUT_WR)
    while client.recv(65536):
        pass


def reset_while_waiting(client, _):
    client.sendall(common.request("/slow?ms=60000"))
    reset(client)


def gone_while_waiting(client, _):
    # The server cannot tell this from a half-close: it computes the answer.
    client.sendall(common.request("/slow?ms=100"))


WAYS = [answered, scanned, scanned_and_reset, reset_in_the_middle, reset_while_answered,
        half_closed, half_closed_in_the_middle, dripping, rubbish, reset_while_waiting,
        gone_while_waiting]


class Worker(threading.Thread):
    def __init__(self, server, number, seconds):
        super().__init__()
        self.server = server
        self.chance = random.Random(SEED * 1000 + number)
        self.end = time.monotonic() + seconds
        self.connections = 0
        self.errors = []

    def run(self):
        for source in itertools.cycle(SOURCES):
            if time.monotonic() > self.end:
                return
            way = self.chance.choice(WAYS)
            try:
                client = self.server.connect(source)
            except OSError as error:
                self.errors.append(f"connect: {error}")
                continue
            self.connections += 1
            with client:
                try:
                    way(client, self.chance)
                except ConnectionError:
                    # Only a client that misbehaves may be reset.
                    if way in (answered, half_closed, dripping):
                        self.errors.append(f"{way.__name__}: reset")
                except (AssertionError, OSError, common.Ended) as error:
                    self.errors.append(f"{way.__name__}: {error!r}")


def churn(server, seconds):
    workers = [Worker(server, number, seconds) for number in range(THREADS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(worker.connections for worker in workers), sum((w.errors for w in workers), [])


def run(options):
    for mode in common.MODES:
        with common.Server("reactor_web", "--log", "error", mode=mode) as server:
            churn(server, WARM_UP_SECONDS)
            before = server.descriptors_at_rest(), server.memory_kib()
            connections, errors = churn(server, options.seconds)
            clean = common.until(lambda: server.descriptors() <= before[0], 10)
            after = server.descriptors_at_rest(), server.memory_kib()
            serves = server.serves()
            log = server.logged()
            code = server.stop()
        for error in errors[:5]:
            common.note("wrong: " + error)
        if log:
            common.note("log: " + log[:500])
        name = f"churn {mode}"
        common.row(name, f"{len(errors)} of {connections} went wrong", "0", not errors)
        common.row(name + ", descriptors", f"{before[0]} -> {after[0]}", "no more", clean)
        growth = after[1] - before[1]
        each = 1024 * growth / max(connections, 1)
        common.row(name + ", memory", f"{before[1]} {growth:+} KiB, {each:.1f} bytes a connection",
                   f"{MEMORY_PERCENT} % or {LEAK_BYTES} bytes",
                   growth <= before[1] * MEMORY_PERCENT / 100 or each < LEAK_BYTES)
        common.row(name + ", end", f"serves, code {code}, {len(log)} bytes of errors",
                   "code 0, no errors", serves and code == 0 and not log)


if __name__ == "__main__":
    common.main(__doc__, run)
