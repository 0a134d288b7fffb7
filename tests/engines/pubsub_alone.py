"""A node that trusts Redis pub/sub alone, as many do: lines that are published while a connection is
cut are lost in silence. The oracle must find that, or it would find nothing."""

import argparse
import asyncio
import collections
import os
import urllib.parse

import servers

PAUSE_SECONDS = 0.1
CHANNELS = "room:*"


class Node:
    def __init__(self, url):
        self.url = urllib.parse.urlsplit(url)
        self.rooms = collections.defaultdict(set)
        self.publishing = None
        self.name = os.urandom(8).hex()

    def author(self, writer):
        return f"{self.name}-{id(writer)}".encode()

    async def serve(self, bind):
        host, port = bind.rsplit(":", 1)
        server = await asyncio.start_server(self.member, host, int(port))
        print("listening on %s:%d" % server.sockets[0].getsockname()[:2], flush=True)
        await self.link()

    async def member(self, reader, writer):
        room = b"lobby"
        self.rooms[room].add(writer)
        try:
            while line := await reader.readline():
                if line.startswith(b"room "):
                    self.rooms[room].discard(writer)
                    room = line[5:-1]
                    self.rooms[room].add(writer)
                    writer.write(b"* in %b\n" % room)
                elif self.publishing:
                    words = (b"PUBLISH", b"room:" + room, self.author(writer) + b" " + line)
                    self.publishing.write(servers.encoded(words))
        except OSError:
            pass
        self.rooms[room].discard(writer)
        writer.close()

    async def link(self):
        while True:
            try:
                await self.exchange()
            except (OSError, EOFError, ValueError):
                pass
            self.publishing = None
            await asyncio.sleep(PAUSE_SECONDS)

    async def exchange(self):
        address = self.url.hostname, self.url.port
        reader, subscribed = await asyncio.open_connection(*address)
        answers, publishing = await asyncio.open_connection(*address)
        try:
            subscribed.write(servers.encoded((b"PSUBSCRIBE", CHANNELS)))
            self.publishing = publishing
            await asyncio.gather(self.receive(reader), self.ignore(answers))
        finally:
            subscribed.close()
            publishing.close()

    async def ignore(self, answers):
        while await answers.read(65536):
            pass
        raise EOFError

    async def receive(self, reader):
        while True:
            words = []
            for _ in range(int((await reader.readexactly(4))[1:2])):
                words.append(await self.word(reader))
            if words[0] == b"pmessage":
                author, _, line = words[3].partition(b" ")
                for writer in self.rooms[words[2].removeprefix(b"room:")]:
                    if self.author(writer) != author:
                        writer.write(line)

    async def word(self, reader):
        head = await reader.readuntil(b"\r\n")
        if head.startswith(b":"):
            return head[1:-2]
        return (await reader.readexactly(int(head[1:]) + 2))[:-2]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bind", default="127.0.0.1:7005")
    parser.add_argument("--backplane", required=True)
    options = parser.parse_args()
    asyncio.run(Node(options.backplane).serve(options.bind))
