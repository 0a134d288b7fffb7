"""The Redis between the nodes, and what it knows of rooms. Knows no node."""

import contextlib
import re
import socket
import subprocess
import time

from programs import LOCAL, Failure, Program, find

# The keys of rooms and of the leases of nodes: see src/backplane/redis/mod.rs.
WHO, ALIVE = "bp:who:", b"bp:alive:"
# The most rooms and names that are shown, and fetched.
ROOMS_MAX = 8
NAMES_MAX = 40
ADVICE = "install Redis 7.0 or later, on Debian by: apt-get install redis-server"
ANSWER_SECONDS = 0.3


def program():
    """Returns the path of the program, if its version is recent enough."""
    path = find(["redis-server", "valkey-server"], ADVICE)
    told = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
    version = re.search(r"v=(\d+)\.(\d+)", told)
    if version and int(version[1]) < 7:
        raise Failure(f"{path} is version {version[1]}.{version[2]}: {ADVICE}")
    return path


class Engine(Program):
    """A Redis with an append-only file: a process that is killed loses nothing that it has answered."""

    def __init__(self, folder, port):
        super().__init__("redis", folder, port)
        self.path = program()

    @property
    def url(self):
        return f"redis://{LOCAL}:{self.port}"

    def command(self):
        return [self.path, "--bind", LOCAL, "--port", str(self.port), "--dir", self.folder,
                "--save", "", "--appendonly", "yes", "--appendfsync", "everysec",
                "--maxmemory-policy", "noeviction",
                "--client-output-buffer-limit", "pubsub 256mb 64mb 60"]

    def ask(self, *commands):
        """Returns the answers to several commands that are sent at once."""
        with socket.create_connection((LOCAL, self.port), timeout=ANSWER_SECONDS) as connection:
            connection.sendall(b"".join(map(_encoded, commands)))
            with connection.makefile("rb") as file:
                return [_answer(file) for _ in commands]

    def answers(self):
        try:
            return self.ask(["PING"]) == [b"PONG"]
        except (OSError, ValueError):
            return False

    def wipe(self):
        with contextlib.suppress(OSError, ValueError):
            self.ask(["FLUSHALL"])

    def look(self):
        """Returns its state in words, and the rooms: name, number of members, some of their names."""
        if not self.is_running():
            left = max(0, self.starts_at - time.monotonic()) if self.starts_at else 0
            return f"dead, starts in {left:.0f} s", None
        if self.is_stopped():
            return f"stopped, goes on in {max(0, self.goes_on_at - time.monotonic()):.0f} s", None
        try:
            began = time.monotonic()
            _, (_, keys) = self.ask(["PING"], ["SCAN", "0", "MATCH", f"{WHO}*", "COUNT", "1000"])
            took = (time.monotonic() - began) * 1000
            rooms = [self.room(key) for key in sorted(keys)[:ROOMS_MAX]]
            more = max(0, len(keys) - ROOMS_MAX)
        except (OSError, ValueError) as error:
            return f"no answer: {error}", None
        return f"answers in {took:.1f} ms", ([room for room in rooms if room[1]], more)

    def room(self, key):
        """Returns a room without the members of dead nodes: a name belongs to the lease of a node."""
        count, (_, found) = self.ask(["HLEN", key], ["HSCAN", key, "0", "COUNT", NAMES_MAX])
        names, leases = found[::2], found[1::2]
        known = sorted(set(leases))
        alive = dict(zip(known, self.ask(*[["EXISTS", ALIVE + lease] for lease in known])))
        # The chat adds the node to a name, behind a tab: see src/services/chat/nodes/.
        names = [name.partition(b"\t")[0].decode(errors="replace")
                 for name, lease in zip(names, leases) if alive[lease] == b"1"]
        dead = len(leases) - len(names)
        return key.decode(errors="replace").removeprefix(WHO), int(count) - dead, sorted(names)


def _encoded(words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    parts = [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
    return b"*%d\r\n%b" % (len(words), b"".join(parts))


def _answer(file):
    """Reads an answer of RESP2."""
    line = file.readline()
    kind, rest = line[:1], line[1:].strip()
    if kind == b"$":
        return None if rest == b"-1" else file.read(int(rest) + 2)[:-2]
    if kind == b"*":
        return [_answer(file) for _ in range(int(rest))]
    if kind in (b"+", b":"):
        return rest
    raise ValueError(rest.decode(errors="replace") or "the connection has ended")
