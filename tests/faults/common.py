"""Shared by the scripts of this folder: servers as separate processes, clients that check their
answers, and the rows of the table. Knows no fault."""

import argparse
import concurrent.futures
import contextlib
import functools
import json
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
# The program in tests/faults/routes.
ROUTES = "socketserver-fault-routes"
# The programs that are no examples begin with this.
OWN = "socketserver-"
# The modes of the examples.
MODES = ["multiplex", "threads", "processes", "reactors"]
WORKERS = 2
# Turns a hang into a failure. Longer than any operation here on a busy machine.
PATIENCE = 20
ATTACK_NICENESS = 10
# Closing with this option set is a reset (socket(7), SO_LINGER).
RESET = struct.pack("ii", 1, 0)
# Linux: choose the port when the socket connects, so that each source address has all ports.
IP_BIND_ADDRESS_NO_PORT = 24


def main(doc, run, known=None):
    """Runs a script: `run(options)` prints its rows. Exits with 1 if a row has failed."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawTextHelpFormatter)
    add_options(parser, known or OPTIONS)
    options = parser.parse_args()
    has.installs = options.install
    try:
        run(options)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(1 if row.failed else 0)


# The options of the scripts: name, default and meaning.
OPTIONS = [
    ("seconds", 60.0, "seconds of churn in each mode"),
    ("times", 20, "number of restarts of each kind"),
    ("stops", 20, "number of stops under each load in each mode"),
    ("starts", 2000, "number of starts in each mode"),
    ("rounds", 1000, "number of races for a socket file"),
    ("heads", 18000, "number of slow heads at once"),
    ("uploads", 5, "number of uploads of each size by each client"),
    ("proxied", 40, "number of uploads through each proxy"),
    ("works", 1000, "number of abandoned works"),
    ("queued", 64, "number of clients in the queue of a proxy"),
]


def add_options(parser, known):
    for name, default, meaning in known:
        help = f"{meaning} ({default:g})"
        parser.add_argument(f"--{name}", type=type(default), default=default, help=help)
    parser.add_argument("--install", action="store_true",
                        help="install missing clients and peers by apt-get, npm and pip")


def arguments(options, known):
    """The options as arguments for another script."""
    given = [word for name, *_ in known for word in (f"--{name}", str(getattr(options, name)))]
    return given + (["--install"] if options.install else [])


def row(name, figure, limit, passed):
    """Prints one row of the table."""
    row.failed = row.failed or not passed
    print("\t".join(["PASS" if passed else "FAIL", name, figure, limit]), flush=True)


row.failed = False


def note(text):
    """Prints a line of progress."""
    print("   " + text, file=sys.stderr, flush=True)


def give_up(text):
    print(text, file=sys.stderr)
    sys.exit(2)


def need(tool):
    if not shutil.which(tool):
        give_up(f"this needs '{tool}': install it, or leave this script out")


def skip(name, what):
    """Prints a row that is left out, because `what` is missing."""
    print("\t".join(["SKIP", name, f"{what} is missing", "--install"]), flush=True)


def has(tool, package=None):
    """Returns True if there is a program with this name. Installs its package if asked to."""
    if not shutil.which(tool) and has.installs:
        note(f"installing {package or tool}")
        subprocess.run(["apt-get", "install", "--yes", package or tool], capture_output=True)
    return bool(shutil.which(tool))


has.installs = False


def until(condition, seconds=PATIENCE):
    """Waits for `condition()` to hold. Returns False if it did not in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def raise_descriptors(wanted):
    """Raises the limit of descriptors as far as allowed, at most to `wanted`. Returns the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return limit


@functools.cache
def target():
    """The folder of all that is built. Asked for once, because cargo may wait for a lock."""
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--offline"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    return json.loads(told)["target_directory"]


def program(name):
    """The path of a release example, or of a program of a crate in tests."""
    folder = "release" if name.startswith(OWN) else "release/examples"
    return os.path.join(target(), folder, name)


def build(examples, crate=None):
    """Builds examples, and the programs of the crate in a folder. Returns False if that fails."""
    examples = ["cargo", "build", "--release", *examples]
    programs = ["cargo", "build", "--release", "--locked", "--target-dir", target()]
    for command, folder in ((examples, ROOT), (programs, crate)) if crate else ((examples, ROOT),):
        note(" ".join(command))
        if subprocess.run(command, cwd=folder).returncode:
            return False
    return True


class Server:
    """An example as a separate process, and the workers that it has started."""

    def __init__(self, example, *arguments, mode="multiplex", bind="127.0.0.1:0", prefix=(),
                 descriptors=None, log=None):
        path = program(example)
        if not os.path.exists(path):
            give_up("start it by tests/faults/run, which builds the programs")
        self.mode = mode
        self.log = log or tempfile.TemporaryFile()
        command = [*prefix, path, "--bind", bind, "--mode", mode, "--workers", str(WORKERS)]
        limit = lambda: descriptors and resource.setrlimit(resource.RLIMIT_NOFILE, descriptors)
        self.process = subprocess.Popen(
            [*command, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=self.log, preexec_fn=limit)
        line = self.process.stdout.readline().decode()
        self.listens = line.startswith("listening on ")
        self.bound = line.removeprefix("listening on ").strip()
        self.pid = children(self.process.pid)[0] if prefix and self.listens else self.process.pid
        if self.listens and mode == "processes":
            until(lambda: len(children(self.pid)) == WORKERS)

    def __enter__(self):
        if not self.listens:
            raise RuntimeError("the server did not start: " + self.logged())
        return self

    def __exit__(self, *_):
        for pid in reversed(self.pids()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    @property
    def address(self):
        """The address for `socket`: a host and a port, or a path."""
        if self.bound.startswith("unix:"):
            return self.bound.removeprefix("unix:")
        host, port = self.bound.rsplit(":", 1)
        return host, int(port)

    def pids(self):
        """The started process and its descendants."""
        found = [self.process.pid]
        for pid in found:
            found += children(pid)
        return found

    def stop(self):
        """Sends SIGTERM and returns the exit code; None if the server does not end."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        return self.exit_code()

    def exit_code(self):
        """Waits for the exit code; None if the server does not end."""
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return None

    def logged(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def descriptors(self):
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.pids())

    def descriptors_at_rest(self):
        """The number of descriptors once the server has noticed all closed connections."""
        counts = [-1]

        def is_steady():
            counts.append(self.descriptors())
            time.sleep(0.2)
            return counts[-1] == counts[-2]

        until(is_steady)
        return counts[-1]

    def memory_kib(self, what="VmRSS"):
        """`VmRSS` is the current memory, `VmHWM` the peak since `forget_peak`."""
        return sum(status_of(pid, what) for pid in self.pids())

    def forget_peak(self):
        for pid in self.pids():
            with open(f"/proc/{pid}/clear_refs", "w") as file:
                file.write("5")  # proc(5)

    def cpu_seconds(self):
        return sum(cpu_of(pid) for pid in self.pids())

    def connect(self, source=None, receive_buffer=None):
        return connect(self.address, source, receive_buffer)

    def serves(self):
        """Checks that a new connection is served; may raise."""
        with self.connect() as client:
            return exchange(client)[0] == 200


