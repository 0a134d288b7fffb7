"""Clients that send without end or never read take bounded memory and delay no other client."""

import contextlib
import time

import common
import probe

MIB = 1 << 20
ATTACKERS = 20
PIPELINED = 100_000
LINE_BYTES = 1 << 30
HEAD_BYTES = 64 * 1024
TRAILERS = 20_000
# The allowed growth of a server: for each attacker its pending input (`Limits::pending_input`, 64 KiB),
# its output (`output_high`, and one write beyond it) and copies in transit; 1 MiB for the allocator.
WEB_KIB = 1024 + ATTACKERS * 256
# A stalled member may have `output_hard` (1 MiB) of output, and its topic the same; twice that because
# buffers grow by doubling.
CHAT_KIB = 4 * 1024
ATTACK_SECONDS = 6


def send_while_taken(client, data):
    """Sends until the socket accepts no more bytes or the server has closed."""
    view = memoryview(data)
    client.settimeout(1)
    with contextlib.suppress(OSError):
        while view:
            view = view[client.send(view):]


def pipelined_and_never_read(server):
    """100,000 pipelined requests; no answer is read."""
    client = server.connect(receive_buffer=4096)
    send_while_taken(client, common.request() * PIPELINED)
    time.sleep(1)
    return client


def long_heads(server):
    """Heads of 64 KiB on consecutive connections."""
    head = b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"x" * HEAD_BYTES
    for _ in range(10):
        with server.connect() as client:
            send_while_taken(client, head)
            with contextlib.suppress(ConnectionError):
                assert client.recv(4096).startswith(b"HTTP/1.1 431"), "not refused"


def trailers(server):
    """20,000 trailers after a chunked body."""
    opening = b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
    rest = b"".join(b"x-%d: y\r\n" % number for number in range(TRAILERS)) + b"\r\n"
    for _ in range(10):
        with server.connect() as client:
            send_while_taken(client, opening + rest)
            with contextlib.suppress(ConnectionError):
                assert client.recv(4096).startswith(b"HTTP/1.1 431"), "not refused"


def endless_line(server):
    """A line of 1 GiB: the sender gets one notice, the other members get nothing."""
    client = server.connect()
    part = b"x" * MIB
    for _ in range(LINE_BYTES // MIB):
        client.sendall(part)
    client.sendall(b"\nstill here\n")
    return client


def stalled_member(server):
    """A member that never reads, while another one sends 2 MB a second."""
    stalled = server.connect(receive_buffer=4096)
    speaker = server.connect()
    line = b"x" * 999 + b"\n"
    end = time.monotonic() + ATTACK_SECONDS
    while time.monotonic() < end:
        speaker.sendall(line * 20)
        time.sleep(0.01)
    speaker.close()
    assert "slow consumer" in server.logged(), "the stalled member was kept"
    return stalled


ATTACKS = [
    ("pipelined, never read", "reactor_web", pipelined_and_never_read, ATTACKERS, WEB_KIB,
     probe.Web),
    ("heads of 64 KiB", "reactor_web", long_heads, ATTACKERS, WEB_KIB,
     probe.Web),
    ("20,000 trailers", "reactor_web", trailers, ATTACKERS, WEB_KIB,
     probe.Web),
    ("line of 1 GiB", "reactor_chat", endless_line, 1, CHAT_KIB, probe.Chat),
    ("stalled member", "reactor_chat", stalled_member, 1, CHAT_KIB, probe.Chat),
]


def kept_up(attack, server):
    """Repeats the attack until its effect on other clients is measured; the last one stays open."""
    end = time.monotonic() + ATTACK_SECONDS
    client = None
    while time.monotonic() < end:
        if client:
            client.close()
        client = attack(server)
    return client


def attacked(mode, name, example, attack, count, limit_kib, kind):
    with common.Server(example, mode=mode) as server, common.Server(example, mode=mode) as quiet:
        with probe.Pair(server, quiet, kind):
            time.sleep(0.5)
        server.forget_peak()
        before = server.memory_kib("VmHWM")
        errors = []

        def measured():
            attacks = [common.Attack(lambda: kept_up(attack, server)) for _ in range(count)]
            with probe.Pair(server, quiet, kind) as pair:
                for one in attacks:
                    one.start()
                for one in attacks:
                    one.join()
            errors.extend(one.error for one in attacks if one.error)
            for one in attacks:
                if one.result:
                    one.result.close()
            return pair

        pair = probe.rounds(measured)
        growth = server.memory_kib("VmHWM") - before
        code = server.stop()
    name = f"{name}, {mode}"
    common.row(name, f"+{growth} KiB" + (f", wrong: {errors[0]}" if errors else ""),
               f"+{limit_kib} KiB", growth <= limit_kib and not errors and code == 0)
    pair.row(name)


def run(_):
    for name, example, attack, *rest in ATTACKS:
        for mode in common.MODES:
            # A chat does not extend over processes.
            if example == "reactor_chat" and mode == "processes":
                continue
            common.note(f"{mode}: {attack.__doc__}")
            attacked(mode, name, example, attack, *rest)


if __name__ == "__main__":
    common.main(__doc__, run)
