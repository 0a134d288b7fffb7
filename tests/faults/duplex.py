"""Proxies with traffic in both directions and small buffers: neither direction blocks the other."""

import contextlib
import os
import socket
import tempfile
import threading

import common

PROXIES = 40
# The number of proxies at once: more would measure the competition for a core.
AT_ONCE = 4
BYTES = 5_000_000
BUFFER = 16 * 1024
# A proxy that passes no byte for this long is stuck.
STUCK_SECONDS = 15


class Upstream:
    """An echo server with small buffers that stops reading while its output is not read."""

    def __init__(self, path=None):
        family = socket.AF_UNIX if path else socket.AF_INET
        self.listener = socket.socket(family)
        small(self.listener)
        self.listener.bind(path or ("127.0.0.1", 0))
        self.listener.listen(128)
        name = self.listener.getsockname()
        self.address = f"unix:{path}" if path else f"{name[0]}:{name[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            small(client)
            threading.Thread(target=echo, args=(client,), daemon=True).start()


def small(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)


def echo(client):
    with client, contextlib.suppress(OSError):
        while part := client.recv(65536):
            client.sendall(part)


def talk(server):
    """Sends in one thread and reads in another. Returns the fault, if there is one."""
    sent = os.urandom(BYTES)
    received = bytearray()
    with server.connect() as client:
        client.settimeout(STUCK_SECONDS)
        sender = threading.Thread(target=send, args=(client, sent))
        sender.start()
        wrong = None
        try:
            while part := client.recv(65536):
                received += part
        except OSError as error:
            wrong = error
        if wrong:
            client.shutdown(socket.SHUT_RDWR)
        sender.join()
    if wrong or received != sent:
        return f"{len(received)} of {BYTES} bytes, then {wrong or 'the end'}"
    return None


def send(client, data):
    with contextlib.suppress(OSError):
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)


def one_after_the_other(mode, upstream, count, wrong):
    for _ in range(count):
        with common.Server("tcp_proxy", "--to", upstream.address, mode=mode) as proxy:
            if how := talk(proxy):
                wrong.append(how)


def row(mode, kind, upstream):
    wrong = []
    threads = [threading.Thread(target=one_after_the_other,
                                args=(mode, upstream, PROXIES // AT_ONCE, wrong))
               for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for how in wrong[:3]:
        common.note(how)
    common.row(f"duplex {mode}, {kind}", f"{len(wrong)} of {PROXIES} proxies stuck", "0 stuck",
               not wrong)


def run(_):
    with tempfile.TemporaryDirectory() as folder:
        upstreams = {"TCP": Upstream(), "Unix": Upstream(os.path.join(folder, "echo"))}
        for mode in common.MODES:
            for kind, upstream in upstreams.items():
                row(mode, kind, upstream)


if __name__ == "__main__":
    common.main(__doc__, run)
