"""A client of Redis without a node: the script of the backplane over a connection that is subscribed as
well, as that of a node, or PUBLISH alone and a subscriber. Knows no server of ours."""

import os
import re
import socket

from peers import common

SCRIPT = os.path.join(common.ROOT, "src/backplane/redis/script.rs")
# Of a node: 64 bytes of text in a frame, and the record around that.
LINE = b"x" * 66
RECORD = b"r" * 98
TOPIC = b"bp:{bare}"
NODE = b"bp:node:bare"
LOG_MESSAGES, RETENTION_MS = 1_000, 86_400_000


def publish_script():
    with open(SCRIPT) as file:
        return re.search(r'const PUBLISH: &str = "\\\n(.*?)";', file.read(), re.S)[1].encode()


def encoded(*words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(one), one) for one in words)


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=common.PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, request, end, at_least=0):
        """Sends a request, and reads up to the end of its answer."""
        self.socket.sendall(request)
        answer = bytearray()
        while len(answer) < at_least or not answer.endswith(end):
            answer += self.read()
        return bytes(answer)

    def read(self):
        part = self.socket.recv(1 << 20)
        assert part, "Redis has ended the connection"
        return part

    def skip(self, count):
        """Reads a number of bytes."""
        while count > 0:
            count -= len(self.read())


class Script(Client):
    """Publishes by the script, several messages in each call."""

    def __init__(self, port):
        super().__init__(port)
        self.call(encoded("HELLO", 3), b"*0\r\n")
        loaded = self.call(encoded("SCRIPT", "LOAD", publish_script()), b"\r\n", at_least=46)
        self.sha = loaded.split(b"\r\n")[1]
        self.call(encoded("SUBSCRIBE", TOPIC), b":1\r\n")
        # The script refuses the calls of a connection that has not stored its generation.
        self.call(encoded("HSET", NODE, "gen", 1, 1, 1), b"\r\n")
        self.seq = 1
        # The first call learns it, as a node does by its first read.
        self.epoch = b"0"
        self.publish(1, 1)
        newest = self.call(encoded("XREVRANGE", TOPIC, "+", "-", "COUNT", 1), RECORD + b"\r\n")
        self.epoch = re.search(rb"(\d+)-\d+", newest)[1]

    def publish(self, count, batch):
        while count > 0:
            size = min(batch, count)
            lowest = self.seq
            words = ["EVALSHA", self.sha, 1 + size, NODE, *[TOPIC] * size, 1, lowest, lowest,
                     LOG_MESSAGES, RETENTION_MS, "", *[self.epoch + b"-*", RECORD] * size]
            self.call(encoded(*words), b":%d\r\n" % size)
            self.seq += size
            count -= size


class Publish(Client):
    """Publishes by PUBLISH to another connection."""

    def __init__(self, port):
        super().__init__(port)
        self.subscriber = Client(port)
        self.subscriber.call(encoded("SUBSCRIBE", TOPIC), b":1\r\n")

    def publish(self, count, batch, each_by_itself):
        """At most `batch` messages are on their way at once. They are one write, or one each."""
        one = encoded("PUBLISH", TOPIC, LINE)
        pushed = len(encoded("message", TOPIC, LINE))
        while count > 0:
            size = min(batch, count)
            for request in [one] * size if each_by_itself else [one * size]:
                self.socket.sendall(request)
            self.subscriber.skip(pushed * size)
            self.skip(len(b":1\r\n") * size)
            count -= size
