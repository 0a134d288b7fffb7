"""Real engines as processes, with what can happen to them. Knows no node."""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(os.path.dirname(HERE), "peers"))

from peers import common  # noqa: E402
import runner  # noqa: E402, F401

LOCAL = "127.0.0.1"
# The programs of Debian are not in the path of every user.
os.environ["PATH"] += os.pathsep + "/usr/sbin"


def lasting_port():
    """A free port that no client gets by chance while the server is down (ip(7))."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind((LOCAL, port))
            return port


class Engine:
    """A server with its data in a folder. It has the same port after a restart."""

    def __init__(self, folder, **settings):
        self.folder, self.settings = folder, settings
        self.port = lasting_port()
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()

    def start(self):
        """Starts it, and returns when it takes commands."""
        log = open(os.path.join(self.folder, "log"), "ab")
        with log:
            self.process = subprocess.Popen(self.command_line(), stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)
        if not common.until(self.answers):
            common.give_up(f"{self.program} does not start: see {log.name}")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def signal(self, number):
        self.process.send_signal(number)

    def pause(self):
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.signal(signal.SIGCONT)

    def answers(self):
        try:
            return self.ping()
        except (OSError, RuntimeError):
            return False

    @contextlib.contextmanager
    def connection(self):
        with socket.create_connection((LOCAL, self.port), timeout=common.PATIENCE) as connection:
            with connection.makefile("rwb") as file:
                yield file

    @property
    def address(self):
        return f"{LOCAL}:{self.port}"

    @property
    def url(self):
        return self.url_at(self.port)

    def url_at(self, port):
        return f"{self.name}://{LOCAL}:{port}"


class Redis(Engine):
    """`append` is `always`, `everysec`, or `no` for no append-only file at all."""
    name, program = "redis", "redis-server"

    def command_line(self):
        append = self.settings.get("append", "everysec")
        kept = ["--appendonly", "no"] if append == "no" else [
            "--appendonly", "yes", "--appendfsync", append, "--aof-use-rdb-preamble", "no"]
        return [self.program, "--port", str(self.port), "--bind", LOCAL, "--dir", self.folder,
                "--save", "", *kept]

    def call(self, *words):
        """Returns the answer to a command."""
        with self.connection() as file:
            file.write(encoded(words))
            file.flush()
            return read_reply(file)

    def ping(self):
        return self.call("PING") == b"PONG"

    def logs(self):
        """The keys of the logs of topics."""
        return self.call("KEYS", "bp:{*}")

    def wipe(self):
        self.call("FLUSHALL")

    def trim(self, keep):
        for key in self.logs():
            self.call("XTRIM", key, "MAXLEN", keep)

    def limit_output(self):
        self.call("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 256kb 2")

    def lose_power(self, _):
        """The last bytes of the append-only file are lost: a SIGKILL alone loses none."""
        self.kill()
        file = os.path.join(self.folder, "appendonlydir/appendonly.aof.1.incr.aof")
        os.truncate(file, max(0, os.path.getsize(file) - self.settings.get("lost", 30_000)))
        self.start()

    def remember(self):
        """What `lose_power` goes back to is in the file."""


def encoded(words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    parts = [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
    return b"*%d\r\n%b" % (len(words), b"".join(parts))


def read_reply(file):
    """Reads a reply of RESP2."""
    line = file.readline()
    kind, rest = line[:1], line[1:-2]
    if kind == b"$":
        return None if rest == b"-1" else file.read(int(rest) + 2)[:-2]
    if kind == b"*":
        return [read_reply(file) for _ in range(int(rest))]
    if kind in (b"+", b":"):
        return rest
    raise RuntimeError(f"Redis says {line}")


CONFIG = """
listen: {host}:{port}
jetstream {{ store_dir: "{folder}/store" }}
# A consumer that reads too slowly is cut early.
max_pending: 1MB
write_deadline: "2s"
"""


class Nats(Engine):
    """With JetStream, and its store in files."""
    name, program = "nats", "nats-server"

    def command_line(self):
        file = os.path.join(self.folder, "config")
        with open(file, "w") as config:
            config.write(CONFIG.format(host=LOCAL, port=self.port, folder=self.folder))
        return [self.program, "-c", file]

    def api(self, subject, **request):
        """Returns the answer of the interface of JetStream."""
        with self.connection() as file:
            file.readline()
            body = json.dumps(request).encode() if request else b""
            file.write(b'CONNECT {"verbose":false}\r\nSUB answer 1\r\nPUB $JS.API.%b answer %d\r\n%b\r\n'
                       % (subject.encode(), len(body), body))
            file.flush()
            while not (line := file.readline()).startswith(b"MSG"):
                if line.startswith(b"PING"):
                    file.write(b"PONG\r\n")
                    file.flush()
                if not line or line.startswith(b"-ERR"):
                    raise RuntimeError(f"NATS says {line}")
            return json.loads(file.read(int(line.split()[-1])))

    def ping(self):
        return "error" not in self.api("INFO")

    def streams(self):
        return self.api("STREAM.NAMES").get("streams") or []

    def wipe(self):
        """All of the store is gone."""
        self.kill()
        shutil.rmtree(os.path.join(self.folder, "store"))
        self.start()

    def trim(self, keep):
        for stream in self.streams():
            state = self.api(f"STREAM.INFO.{stream}", subjects_filter=">")["state"]
            for subject in state.get("subjects", ()):
                self.api(f"STREAM.PURGE.{stream}", filter=subject, keep=keep)

    def limit_output(self):
        """It is limited always."""

    def remember(self):
        """Copies the store as it is now."""
        self.pause()
        shutil.copytree(os.path.join(self.folder, "store"), os.path.join(self.folder, "copy"))
        self.resume()

    def lose_power(self, seconds):
        """The store is again as it was at `remember`, and this number of seconds is lost."""
        time.sleep(seconds)
        self.kill()
        shutil.rmtree(os.path.join(self.folder, "store"))
        shutil.move(os.path.join(self.folder, "copy"), os.path.join(self.folder, "store"))
        self.start()


KINDS = {kind.name: kind for kind in (Redis, Nats)}
