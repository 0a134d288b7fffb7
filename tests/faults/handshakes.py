"""SIGTERM while handshakes wait for their last ACK: each client that is connected gets its answer.

On loopback a handshake takes no time. So the server and the clients are in two network namespaces, and
this script is the network between them: it hands each packet on, those of the clients a fifth of a
second late. A client is connected when the server's SYN-ACK arrives, long before the server knows.

A client is lost if it was connected and got no answer. Not lost: one whose SYN was dropped, and that
is refused when it tries again a second later, because the server has gone.
"""

import ctypes
import fcntl
import os
import select
import shutil
import signal
import struct
import subprocess
import threading
import time

import common

# One way, from the clients. The server accepts for 0.3 s after the signal.
LATENCY_SECONDS = 0.2
CLIENTS = 60
# Time to spread the clients over the round trip.
LOAD_SECONDS = 1.0
# Of each mode; a few seconds each.
STOPS = 5
SERVER, CLIENT = "10.77.0.2", "10.77.0.1"
PORT = 8077
CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 1, 0x1000


class Unavailable(Exception):
    """The machine cannot do it. The argument names the missing part."""


def call(function, *arguments):
    if function(*arguments):
        error = ctypes.get_errno()
        raise Unavailable(f"a network namespace ({os.strerror(error)})")


def enter_new_namespace():
    call(ctypes.CDLL(None, use_errno=True).unshare, CLONE_NEWNET)
    return os.open("/proc/self/ns/net", os.O_RDONLY)


def enter(namespace):
    call(ctypes.CDLL(None, use_errno=True).setns, namespace, CLONE_NEWNET)


def open_link(own, other):
    """The end of a link in the current namespace, whose packets this script reads and writes."""
    try:
        link = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(link, TUNSETIFF, struct.pack("16sH22x", b"link", IFF_TUN | IFF_NO_PI))
    except OSError as error:
        raise Unavailable(f"a TUN device ({error.strerror})") from error
    ip = shutil.which("ip", path=os.environ.get("PATH", "") + ":/sbin:/usr/sbin")
    if not ip:
        raise Unavailable("the program 'ip'")
    for command in (f"address add {own} peer {other} dev link", "link set dev link txqueuelen 10000 up"):
        if subprocess.run([ip, *command.split()], stderr=subprocess.DEVNULL).returncode:
            raise Unavailable(f"an 'ip' that can '{command}'")
    return link


class Network:
    """The namespaces of the server and of the clients, and a process that hands on their packets."""

    def __init__(self):
        self.of_server = enter_new_namespace()
        server_link = open_link(SERVER, CLIENT)
        self.of_clients = enter_new_namespace()
        client_link = open_link(CLIENT, SERVER)
        self.process = os.fork()
        if self.process == 0:
            try:
                hand_on(client_link, server_link)
            finally:
                os._exit(1)

    def close(self):
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)


def hand_on(client_link, server_link):
    late = []
    while True:
        wait = max(0, late[0][0] - time.monotonic()) if late else None
        ready, _, _ = select.select([client_link, server_link], [], [], wait)
        for link in ready:
            packet = os.read(link, 65536)
            if link == client_link:
                late.append((time.monotonic() + LATENCY_SECONDS, packet))
            else:
                os.write(client_link, packet)
        while late and late[0][0] <= time.monotonic():
            os.write(server_link, late.pop(0)[1])


class Client(threading.Thread):
    """Asks on a new connection each time, until it is refused."""

    def __init__(self, address, delay):
        super().__init__()
        self.address, self.delay = address, delay
        self.answered, self.lost, self.refused = 0, [], 0
        # The times at which it was connected and answered.
        self.times = []

    def run(self):
        time.sleep(self.delay)
        while True:
            try:
                client = common.connect(self.address)
            except OSError as error:
                self.refused += isinstance(error, ConnectionRefusedError)
                if not self.refused:
                    self.lost.append(repr(error))
                return
            connected_at = time.monotonic()
            try:
                with client:
                    client.sendall(common.request(keep=False))
                    common.read_answer(client)
                self.answered += 1
                self.times.append((connected_at, time.monotonic()))
            except (common.Ended, OSError) as error:
                self.lost.append(f"{connected_at:.3f}: {error!r}")
                return


def stop(network, mode):
    """Performs one stop. Returns the clients, the time of the signal, and the exit code."""
    enter(network.of_server)
    with common.Server("reactor_web", mode=mode, bind=f"{SERVER}:{PORT}") as server:
        enter(network.of_clients)
        step = LATENCY_SECONDS / CLIENTS
        clients = [Client(server.address, n * step) for n in range(CLIENTS)]
        for client in clients:
            client.start()
        time.sleep(LOAD_SECONDS)
        signalled_at = time.monotonic()
        os.kill(server.pid, signal.SIGTERM)
        code = server.exit_code()
        for client in clients:
            client.join()
    return clients, signalled_at, code


def stops(network, mode):
    answered, waiting, refused, lost, codes = 0, 0, 0, [], set()
    for _ in range(STOPS):
        clients, signalled_at, code = stop(network, mode)
        codes.add(code)
        for client in clients:
            answered, refused = answered + client.answered, refused + client.refused
            lost += [f"{one} (signal at {signalled_at:.3f})" for one in client.lost]
            # Connected, and the last ACK had not arrived when the signal came.
            waiting += sum(connected < signalled_at < connected + LATENCY_SECONDS
                           for connected, _ in client.times)
    for one in lost[:5]:
        common.note("lost: " + one)
    common.row(f"handshakes {mode}", f"{len(lost)} of {answered} lost, {waiting} at their last ACK, "
               f"{refused} refused later, codes {sorted(codes, key=str)}",
               "0 lost, some at their last ACK, code 0", not lost and waiting > 0 and codes == {0})


def run(_):
    try:
        network = Network()
    except Unavailable as missing:
        common.skip("handshakes", str(missing))
        return
    try:
        for mode in common.MODES:
            stops(network, mode)
    finally:
        network.close()


if __name__ == "__main__":
    common.main(__doc__, run)
