"""Thousands of slow heads each end at their deadline and do not delay good clients."""

import select
import socket
import time

import common
import probe

HEAD_SECONDS = 10
# The interval between bytes of a head; they must not extend its deadline.
DRIP_SECONDS = 4
TOLERANCE_SECONDS = 1
BATCH = 200
# One source address has 28,000 ports, less those in TIME_WAIT.
SOURCES = [f"127.0.0.{n}" for n in range(2, 8)]
# For the program's own files, the listener and good clients.
SPARE_DESCRIPTORS = 100


class Heads:
    """Heads that never end."""

    def __init__(self, server, count):
        self.server, self.count = server, count
        self.poll = select.epoll()
        self.clients, self.begun, self.due = {}, {}, []
        # For each head its duration in seconds, and the answer at its end.
        self.lived, self.told = [], []

    def run(self):
        opened = 0
        end = time.monotonic() + HEAD_SECONDS + 60
        while (opened < self.count or self.clients) and time.monotonic() < end:
            for _ in range(min(BATCH, self.count - opened)):
                self.open(SOURCES[opened % len(SOURCES)])
                opened += 1
            self.drip()
            for descriptor, _ in self.poll.poll(0.01):
                self.hear(descriptor)

    def open(self, source):
        client = self.server.connect(source)
        client.sendall(b"GET /plaintext HTTP/1.1\r\nHost: h\r\nX: ")
        descriptor = client.fileno()
        self.clients[descriptor], self.begun[descriptor] = client, time.monotonic()
        self.poll.register(descriptor, select.EPOLLIN | select.EPOLLRDHUP)
        self.due.append((time.monotonic() + DRIP_SECONDS, descriptor, client))

    def drip(self):
        now = time.monotonic()
        rest = next((n for n, (at, _, _) in enumerate(self.due) if at > now), len(self.due))
        due, self.due = self.due[:rest], self.due[rest:]
        for _, descriptor, client in due:
            if self.clients.get(descriptor) is client:
                try:
                    client.send(b"x")
                except ConnectionError:
                    continue
                self.due.append((now + DRIP_SECONDS, descriptor, client))

    def hear(self, descriptor):
        client = self.clients.pop(descriptor)
        self.lived.append(time.monotonic() - self.begun.pop(descriptor))
        try:
            self.told.append(client.recv(4096)[:12])
        except ConnectionError:
            self.told.append(b"reset")
        client.close()


def run(options):
    descriptors = common.raise_descriptors(options.heads + SPARE_DESCRIPTORS)
    count = min(options.heads, descriptors - SPARE_DESCRIPTORS)
    limit = (descriptors, descriptors)
    arguments = ["--head-timeout", str(HEAD_SECONDS), "--log", "error"]
    for mode in common.MODES:
        common.note(f"{mode}: {count} heads, {HEAD_SECONDS} s each")
        with common.Server("reactor_web", *arguments, mode=mode, descriptors=limit) as server, \
                common.Server("reactor_web", mode=mode) as quiet:
            before = server.descriptors_at_rest()
            all_heads = []

            def measured():
                heads = Heads(server, count)
                all_heads.append(heads)
                attack = common.Attack(heads.run)
                with probe.Pair(server, quiet) as pair:
                    attack.start()
                    attack.join()
                if attack.error:
                    common.note(f"wrong: {attack.error}")
                return pair

            pair = probe.rounds(measured)
            clean = common.until(lambda: server.descriptors() <= before, 5)
            after = server.descriptors_at_rest()
        name = f"slow heads {mode}"
        # Of all rounds: only the latency of good clients may be measured again.
        lived = [seconds for heads in all_heads for seconds in heads.lived]
        told = [said for heads in all_heads for said in heads.told]
        begun = count * len(all_heads)
        first, last = min(lived, default=0), max(lived, default=0)
        punctual = abs(first - HEAD_SECONDS) <= TOLERANCE_SECONDS and \
            abs(last - HEAD_SECONDS) <= TOLERANCE_SECONDS
        common.row(name, f"{len(lived)} of {begun} ended after {first:.2f} to {last:.2f} s",
                   f"{HEAD_SECONDS} +- {TOLERANCE_SECONDS} s", len(lived) == begun and punctual)
        late = told.count(b"HTTP/1.1 408")
        common.row(name + ", answers", f"{late} of {begun} answered 408", "all", late == begun)
        pair.row(name)
        common.row(name + ", descriptors", f"{before} -> {after}", "no more", clean)


if __name__ == "__main__":
    common.main(__doc__, run)
