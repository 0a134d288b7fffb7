"""A member of the chat with a browser's protocol: it goes on with its last position at another node.
Knows no fault."""

import json
import struct

import crowd
import oracle

UPGRADE = (b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
           b"Sec-WebSocket-Protocol: chat.v1.json\r\n\r\n")
EVENTS = ("msg", "joined", "left", "renamed", "mark")


class ChatMember(crowd.Member):
    moves = True
    hears_itself = True

    def __init__(self, *arguments):
        super().__init__(*arguments)
        # It gets its own lines.
        self.session.name = b""
        self.parsed = 0
        self.position = None
        # Of the current connection; None before the end of its head.
        self.rest, self.is_open = b"", False

    def greeting(self):
        self.parse()
        # The next connection begins here.
        self.chunks.append((0, b""))
        join = {"type": "join", "room": self.session.room}
        return UPGRADE + frame({**join, "after": self.position} if self.position else join)

    def encoded(self, line):
        text = line.decode()
        say = {"type": "say", "room": self.session.room, "text": text}
        return frame({**say, "tag": text.replace(" ", "-")})

    @staticmethod
    def heard(line):
        return b'"text":"%b"' % line

    def parse(self):
        for when, data in self.chunks[self.parsed:]:
            if not data:
                self.rest, self.is_open = b"", False
                continue
            self.rest += data
            if not self.is_open:
                head, end, rest = self.rest.partition(b"\r\n\r\n")
                if not end:
                    continue
                assert head.startswith(b"HTTP/1.1 101"), head
                self.rest, self.is_open = rest, True
            self.frames(when)
        self.parsed = len(self.chunks)

    def frames(self, when):
        at, data = 0, self.rest
        while len(data) >= at + 4:
            start, size = at + 2, data[at + 1]
            if size == 126:
                start, size = at + 4, struct.unpack(">H", data[at + 2:at + 4])[0]
            if len(data) < start + size:
                break
            if data[at] & 15 == 1:
                self.message(when, json.loads(data[start:start + size]))
            at = start + size
        self.rest = data[at:]

    def message(self, when, message):
        if message.get("code") == "unshared":
            self.publisher.told.add(int(message["tag"].split("-")[1]))
        if message["type"] not in EVENTS:
            return
        self.position = message["id"]
        event = oracle.MARK
        if message["type"] == "msg":
            name, _, number = message["text"].partition(" ")
            event = name.encode(), int(number)
        elif message["type"] != "mark":
            return
        self.session.events.append(event)
        self.session.times.append(when)


def frame(message):
    """A text frame of a client. Its key is 0, as good as any other for a server."""
    data = json.dumps(message).encode()
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
    return b"\x81" + size + bytes(4) + data
