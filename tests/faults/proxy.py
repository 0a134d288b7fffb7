"""A proxy without room makes its clients wait and drops none, and passes a reset on as a reset."""

import contextlib
import os
import socket
import threading
import time

import common

PLACES = 64
DESCRIPTORS = 64
# So long that all clients are in the queue before the first one is answered.
WORK_MS = 100
# Half of an answer, or of an upload.
HALF_BYTES = 100_000
RESETS = 20


class Clients:
    """Clients that connect at once, each with one request. The proxy serves a part of them at a
    time."""

    def __init__(self, proxy, count, keep):
        self.proxy, self.keep = proxy, keep
        self.told = []
        self.ready = threading.Barrier(count)
        self.threads = [threading.Thread(target=self.ask) for _ in range(count)]

    def run(self):
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join()
        return self.told

    def ask(self):
        self.ready.wait()
        try:
            with self.proxy.connect() as client:
                client.sendall(common.request(f"/slow?ms={WORK_MS}", self.keep))
                self.told.append(common.read_answer(client)[0])
        except (OSError, common.Ended) as error:
            self.told.append(repr(error))


def queue(name, mode, count, arguments, descriptors=None):
    """`count` clients through a proxy with fewer places than they need: all are served in turn."""
    limit = descriptors and (descriptors, descriptors)
    with common.Server("reactor_web") as upstream, common.Server(
            "tcp_proxy", "--to", upstream.bound, *arguments, mode=mode, descriptors=limit) as proxy:
        before = proxy.descriptors_at_rest()
        for keep in (True, False):
            began = time.monotonic()
            told = Clients(proxy, count, keep).run()
            seconds = time.monotonic() - began
            served = told.count(200)
            for wrong in [one for one in told if one != 200][:3]:
                common.note(f"wrong: {wrong}")
            kind = "keep-alive" if keep else "close"
            common.row(f"proxy {mode}, {name}, {kind}",
                       f"{served} of {count} served in {seconds:.1f} s", "all", served == count)
        after = proxy.descriptors_at_rest()
    common.row(f"proxy {mode}, {name}, after", f"{before} -> {after} descriptors", "no more",
               after <= before)


class Upstream:
    """Accepts connections for `serve`, which returns the end that it has seen."""

    def __init__(self, serve):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.serve = serve
        self.ends = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                client.settimeout(common.PATIENCE)
                with client:
                    self.ends.append(self.serve(client))

    def close(self):
        # Wakes the thread as well.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def end_of(client):
    """Reads to the end. Returns what the end looked like."""
    try:
        while client.recv(65536):
            pass
        return "FIN"
    except ConnectionResetError:
        return "reset"
    except TimeoutError:
        return "nothing"


def cut(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, common.RESET)
    client.close()


def half_an_answer(client):
    client.recv(65536)
    client.sendall(b"x" * HALF_BYTES)
    cut(client)


def reset_of_upstream(proxy, _):
    """The upstream resets in the middle of its answer. Returns the end that the client sees."""
    with proxy.connect() as client:
        client.sendall(common.request())
        return end_of(client)


def reset_of_client(proxy, upstream):
    """The client resets in the middle of its upload. Returns the end that the upstream sees."""
    seen = len(upstream.ends)
    client = proxy.connect()
    client.sendall(b"x" * HALF_BYTES)
    cut(client)
    came = common.until(lambda: len(upstream.ends) > seen)
    return upstream.ends[-1] if came else "nothing"


def resets(mode):
    kinds = {"upstream": (half_an_answer, reset_of_upstream), "client": (end_of, reset_of_client)}
    for kind, (serve, reset) in kinds.items():
        upstream = Upstream(serve)
        with common.Server("tcp_proxy", "--to", upstream.address, mode=mode) as proxy:
            ends = [reset(proxy, upstream) for _ in range(RESETS)]
        upstream.close()
        told = ", ".join(f"{ends.count(end)} {end}" for end in sorted(set(ends)))
        common.row(f"proxy {mode}, reset of the {kind}", told, f"{RESETS} reset",
                   ends == ["reset"] * RESETS)


def run(options):
    for mode in common.MODES:
        queue(f"{PLACES} places", mode, options.queued, ["--max-connections", str(PLACES)])
        queue("2 places", mode, options.queued, ["--max-connections", "2"])
        queue(f"{DESCRIPTORS} descriptors", mode, options.queued, [], DESCRIPTORS)
        resets(mode)


if __name__ == "__main__":
    common.main(__doc__, run)
