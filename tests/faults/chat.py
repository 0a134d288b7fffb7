"""People in the chat: GNU telnet in a terminal, a member that vanishes, and a flooder."""

import contextlib
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import threading
import time

import common

MODES = ["multiplex", "threads", "reactors"]
# The promise of the chat.
VANISHED_SECONDS = 120
FLOOD_SECONDS = 5
# The pace of a member: lines at once, and lines per second after them.
BURST, PACE = 10, 10
SLOW_BYTES_PER_SECOND = 16_000
CTRL_C, ESCAPE = b"\x03", b"\x1d"
NAMESPACE, HERE, THERE = "chat-faults", "chatf0", "chatf1"
HERE_ADDRESS, THERE_ADDRESS = "10.231.77.1", "10.231.77.2"


class Member:
    """A member on a plain socket, and all that it has heard."""

    def __init__(self, server, receive_buffer=None):
        self.socket = server.connect(receive_buffer=receive_buffer)
        self.heard = b""
        self.hears("welcome")

    def say(self, line):
        """A member that the server has closed says nothing, and hears nothing."""
        with contextlib.suppress(ConnectionError):
            self.socket.sendall(line.encode() + b"\n")

    def listen(self, seconds=0.05):
        """Hears what there is; returns in the middle of a flood as well."""
        end = time.monotonic() + 1
        while time.monotonic() < end and select.select([self.socket], [], [], seconds)[0]:
            try:
                part = self.socket.recv(65536)
            except ConnectionError:
                return
            if not part:
                return
            self.heard += part

    def hears(self, text):
        return common.until(lambda: self.listen() or text.encode() in self.heard)

    def lines_of(self, other):
        lines = self.heard.decode(errors="replace").split("\n")
        return [line.split(": ", 1)[1] for line in lines if line.startswith(other + ": ")]

    def who(self):
        """The number of members of the room; 0 if the server does not answer."""
        self.heard = b""
        self.say("/who")
        self.hears(" in ")
        line = next((l for l in self.heard.split(b"\n") if b" in " in l), b"* 0 in")
        return int(line.split()[1])


class Terminal:
    """GNU telnet in a terminal of its own."""

    def __init__(self, address):
        self.shown = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp("telnet", ["telnet", address[0], str(address[1])])

    def type(self, keys):
        os.write(self.fd, keys)

    def shows(self, text):
        def is_shown():
            if select.select([self.fd], [], [], 0.05)[0]:
                with contextlib.suppress(OSError):
                    self.shown += os.read(self.fd, 65536)
            return text in self.shown

        return common.until(is_shown, 5)

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def telnet(mode):
    with common.Server("reactor_chat", mode=mode) as server:
        other = Member(server)
        terminal = Terminal(server.address)
        try:
            wrong = talk(terminal, other)
        finally:
            terminal.close()
    common.row(f"GNU telnet in a terminal, {mode}", wrong or "3 lines each way",
               "Ctrl-C and options are no text", not wrong)


def talk(terminal, other):
    """Returns the first thing that went wrong, or nothing."""
    if not terminal.shows(b"welcome: you are guest-2"):
        return "no welcome"
    steps = [
        ("at the start", []),
        ("after Ctrl-C", [CTRL_C]),
        # Each command of the client is typed after its prompt.
        ("after options", [ESCAPE, b"send do echo\n", ESCAPE, b"send will naws\n"]),
    ]
    for number, (when, keys) in enumerate(steps):
        for key in keys:
            terminal.type(key)
            if key == ESCAPE and not terminal.shows(b"telnet> "):
                return f"{when}: no prompt of telnet"
        terminal.shown = b""
        terminal.type(f"typed {number}\n".encode())
        if not other.hears(f"guest-2: typed {number}"):
            return f"{when}: the room hears nothing"
        other.say(f"said {number}")
        if not terminal.shows(f"guest-1: said {number}".encode()):
            return f"{when}: the terminal shows nothing"
    lines = other.lines_of("guest-2")
    return "" if lines == ["typed 0", "typed 1", "typed 2"] else f"the room hears {lines}"


