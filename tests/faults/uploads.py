"""Refused uploads: each client sees the 413, directly and through proxies.

The route /echo takes 1 MiB. Clients send their body before they read anything, or stop when they see
the answer; a proxy makes a 502 of a connection that was reset too early.
"""

import contextlib
import os
import socket
import subprocess
import tempfile

import common

MEGABYTE = 1_000_000
SIZES = [2, 5, 50]
CLIENTS = os.path.join(common.HERE, "clients")
# Longer than any client takes for all its uploads on a busy machine.
LIMIT_SECONDS = 120


def tools():
    """The folder of what is compiled and installed for the clients."""
    folder = os.path.join(common.target(), "faults")
    os.makedirs(folder, exist_ok=True)
    return folder


def source(name):
    return os.path.join(CLIENTS, name)


def run_quietly(*command):
    """Runs a command. Returns True if it succeeds."""
    return subprocess.run(command, capture_output=True).returncode == 0


def python():
    command = ["python3", source("upload.py")]
    has_requests = lambda: run_quietly("python3", "-c", "import requests")
    if not has_requests() and common.has.installs:
        run_quietly("python3", "-m", "pip", "install", "requests")
    yield "http.client", [*command, "http"], None
    yield "requests", [*command, "requests"], None if has_requests() else "requests of pip"


def node():
    missing = None if common.has("node", "nodejs") else "node"
    command = ["node", source("upload.mjs")]
    modules = os.path.join(tools(), "node_modules")
    has_undici = lambda: os.path.exists(os.path.join(modules, "undici"))
    if not has_undici() and common.has.installs and common.has("npm"):
        # Version 6 is the last for the Node of Debian 12 and Ubuntu 24.04.
        run_quietly("npm", "install", "--no-save", "--prefix", tools(), "undici@6")
    yield "Node http", [*command, "http"], missing
    yield "Node fetch", [*command, "fetch"], missing
    undici = ["env", f"NODE_PATH={modules}", *command, "undici"]
    yield "undici", undici, missing or (None if has_undici() else "undici of npm")


def go():
    binary = os.path.join(tools(), "upload-go")
    missing = None if common.has("go", "golang-go") else "go"
    if not missing:
        subprocess.run(["go", "build", "-o", binary, source("upload.go")], check=True)
    yield "Go", [binary], missing


def java():
    missing = None if common.has("javac", "default-jdk-headless") else "javac"
    if not missing:
        subprocess.run(["javac", "-d", tools(), source("Upload.java")], check=True)
    yield "Java", ["java", "-cp", tools(), "Upload"], missing


def curl():
    missing = None if common.has("curl") else "curl"
    command = ["sh", source("upload.sh")]
    # It asks before it sends more than 1 MiB, unless it is told not to.
    yield "curl", [*command, ""], missing
    yield CURL, [*command, "Expect:"], missing


CURL = "curl without Expect"


def statuses(client, url, size, count):
    """What each attempt of a client has seen."""
    command = [*client, url, str(size * MEGABYTE), str(count)]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        return ["hangs"]
    if told.returncode:
        common.note(f"{command[0]}: {told.stderr.strip()[-300:]}")
    return told.stdout.split("\n")[:-1]


def counted(seen):
    wrong = [one for one in seen if one != "413"]
    for one in wrong[:3]:
        common.note("saw: " + one[:200])
    return len(seen) - len(wrong)


def direct(clients, mode, count):
    with common.Server("reactor_web", "--log", "off", mode=mode) as server:
        url = f"http://{server.bound}/echo"
        for name, client, missing in clients:
            if missing:
                common.skip(f"uploads {mode}, {name}", missing)
                continue
            seen = [counted(statuses(client, url, size, count)) for size in SIZES]
            figure = ", ".join(f"{size} MB {found}" for size, found in zip(SIZES, seen))
            common.row(f"uploads {mode}, {name}", f"413 of {count}: {figure}", "all",
                       all(found == count for found in seen))


NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
events {{}}
http {{
  access_log off; client_max_body_size 0; client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
  scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://{upstream}; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_request_buffering {buffering};
    }}
  }}
}}
"""

HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  server s {upstream}
"""

# A proxy: its program, the options before the file, its file, and the buffering of requests.
PROXIES = {
    "nginx, buffering on": ("nginx", ["-c"], NGINX, "on"),
    "nginx, buffering off": ("nginx", ["-c"], NGINX, "off"),
    "HAProxy": ("haproxy", ["-f"], HAPROXY, ""),
}


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def proxy(program, options, text, buffering, upstream):
    """Runs a proxy. The value is its address."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        port = free_port()
        file = os.path.join(folder, "config")
        with open(file, "w") as config:
            config.write(text.format(folder=folder, port=port, upstream=upstream, buffering=buffering))
        with open(os.path.join(folder, "said"), "w") as said:
            process = subprocess.Popen([program, *options, file], stdout=said, stderr=said)
        try:
            if not common.until(lambda: answers(port)):
                raise RuntimeError(f"{program} does not start")
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def answers(port):
    with contextlib.suppress(OSError), common.connect(("127.0.0.1", port)) as client:
        return common.exchange(client)[0] == 200
    return False


def proxied(client, mode, count):
    """`count` uploads through each proxy, of each size in turn."""
    for name, (program, *settings) in PROXIES.items():
        row = f"uploads {mode}, {name}"
        if not common.has(program):
            common.skip(row, program)
            continue
        with common.Server("reactor_web", "--log", "off", mode=mode) as server, \
                proxy(program, *settings, server.bound) as address:
            seen = []
            for number in range(count):
                size = SIZES[number % len(SIZES)]
                seen += statuses(client, f"http://{address}/echo", size, 1)
        common.row(row, f"{counted(seen)} of {count} saw 413, {seen.count('502')} saw 502",
                   "all, none", seen == ["413"] * count)


def run(options):
    clients = [*python(), *node(), *go(), *java(), *curl()]
    # A client that reads while it sends: it sees the answer of the proxy.
    through = next(client for name, client, _ in clients if name == CURL)
    for mode in common.MODES:
        direct(clients, mode, options.uploads)
        if common.has("curl"):
            proxied(through, mode, options.proxied)


if __name__ == "__main__":
    common.main(__doc__, run)
