"""System calls fail one by one: at most the connection concerned ends, and the loop never spins.

`strace -e inject` makes the n-th call of a kind return an error. A case states the number of
connections that may end, and limits the number of calls.
"""

import os
import tempfile
import time

import common

CLIENTS = 5
WATCH_SECONDS = 2
# The most calls while the error lasts: one attempt each 100 ms, of at most 64 calls where an error
# concerns one peer (`accept_burst`), and twice that to be safe.
SPIN_CALLS = WATCH_SECONDS * 10 * 64 * 2
# The most calls that all clients together can cause.
BUSY_CALLS = 200
# The most calls after all clients have closed, for an end or a deadline.
IDLE_CALLS = 5
BODY = os.urandom(1_000_000)
BODIES = 8


class Traced(common.Server):
    def __init__(self, call, inject):
        self.trace = tempfile.NamedTemporaryFile("r")
        prefix = ["strace", "-qq", "-o", self.trace.name, "-e", f"trace={call}"]
        if inject:
            prefix += ["-e", f"inject={call}:{inject}"]
        super().__init__("reactor_web", "--log", "debug", prefix=prefix)

    def calls(self):
        with open(self.trace.name) as file:
            return sum(1 for _ in file)

    def injected(self):
        with open(self.trace.name) as file:
            return sum("(INJECTED)" in line for line in file)


def before_clients(call):
    """The number of such calls that a server makes before its first client."""
    with Traced(call, None) as server:
        time.sleep(0.3)
        return server.calls()


def visit(server):
    """Runs consecutive clients with two requests each. Returns how many were cut off."""
    cut = 0
    for _ in range(CLIENTS):
        try:
            with server.connect() as client:
                for _ in range(2):
                    assert common.exchange(client)[0] == 200
        except (common.Ended, OSError):
            cut += 1
    return cut


def case(call, error, when, may_cut):
    """`when` is the number of the call, as strace counts; with `+`, all calls from there on fail."""
    with Traced(call, f"error={error}:when={when}") as server:
        begun = server.calls()
        cut = visit(server)
        before = server.calls()
        time.sleep(WATCH_SECONDS)
        spun = server.calls() - before
        busy = before - begun
        injected = server.injected()
        serves = server.serves()
        code = server.stop()
    passed = cut == may_cut and busy <= BUSY_CALLS and spun <= IDLE_CALLS and injected > 0 and serves
    common.row(f"{call} {error}", f"{cut} cut off, {busy} calls, {spun} idle, code {code}",
               f"{may_cut}, <= {BUSY_CALLS}, <= {IDLE_CALLS}, 0", passed and code == 0)


def lasting(error):
    """accept4 fails permanently while a connection waits."""
    # One call before the first connection, and two for the one that is accepted.
    with Traced("accept4", f"error={error}:when=4+") as server:
        common.until(lambda: server.calls() == 1)
        with server.connect() as held:
            assert common.exchange(held)[0] == 200
            with server.connect():
                time.sleep(0.5)
                before = server.calls()
                time.sleep(WATCH_SECONDS)
                calls = server.calls() - before
                served = common.exchange(held)[0] == 200
        code = server.stop()
    common.row(f"accept4 {error} for ever", f"{calls} calls in {WATCH_SECONDS} s, held client served",
               f"<= {SPIN_CALLS}", 0 < calls <= SPIN_CALLS and served and code == 0)


def short_writes():
    """More output than the kernel buffers, for a client that reads late: writes are short, and the
    second, fourth and sixth are interrupted."""
    with Traced("sendto,writev", "error=EINTR:when=2..6+2") as server:
        with server.connect(receive_buffer=4096) as client:
            head = f"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {len(BODY)}\r\n\r\n"
            sending = common.Attack(lambda: client.sendall((head.encode() + BODY) * BODIES))
            sending.start()
            time.sleep(0.5)
            bodies = [body for _, _, body in common.read_answers(client, BODIES)]
            sending.join()
        writes, injected = server.calls(), server.injected()
        code = server.stop()
    same = bodies == [BODY] * BODIES
    common.row("short writes", f"{writes} writes, {injected} interrupted, "
               + ("identical" if same else "DIFFERENT"), f"identical, > {BODIES} writes",
               same and writes > BODIES and injected == 3 and code == 0)


def run(_):
    common.need("strace")
    common.note("accept4: the connection waits in the queue and is accepted later")
    for error in ("EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "ECONNABORTED", "EPROTO", "EPERM",
                  "EINTR", "ENETDOWN", "EHOSTUNREACH"):
        case("accept4", error, 2, may_cut=0)
    for error in ("EMFILE", "ENFILE", "ENOMEM", "ECONNABORTED", "EPERM"):
        lasting(error)
    common.note("epoll_wait: two of three calls are interrupted")
    case("epoll_wait", "EINTR", "2+3", may_cut=0)
    first = before_clients("epoll_ctl") + 1
    common.note("epoll_ctl: a connection that cannot be watched is closed")
    for error in ("ENOSPC", "ENOMEM"):
        case("epoll_ctl", error, first + 2, may_cut=1)
    common.note("reads and writes: the connection is closed, unless the call was only interrupted")
    for error, may_cut in (("ECONNRESET", 1), ("ENOBUFS", 1), ("ENOMEM", 1), ("ETIMEDOUT", 1),
                           ("EINTR", 0)):
        case("recvfrom", error, 4, may_cut)
    for error, may_cut in (("EPIPE", 1), ("ECONNRESET", 1), ("ENOBUFS", 1), ("EINTR", 0)):
        case("sendto", error, 4, may_cut)
    short_writes()


if __name__ == "__main__":
    common.main(__doc__, run)