class Network:
    """A host that is reached by a cable, which can be cut."""

    def __enter__(self):
        self.remove()
        for command in [
            f"ip netns add {NAMESPACE}",
            f"ip link add {HERE} type veth peer name {THERE} netns {NAMESPACE}",
            f"ip addr add {HERE_ADDRESS}/24 dev {HERE}",
            f"ip link set {HERE} up",
            f"ip -n {NAMESPACE} addr add {THERE_ADDRESS}/24 dev {THERE}",
            f"ip -n {NAMESPACE} link set {THERE} up",
        ]:
            subprocess.run(command.split(), check=True, capture_output=True)
        return self

    def __exit__(self, *_):
        self.remove()

    def remove(self):
        for command in [f"ip link del {HERE}", f"ip netns del {NAMESPACE}"]:
            subprocess.run(command.split(), capture_output=True)

    def cut(self):
        subprocess.run(f"ip -n {NAMESPACE} link set {THERE} down".split(), check=True)

    def member(self, address):
        """A member on the other host, in a process of its own."""
        code = ("import socket, sys, time; s = socket.create_connection((sys.argv[1], sys.argv[2]));"
                "s.recv(1000); print('in', flush=True); time.sleep(1000)")
        command = ["ip", "netns", "exec", NAMESPACE, sys.executable, "-c", code, *map(str, address)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        process.stdout.readline()
        return process


def vanished():
    """A cable is cut: no member hears it, and no packet tells of it."""
    if os.geteuid() or not shutil.which("ip"):
        return common.row("a member vanishes", "left out: needs root and `ip`", "", True)
    try:
        network = Network().__enter__()
    except subprocess.CalledProcessError as error:
        return common.row("a member vanishes", f"left out: {error.stderr.decode().strip()}", "", True)
    with contextlib.ExitStack() as stack:
        stack.push(network)
        bind = f"{HERE_ADDRESS}:0"
        servers = [stack.enter_context(common.Server("reactor_chat", bind=bind)) for _ in range(2)]
        watchers = [Member(server) for server in servers]
        for server in servers:
            stack.callback(network.member(server.address).kill)
        counts = [watcher.who() for watcher in watchers]
        network.cut()
        began = time.monotonic()
        left = wait_for_leaving(watchers, began)
    for name, seconds in zip(("in a silent room", "while others talk"), left):
        passed = counts == [2, 2] and seconds is not None and seconds <= VANISHED_SECONDS
        common.row(f"a member vanishes {name}", f"in /who for {seconds or VANISHED_SECONDS:.0f} s",
                   f"<= {VANISHED_SECONDS} s", passed)


def wait_for_leaving(watchers, began):
    """For each watcher the seconds until it is alone; only the second one talks meanwhile."""
    left = [None, None]
    while None in left and time.monotonic() - began <= VANISHED_SECONDS + 5:
        for index, watcher in enumerate(watchers):
            if index == 1:
                watcher.say("is anyone there?")
            if left[index] is None and watcher.who() == 1:
                left[index] = time.monotonic() - began
        time.sleep(1)
    return left


def flood(mode):
    with common.Server("reactor_chat", mode=mode) as server:
        reader, slow, flooder = Member(server), Member(server, 4096), Member(server)
        reader.heard = b""
        stop = threading.Event()
        threads = [threading.Thread(target=job, args=(member, stop), daemon=True)
                   for job, member in ((shout, flooder), (read_slowly, slow))]
        for thread in threads:
            thread.start()
        end = time.monotonic() + FLOOD_SECONDS
        while time.monotonic() < end:
            reader.listen()
        lines = len(reader.lines_of("guest-3"))
        count = reader.who()
        stop.set()
        for thread in threads:
            thread.join()
    most = BURST + PACE * (FLOOD_SECONDS + 1)
    common.row(f"a flooder, {mode}", f"{lines} lines in {FLOOD_SECONDS} s, {count} of 3 members stay",
               f"1 to {most} lines, 3 members", 0 < lines <= most and count == 3)


def shout(member, stop):
    member.socket.setblocking(False)
    lines = b"spam spam spam spam\n" * 1000
    while not stop.is_set():
        with contextlib.suppress(BlockingIOError, ConnectionError):
            member.socket.send(lines)
        stop.wait(0.001)


def read_slowly(member, stop):
    with contextlib.suppress(ConnectionError):
        while not stop.is_set():
            if select.select([member.socket], [], [], 0.1)[0]:
                member.socket.recv(SLOW_BYTES_PER_SECOND // 10)
            stop.wait(0.1)


def run(_):
    for mode in MODES:
        if shutil.which("telnet"):
            telnet(mode)
        else:
            common.row(f"GNU telnet in a terminal, {mode}", "left out: needs `telnet`", "", True)
        flood(mode)
    common.note(f"a member vanishes: up to {VANISHED_SECONDS} s")
    vanished()


if __name__ == "__main__":
    common.main(__doc__, run)
