"""A killed server restarts at once at the same address, and a server runs on without its log."""

import os
import signal
import tempfile
import time

import common

CLIENTS = 20
START_SECONDS = 1


def kill_and_start(mode, bind):
    """Kills a server with open connections and starts another. Returns the time until it serves."""
    with common.Server("reactor_web", mode=mode, bind=bind) as server:
        address = server.bound
        clients = busy(server)
        began = time.monotonic()
        os.kill(server.pid, signal.SIGKILL)
        server.process.wait()
        with common.Server("reactor_web", mode=mode, bind=address) as next_one:
            serves = next_one.serves()
            seconds = time.monotonic() - began
        for client in clients:
            client.close()
    return serves, seconds


def busy(server):
    """Opens connections that are idle or within a request."""
    clients = [server.connect() for _ in range(CLIENTS)]
    for client in clients[::2]:
        assert common.exchange(client)[0] == 200
    for client in clients[::3]:
        client.sendall(common.request()[:-3])
    return clients


def restarts(mode, kind, bind, times):
    slowest, wrong = 0.0, ""
    for _ in range(times):
        try:
            serves, seconds = kill_and_start(mode, bind)
        except (RuntimeError, OSError, common.Ended) as error:
            wrong = wrong or str(error).strip()
            continue
        slowest = max(slowest, seconds)
        wrong = wrong or ("" if serves else "does not serve")
    common.row(f"kill -9, {mode}, {kind}", wrong or f"serves after {slowest:.3f} s",
               f"< {START_SECONDS} s, {times} times", not wrong and slowest < START_SECONDS)


def unwritable_log(name, log):
    """Log lines that cannot be written are lost; the server runs on."""
    with common.Server("reactor_web", "--log", "debug", log=log) as server:
        served = all(server.serves() for _ in range(100))
        code = server.stop()
    common.row(f"log {name}", f"{'served' if served else 'NOT served'}, code {code}",
               "served, code 0", served and code == 0)


def run(options):
    for mode in common.MODES:
        restarts(mode, "port", "127.0.0.1:0", options.times)
        with tempfile.TemporaryDirectory() as folder:
            restarts(mode, "file", f"unix:{folder}/socket", options.times)
    with open("/dev/full", "wb") as full:
        unwritable_log("full", full)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as gone:
        unwritable_log("gone", gone)


if __name__ == "__main__":
    common.main(__doc__, run)
