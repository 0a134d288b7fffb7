"""Files and users: downloads that continue or are split, and 2,000 paths that try to escape."""

import contextlib
import hashlib
import os
import random
import shutil
import subprocess
import tempfile
import threading
import time

import peers
from peers import common

FILE_BYTES = 20_000_000
# The part that an interrupted download has left behind.
PART_BYTES = 7_654_321
PATHS = 2000
SECRET = b"the secret beside the root: 7f3a9c"
INSIDE = b"a file within the root"
SEGMENTS = [
    "..", "%2e%2e", ".%2e", "%2E.", "..%2f", "%2e%2e%2f", "..%5c", "..\\", "%5c..%5c",
    "%252e%252e", "%252e%252e%252f", "..;", "...", "....", ".", "%2e", "", "sub", "out", "all",
    "chain", "sub/up", "within", "%00", "..%00", "%c0%ae%c0%ae", "%e0%80%ae", "%ff",
    "%uff0e%uff0e", "%ef%bc%8e%ef%bc%8e", "..%20", "..%09", "a%0d%0a", "~root", "*", "%20..",
    "sub/..", "magic", "c:", "..%01",
]
ENDS = [
    "secret", "/secret", "%2fsecret", "secret%00.txt", "secret/", "secret?x", "./secret",
    "beside/secret", "etc/passwd", "/etc/passwd", "%2Fetc%2Fpasswd", "proc/self/root/etc/passwd",
    "magic/root/etc/passwd", "magic/cwd/secret", "sub/../../secret", "link", "sub/link",
]
# Forms of a target.
TARGETS = ["/files/{}", "/files//{}", "/{}", "//files/{}", "http://h/files/{}", "/files/sub/{}",
           "/files/../{}", "/files%2f{}", "/files\\{}", "/./files/{}"]