def connect(address, source=None, receive_buffer=None):
    is_path = isinstance(address, str)
    client = socket.socket(socket.AF_UNIX if is_path else socket.AF_INET)
    client.settimeout(PATIENCE)
    if not is_path:
        # Send small pieces at once, as the server does.
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    if source:
        client.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        client.bind((source, 0))
    try:
        client.connect(address)
    except OSError:
        client.close()
        raise
    return client


def side_by_side(count, work, width):
    """Runs `work(n)` for each n below `count`, `width` at a time. Returns the results."""
    with concurrent.futures.ThreadPoolExecutor(width) as pool:
        return list(pool.map(work, range(count)))


class Attack(threading.Thread):
    """Runs `attack()` in a thread of low priority, so that the measurement shows the server and not
    the competition for a core."""

    def __init__(self, attack):
        super().__init__()
        self.attack = attack
        self.result, self.error = None, None

    def run(self):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), ATTACK_NICENESS)
        try:
            self.result = self.attack()
        except Exception as error:
            self.error = repr(error)


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(child) for child in file.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def status_of(pid, what):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(what + ":"))


def cpu_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def request(path="/plaintext", keep=True):
    close = "" if keep else "Connection: close\r\n"
    return f"GET {path} HTTP/1.1\r\nHost: h\r\n{close}\r\n".encode()


class Ended(Exception):
    """The connection ended before its answer was complete. The argument is the incomplete part."""


def read_answer(client):
    """Reads one answer: status, True if the connection stays open, and body."""
    return next(read_answers(client, 1))


def read_answers(client, count):
    """Reads `count` consecutive answers, like `read_answer`."""
    said = bytearray()
    for _ in range(count):
        while b"\r\n\r\n" not in said:
            said += more(client, said)
        head, _ = said.split(b"\r\n\r\n", 1)
        lines = bytes(head).lower().split(b"\r\n")
        length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
        end = len(head) + 4 + length
        while len(said) < end:
            said += more(client, said)
        yield int(lines[0].split()[1]), b"connection: close" not in lines, said[len(head) + 4:end]
        del said[:end]


def more(client, said):
    try:
        part = client.recv(65536)
    except ConnectionError:
        part = b""
    if not part:
        raise Ended(bytes(said))
    return part


def exchange(client, path="/plaintext"):
    client.sendall(request(path))
    return read_answer(client)
