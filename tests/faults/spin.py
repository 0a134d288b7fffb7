"""Bodies of empty pieces: the server idles between them, serves others as fast as ever, and stops."""

import contextlib
import time

import common
import probe

ATTACKERS = 20
# What the routes give: nothing for ever, or nothing and a byte in turn.
KINDS = ["empty", "mixed"]
CPU_PERCENT = 5
CPU_SECONDS = 5
ATTACK_SECONDS = 4
DRAIN_SECONDS = 1
# From the end of the drain time to the end of the process, on a busy machine.
END_SECONDS = 1


def start(mode):
    return common.Server(common.ROUTES, "--drain-timeout", str(DRAIN_SECONDS), mode=mode)


def ask(server, kind, count):
    """Begins answers without end, which are read as they come."""
    clients = [server.connect() for _ in range(count)]
    for client in clients:
        client.sendall(common.request(f"/pieces/{kind}"))
        client.setblocking(False)
    return clients


def read(clients, seconds):
    """Reads what comes. Returns the number of bytes."""
    came = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for client in clients:
            with contextlib.suppress(BlockingIOError):
                came += len(client.recv(65536))
        time.sleep(0.05)
    return came


def load(server, clients):
    """The percentage of a core that the server needs for these clients, and the bytes that came."""
    before, began = server.cpu_seconds(), time.monotonic()
    came = read(clients, CPU_SECONDS)
    return 100 * (server.cpu_seconds() - before) / (time.monotonic() - began), came


def good_clients(server, mode, clients):
    with start(mode) as quiet:
        def measured():
            attack = common.Attack(lambda: read(clients, ATTACK_SECONDS))
            with probe.Pair(server, quiet) as pair:
                attack.start()
                attack.join()
            return pair

        return probe.rounds(measured)


def spins(mode, kind):
    name = f"spin {mode}, {kind}"
    with start(mode) as server:
        clients = ask(server, kind, 1)
        cpu, came = load(server, clients)
        common.row(name + ", one", f"CPU {cpu:.1f} %, {came} bytes", f"< {CPU_PERCENT} %",
                   cpu < CPU_PERCENT and came > 0)
        clients += ask(server, kind, ATTACKERS - 1)
        cpu, came = load(server, clients)
        common.row(f"{name}, {ATTACKERS}", f"CPU {cpu:.1f} %, {came} bytes", f"< {CPU_PERCENT} %",
                   cpu < CPU_PERCENT and came > 0)
        good_clients(server, mode, clients).row(name)
        began = time.monotonic()
        code = server.stop()
        seconds = time.monotonic() - began
        limit = DRAIN_SECONDS + END_SECONDS
        # The answers have no end, so they are cut when the drain time has passed.
        common.row(name + ", SIGTERM", f"{seconds:.2f} s, code {code}", f"< {limit} s",
                   code is not None and seconds < limit)
        for client in clients:
            client.close()


def run(_):
    for mode in common.MODES:
        for kind in KINDS:
            spins(mode, kind)


if __name__ == "__main__":
    common.main(__doc__, run)