def paths():
    """Paths that try to leave the root, each once: pairs in order, long ones, and random mixtures."""
    found = dict.fromkeys(
        form.format(f"{one}/{end}") for end in ENDS for one in SEGMENTS for form in TARGETS[:2])
    for count in (2, 3, 10, 100, 1000):
        for one in ("..", "%2e%2e", "sub/..", "%252e%252e", "..\\", ".", "a"):
            found[f"/files/{(one + '/') * count}secret"] = None
    for length in (255, 256, 1000, 4096, 8000):
        found["/files/" + "a" * length] = None
        found["/files/" + "%2e" * (length // 3) + "/secret"] = None
    draw = random.Random(14)
    while len(found) < PATHS:
        middle = "/".join(draw.choice(SEGMENTS) for _ in range(draw.randint(1, 6)))
        end = draw.choice(["/", ""]) + draw.choice(ENDS)
        found[draw.choice(TARGETS).format(middle + end)] = None
    return list(found)


def lay_out(folder):
    """A root with links that leave it, and a secret beside it. Returns the root."""
    root = os.path.join(folder, "root")
    # A name that begins as that of the root does.
    for made in ("root/sub", "root-beside", "beside"):
        os.makedirs(os.path.join(folder, made))
    for secret in ("secret", "root-beside/secret", "beside/secret"):
        write(os.path.join(folder, secret), SECRET)
    write(os.path.join(root, "a"), INSIDE)
    write(os.path.join(root, "sub/b"), INSIDE)
    links = {"out": "..", "all": "/", "sub/up": "../..", "link": "../secret", "within": "sub",
             "sub/link": "../../secret", "chain": "out", "magic": "/proc/self", "loop": "loop",
             "index.html": "../secret", "%2e%2e": ".."}
    for name, to in links.items():
        os.symlink(to, os.path.join(root, name))
    return root


def write(path, content):
    with open(path, "wb") as out:
        out.write(content)


def told(address, target):
    """All that a server answers to a target that no client would send."""
    said = b""
    with contextlib.suppress(ConnectionError), common.connect(address) as client:
        end = b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        client.sendall(b"GET " + target.encode() + end)
        while part := client.recv(65536):
            said += part
    return said


def is_leak(said):
    return SECRET in said or b"root:x:" in said


def host_and_port(bound):
    host, port = bound.rsplit(":", 1)
    return host, int(port)


def escapes(name, server, theirs, targets):
    leaks = [one for one in targets if is_leak(told(server.address, one))]
    for one in leaks[:3]:
        common.note("leaks: " + one[:200])
    answers = all(INSIDE in told(server.address, one) for one in ("/files/a", "/files/sub/b"))
    peers.row(name, f"{len(leaks)} of {len(targets)}", theirs, "", "none", not leaks and answers)


def changing(server, folder, seconds):
    """Requests while a directory of the root is exchanged with a link out of it, and moved out."""
    root = os.path.join(folder, "root")
    names = [os.path.join(root, name) for name in ("swap", "swap-link", "swap-kept")]
    os.makedirs(names[0])
    write(os.path.join(names[0], "secret"), INSIDE)
    os.symlink("..", names[1])
    swap, link, kept = names
    stop = threading.Event()

    def exchange():
        while not stop.is_set():
            os.rename(swap, kept)
            os.rename(link, swap)
            os.rename(swap, link)
            os.rename(kept, os.path.join(folder, "moved"))
            os.rename(os.path.join(folder, "moved"), swap)

    thread = threading.Thread(target=exchange)
    thread.start()
    seen = {"inside": 0, "leaks": 0, "other": 0}
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            for path in ("swap/secret", "swap/../secret", "swap/%2e%2e/secret"):
                said = told(server.address, "/files/" + path)
                seen["leaks" if is_leak(said) else "inside" if INSIDE in said else "other"] += 1
    finally:
        stop.set()
        thread.join()
    peers.row("escapes while a directory is moved", f"{seen['leaks']} of {sum(seen.values())}",
              f"{seen['inside']} files within", "", "none", not seen["leaks"] and seen["inside"] > 0)
    # The server holds the directory and not its name.
    os.rename(root, os.path.join(folder, "renamed"))
    os.makedirs(root)
    write(os.path.join(root, "a"), SECRET)
    said = told(server.address, "/files/a")
    peers.row("the root after it is renamed", "same" if INSIDE in said else "other", "", "", "same",
              INSIDE in said and not is_leak(said))


def sha(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def commands(url, got):
    """The tools, each with its commands and the number of bytes there before."""
    name = os.path.basename(got)
    aria = ["aria2c", "-q", "-c", "-x4", "-s4", "-k1M", "-d", os.path.dirname(got), "-o", name, url]
    third = FILE_BYTES // 3
    pieces = [f"0-{third - 1}", f"{third}-{2 * third - 1}", f"{2 * third}-"]
    yield "curl -r", "curl", [["sh", "-c", 'curl -sS -r "$1" "$2" >> "$3"', "sh", piece, url, got]
                              for piece in pieces], 0
    yield "curl -C -", "curl", [["curl", "-sS", "-C", "-", "-o", got, url]], PART_BYTES
    yield "wget -c", "wget", [["wget", "-q", "-c", "-O", got, url]], PART_BYTES
    yield "aria2c -x4", "aria2c", [aria], 0
    yield "aria2c -x4 after a part", "aria2c", [aria], PART_BYTES
    limited = ["timeout", "-s", "INT", "1", *aria, "--max-overall-download-limit=4M"]
    yield "aria2c -x4, interrupted", "aria2c", [limited, aria], 0


def downloads(server, root, folder):
    file = os.path.join(root, "file.bin")
    write(file, os.urandom(FILE_BYTES))
    wanted = sha(file)
    got = os.path.join(folder, "got.bin")
    for name, tool, steps, part in commands(f"http://{server.bound}/files/file.bin", got):
        package = {"aria2c": "aria2"}.get(tool)
        if not common.has(tool, package):
            common.skip(name, tool)
            continue
        for left in (got, got + ".aria2"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(left)
        if part:
            shutil.copyfile(file, got)
            os.truncate(got, part)
        for step in steps:
            subprocess.run(step)
        is_same = os.path.exists(got) and sha(got) == wanted
        peers.row(name, "same SHA-256" if is_same else "another file", "", "", "same", is_same)


def run(options):
    targets = paths()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        root = lay_out(folder)
        theirs = "nginx is missing"
        if common.has("nginx"):
            # It follows links by default: the check sees what leaks.
            with peers.nginx(root) as (address, _):
                count = sum(is_leak(told(host_and_port(address), one)) for one in targets)
                theirs = f"{count} nginx, which follows links"
        for mode in common.MODES:
            arguments = ["--root", root, "--listing", "--log", "off"]
            with common.Server("reactor_web", *arguments, mode=mode) as server:
                escapes(f"escapes, {mode}", server, theirs, targets)
        with common.Server("reactor_web", "--root", root, "--log", "off") as server:
            downloads(server, root, folder)
            changing(server, folder, max(3, options.seconds))


if __name__ == "__main__":
    peers.main(__doc__, run)
