"""A path between a node and the engine that can be cut. Takes the port of the engine, says its own,
and then does what the lines of its input say. Knows no protocol.

  cut      ends all connections
  refuse   ends all connections, and each new one at once; `go` takes them again
  stall    passes nothing on; `go` does
  deaf     passes nothing on to the node; `go` does
  late     keeps what the connections of now send, and takes others as usual;
           `release` delivers that, if the node has ended them or not
"""

import contextlib
import os
import selectors
import socket
import struct
import sys

# Small, so that a stalled path fills soon.
BUFFER = 64 * 1024
RESET = struct.pack("ii", 1, 0)


class Pair:
    """A connection of a node, and the one to the engine."""

    def __init__(self, path, node):
        self.path, self.node = path, node
        self.engine = socket.socket()
        self.engine.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        # What the engine gets when it is late; None if it is not.
        self.kept = None
        self.ends = {self.node: self.engine, self.engine: self.node}
        try:
            self.engine.connect(("127.0.0.1", path.port))
        except OSError:
            return self.close()
        for end in self.ends:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            path.wait_for(end, self)
        path.pairs.add(self)

    def read(self, end):
        try:
            data = end.recv(BUFFER)
        except OSError:
            data = b""
        if self.kept is not None:
            if end is self.node:
                self.kept += data
            if not data:
                self.path.forget(end)
            return
        try:
            # A peer that does not read blocks all. None here does that for long.
            self.ends[end].sendall(data)
        except OSError:
            data = b""
        if not data:
            self.close()

    def release(self):
        with contextlib.suppress(OSError):
            self.engine.setblocking(True)
            self.engine.sendall(self.kept)
            self.engine.shutdown(socket.SHUT_WR)
            # Closing with unread input would be a reset, which may take back what was sent.
            self.engine.settimeout(1)
            while self.engine.recv(BUFFER):
                pass
        self.close()

    def reset(self):
        for end in self.ends:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.close()

    def close(self):
        for end in self.ends:
            self.path.forget(end)
            end.close()
        self.path.pairs.discard(self)


class Path:
    def __init__(self, port):
        self.port = port
        self.selector = selectors.DefaultSelector()
        self.pairs = set()
        self.refuses = False
        self.held = ()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)
        self.selector.register(sys.stdin, selectors.EVENT_READ, self.command)

    def wait_for(self, end, pair):
        self.selector.register(end, selectors.EVENT_READ, lambda: pair.read(end))

    def forget(self, end):
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(end)

    def accept(self):
        node, _ = self.listener.accept()
        if self.refuses:
            return node.close()
        Pair(self, node)

    def command(self):
        # Not through the buffer of the file: the selector does not see what waits there.
        words = os.read(sys.stdin.fileno(), 4096).decode().split()
        if not words:
            sys.exit()
        for word in words:
            getattr(self, word)()
            print("done", flush=True)

    def cut(self):
        for pair in list(self.pairs):
            pair.reset()

    def refuse(self):
        self.cut()
        self.refuses = True

    def stall(self):
        self.hold([end for pair in self.pairs for end in pair.ends])
        self.selector.unregister(self.listener)

    def deaf(self):
        self.hold([pair.engine for pair in self.pairs])

    def hold(self, ends):
        self.held = [(end, self.selector.get_key(end).data) for end in ends]
        for end in ends:
            self.selector.unregister(end)

    def go(self):
        self.refuses = False
        for end, read in self.held:
            # Not one that was closed meanwhile.
            if end.fileno() >= 0:
                self.selector.register(end, selectors.EVENT_READ, read)
        self.held = ()
        if self.listener not in self.selector.get_map():
            self.selector.register(self.listener, selectors.EVENT_READ, self.accept)

    def late(self):
        for pair in self.pairs:
            pair.kept = pair.kept or b""

    def release(self):
        for pair in [pair for pair in self.pairs if pair.kept is not None]:
            pair.release()

    def run(self):
        print(self.listener.getsockname()[1], flush=True)
        while True:
            for key, _ in self.selector.select():
                # Not one that was closed in this round.
                if key.fileobj.fileno() >= 0 and key.fileobj in self.selector.get_map():
                    key.data()


if __name__ == "__main__":
    Path(int(sys.argv[1])).run()
