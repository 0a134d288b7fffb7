"""Files from a disk that takes 20 ms for each read: other requests are as fast as without them."""

import os
import subprocess
import tempfile

import peers
from peers import common, probe

DOWNLOADS = 32
FILE_BYTES = 256 << 10
# The workers of `threads` run all calls, and read the disk.
BOUND_MODES = ["multiplex", "reactors"]


def server(root, mode):
    return common.Server("socketserver-slow-files", "--root", root, mode=mode)


def downloads(server, seconds):
    """Downloads of clients of low priority, again and again. Returns the bytes of each."""
    command = ["timeout", str(seconds), "nice", "-n", str(common.ATTACK_NICENESS), "curl", "-sS",
               "-o", os.devnull, "-w", "%{stderr}%{size_download}\n",
               f"http://{server.bound}/files/file.bin?[1-1000]"]
    return [subprocess.Popen(command, stderr=subprocess.PIPE)
            for _ in range(DOWNLOADS)]


def measured(slow, quiet, seconds):
    clients = downloads(slow, seconds)
    with probe.Pair(slow, quiet) as pair:
        told = [client.communicate()[1] for client in clients]
    common.note(f"{sum(len(one.splitlines()) for one in told)} downloads")
    return pair


def run(options):
    if not common.has("curl"):
        return common.skip("slow disk", "curl")
    seconds = max(2, int(options.seconds))
    with tempfile.TemporaryDirectory() as root:
        with open(os.path.join(root, "file.bin"), "wb") as out:
            out.write(os.urandom(FILE_BYTES))
        for mode in [*BOUND_MODES, "threads"]:
            with server(root, mode) as slow, server(root, mode) as quiet:
                pair = probe.rounds(lambda: measured(slow, quiet, seconds))
            delayed, calm = pair.p99_ms
            cells = [f"p99 beside a slow disk, {mode}", f"{delayed:.2f} ms", f"{calm:.2f} quiet",
                     f"{delayed / calm:.2f}"]
            if mode in BOUND_MODES:
                peers.row(*cells, f"< {probe.FACTOR} or {probe.NOISE_MS} ms", pair.is_unchanged())
            else:
                peers.tell(*cells, "its workers read")


if __name__ == "__main__":
    peers.main(__doc__, run)
