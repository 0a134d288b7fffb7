"""Files beside nginx with sendfile: CPU time for a MiB and for a small file, and memory."""

import os
import re
import subprocess
import tempfile

import peers
from peers import common

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
FILES = {"1 MiB": ("large.bin", MIB, "us/MiB"), "10 KiB": ("small.bin", 10 * KIB, "us/request")}
CONNECTIONS = [1, 16, 64]
# With this cache nginx does not look at the file for a minute. Ours keeps the content of small files,
# and opens them for each request to see that they are unchanged: no setting of nginx does that.
CACHED = "open_file_cache max=1000 inactive=60s; open_file_cache_valid 60s;"
# Both servers allocate by the page, and send a file in parts.
GROWTH_KIB = 4096
# A file is kept once it has not changed for three seconds.
WARM_SECONDS = 4


def served(url, connections, seconds):
    """The number of requests of wrk within a time."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", url]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in told or "Socket errors" in told:
        raise RuntimeError(f"{url}: {told}")
    return int(re.search(r"(\d+) requests in", told)[1])


def measurement(address, pids, file, connections, seconds):
    """Returns a measurement: microseconds for each request."""
    def measure():
        before = peers.cpu_seconds(pids)
        requests = served(f"http://{address}/files/{file}", connections, seconds)
        return 1e6 * (peers.cpu_seconds(pids) - before) / requests
    return measure


def compare_all(servers, options):
    for name, (file, _, unit) in FILES.items():
        for address, _ in servers.values():
            served(f"http://{address}/files/{file}", 1, WARM_SECONDS)
        for connections in CONNECTIONS:
            row = f"{name} on {connections}"
            common.note(row)
            figures = peers.in_turn(options.times, {
                name: measurement(*server, file, connections, options.seconds)
                for name, server in servers.items()})
            peers.compare(row, unit, figures, "nginx", 1, peers.at_most)
            cells, _ = peers.compared(row, unit, figures, "nginx with open_file_cache")
            peers.tell(*cells, "sees no change for 60 s")


def grown(url, pids):
    """The growth of memory by a download, in KiB."""
    for pid in pids:
        with open(f"/proc/{pid}/clear_refs", "w") as file:
            file.write("5")  # proc(5): forget the peak
    before = sum(common.status_of(pid, "VmHWM") for pid in pids)
    got = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{size_download}", url],
                         capture_output=True, text=True, check=True).stdout
    if got != str(GIB):
        raise RuntimeError(f"{url}: {got} bytes")
    return sum(common.status_of(pid, "VmHWM") for pid in pids) - before


def run(options):
    for tool in ("nginx", "wrk", "curl"):
        if not common.has(tool):
            return common.skip("files", tool)
    common.note(peers.version(["nginx", "-v"]))
    with tempfile.TemporaryDirectory() as root:
        os.chmod(root, 0o755)
        for file, size, _ in FILES.values():
            with open(os.path.join(root, file), "wb") as out:
                out.write(os.urandom(size))
        with open(os.path.join(root, "huge.bin"), "wb") as out:
            out.truncate(GIB)
        with common.Server("reactor_web", "--root", root, "--log", "off") as server, \
                peers.nginx(root, CACHED) as cached, peers.nginx(root) as opening:
            ours = (server.bound, server.pids())
            servers = {"ours": ours, "nginx": opening, "nginx with open_file_cache": cached}
            compare_all(servers, options)
            ours, theirs = (grown(f"http://{address}/files/huge.bin", pids)
                            for address, pids in (ours, opening))
            peers.row("memory for 1 GiB", f"+{ours} KiB", f"+{theirs}", "", f"+{GROWTH_KIB} KiB",
                      ours <= GROWTH_KIB)


if __name__ == "__main__":
    peers.main(__doc__, run)
