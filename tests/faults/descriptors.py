"""A server out of descriptors idles, serves its open connections, and recovers when they close."""

import socket
import time

import common

LIMIT = 60
CLIENTS = 200
FULL_SECONDS = 3
CPU_PERCENT = 5
RECOVERY_SECONDS = 0.5


def newcomers(address):
    clients = []
    for _ in range(CLIENTS):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(address)
        clients.append(client)
    return clients


def served(clients):
    """The clients that are answered; the others wait to be accepted."""
    for client in clients:
        client.setblocking(True)
        client.settimeout(common.PATIENCE)
        client.sendall(common.request())
    time.sleep(1)
    answered = []
    for client in clients:
        client.setblocking(False)
        try:
            if client.recv(4096).startswith(b"HTTP/1.1 200"):
                answered.append(client)
        except BlockingIOError:
            pass
    return answered


def load_percent(server):
    before, began = server.cpu_seconds(), time.monotonic()
    time.sleep(FULL_SECONDS)
    return 100 * (server.cpu_seconds() - before) / (time.monotonic() - began)


def recovery(server):
    """The seconds until a new connection is served."""
    began = time.monotonic()
    assert server.serves()
    return time.monotonic() - began


def run_out(mode):
    arguments = dict(mode=mode, descriptors=(LIMIT, LIMIT))
    with common.Server("reactor_web", **arguments) as server:
        assert server.serves()
        before = server.descriptors_at_rest()
        clients = newcomers(server.address)
        full = common.until(lambda: "cannot accept" in server.logged())
        cpu = load_percent(server)
        held = served(clients)
        for client in held:
            client.setblocking(True)
            client.settimeout(common.PATIENCE)
            assert common.exchange(client)[0] == 200
        for client in clients:
            client.close()
        seconds = recovery(server)
        clean = common.until(lambda: server.descriptors() <= before, 5)
        after = server.descriptors()
        assert server.serves()
    name = f"descriptors {mode}"
    least = LIMIT - 30  # the server itself needs far fewer
    common.row(f"{name}, full", f"CPU {cpu:.1f} %", f"< {CPU_PERCENT} %", full and cpu < CPU_PERCENT)
    common.row(f"{name}, held", f"{len(held)} served twice", f">= {least}", len(held) >= least)
    common.row(f"{name}, recovery", f"{seconds:.3f} s", f"< {RECOVERY_SECONDS} s",
               seconds < RECOVERY_SECONDS)
    common.row(f"{name}, after", f"{before} -> {after} descriptors", "no more", clean)


def run(_):
    for mode in common.MODES:
        common.note(f"{mode}: {CLIENTS} clients, {LIMIT} descriptors for each process")
        run_out(mode)


if __name__ == "__main__":
    common.main(__doc__, run)
