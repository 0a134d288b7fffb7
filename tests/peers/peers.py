"""Shared by the scripts of this folder: measurements of several servers in turn, and rows with the
figure of a peer. Knows no peer."""

import contextlib
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
FAULTS = os.path.join(os.path.dirname(HERE), "faults")
sys.path.append(FAULTS)

import common  # noqa: E402
import probe  # noqa: E402, F401

# The options of the scripts: name, default and meaning.
OPTIONS = [
    ("times", 7, "number of measurements of each server"),
    ("seconds", 2.0, "seconds of load in each measurement"),
    ("sockets", 15_000, "number of idle WebSockets"),
    ("messages", 5_000, "number of messages in each measurement of a room"),
]


def main(doc, run):
    common.main(doc, run, OPTIONS)


def row(name, figure, peer, ratio, bound, passed):
    """Prints one row of the table."""
    common.row.failed = common.row.failed or not passed
    print_cells("PASS" if passed else "FAIL", name, figure, peer, ratio, bound)


def print_cells(*cells):
    print("\t".join(cells), flush=True)


def tell(name, figure, peer, ratio, why):
    """Prints a row without a bound."""
    print_cells("INFO", name, figure, peer, ratio, why)


def cpu_seconds(pids):
    """The CPU time of processes, to the nanosecond while a thread does not run (proc(5))."""
    total = 0
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                with open(f"/proc/{pid}/task/{thread}/schedstat") as file:
                    total += int(file.read().split()[0])
    return total / 1e9


def in_turn(times, measurements):
    """Calls each of the measurements once for each time, in an order that changes. The values are
    the figures of each by name; those with the same index belong together."""
    names = list(measurements)
    figures = {name: [] for name in names}
    for time in range(times):
        start = time % len(names)
        order = names[start:] + names[:start]
        for name in order if time % 2 == 0 else reversed(order):
            figures[name].append(measurements[name]())
    return figures


def at_most(ratio, limit):
    return ratio <= limit


def at_least(ratio, limit):
    return ratio >= limit


def compare(name, unit, figures, peer, limit, passes):
    """Prints the row of our server and a peer: `passes` compares the median of their ratios with
    `limit`."""
    cells, ratio = compared(name, unit, figures, peer)
    sign = "at most" if passes is at_most else "at least"
    row(*cells, f"{sign} {limit}", passes(ratio, limit))


def compared(name, unit, figures, peer):
    """Returns the first cells of such a row, and the ratio."""
    ratio = statistics.median(mine / other for mine, other in zip(figures["ours"], figures[peer]))
    mine, other = (statistics.median(figures[one]) for one in ("ours", peer))
    cells = [f"{name}, {peer}", f"{digits(mine)} {unit}", digits(other), f"{ratio:.2f}"]
    return cells, ratio


def digits(figure):
    return f"{figure:.1f}" if figure < 1000 else f"{figure:,.0f}"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def started(command, port):
    """Runs a server of others until it accepts connections. The value is its process."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        if not common.until(lambda: accepts(port)):
            common.give_up(f"{command[0]} does not start")
        yield process
    finally:
        process.terminate()
        process.wait()


def accepts(port):
    with contextlib.suppress(OSError), common.connect(("127.0.0.1", port)):
        return True
    return False


NGINX = """
{user} daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000;
  types {{ application/octet-stream bin; }} {cache}
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; location /files/ {{ alias {root}/; }} }}
}}
"""


@contextlib.contextmanager
def nginx(root, cache=""):
    """Serves a directory by nginx under /files/. The values are its address and its worker."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        user = "user root;" if os.geteuid() == 0 else ""
        file = os.path.join(folder, "config")
        with open(file, "w") as config:
            config.write(NGINX.format(folder=folder, port=port, root=root, user=user, cache=cache))
        with started(["nginx", "-c", file], port) as process:
            yield f"127.0.0.1:{port}", common.children(process.pid)


class Members:
    """The program `socketserver-members`: connections to a room, and a publisher outside it, at
    another server if it has an address of its own."""

    def __init__(self, address, protocol, path, count, publisher=None):
        limit = (count + 100, count + 100)
        command = [common.program("socketserver-members"), address, protocol, path, str(count)]
        self.process = subprocess.Popen(
            command + ([publisher] if publisher else []),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            preexec_fn=lambda: raise_limit(limit))
        self.expect("open")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def expect(self, word):
        line = self.process.stdout.readline().strip()
        if line != word:
            raise RuntimeError(f"the members said '{line}' instead of '{word}'")

    def publish(self, count, flight):
        """Publishes messages, and returns when every member has them."""
        self.tell(f"publish {count} {flight}")
        self.expect("delivered")

    def tell(self, command):
        """`await COUNT` lets it wait for messages of others."""
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()


def raise_limit(limit):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < limit[0]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit[0], max(limit[1], hard)))


def version(command, line=0):
    """The version that a program tells, for the log."""
    told = subprocess.run(command, capture_output=True, text=True)
    return (told.stdout + told.stderr).strip().splitlines()[line]
