"""Output that nobody reads: the server goes on serving, counts the lines that it drops, and stops."""

import os
import re
import threading
import time

import common

# More lines than a pipe (64 KiB) and the queue of a stream (256 KiB) take.
REQUESTS = 30_000
PIPELINED = 100
CONNECTIONS = 4
PANICS = 400
PANIC_TEXT = 2_000
SLOWEST_SECONDS = 1
# The end waits a second for each stream that takes nothing.
END_SECONDS = 3
# A line about dropped ones, and the line of a request.
FORMS = {
    "common": (rb"# (\d+) lines were dropped", rb'.* "GET /plaintext HTTP/1\.1" 200 .*'),
    "json": (rb'\{"dropped":(\d+)\}', rb'\{.*"path":"/plaintext","status":200.*\}'),
}
STDERR = rb".* (\d+) lines of this log were dropped.*"


class Reader(threading.Thread):
    """Reads a pipe to its end."""

    def __init__(self, pipe):
        super().__init__(daemon=True)
        self.pipe, self.said = pipe, b""
        self.start()

    def run(self):
        self.said = self.pipe.read()

    def lines(self, pattern):
        self.join(common.PATIENCE)
        return [found for line in self.said.splitlines() if (found := re.fullmatch(pattern, line))]


def requests(server):
    """Sends the requests. Returns the number of answers and the seconds of the slowest batch."""
    served, slowest = 0, 0.0
    for _ in range(CONNECTIONS):
        with server.connect() as client:
            for _ in range(REQUESTS // CONNECTIONS // PIPELINED):
                began = time.monotonic()
                client.sendall(common.request() * PIPELINED)
                answers = list(common.read_answers(client, PIPELINED))
                slowest = max(slowest, time.monotonic() - began)
                served += sum(status == 200 for status, *_ in answers)
    return served, slowest


def panics(server):
    """Has handlers panic with a long text. Returns the number of answers, and the slowest."""
    told, slowest = 0, 0.0
    for _ in range(PANICS):
        began = time.monotonic()
        with server.connect() as client:
            client.sendall(common.request("/panic?say=" + "x" * PANIC_TEXT))
            told += common.read_answer(client)[0] == 500
        slowest = max(slowest, time.monotonic() - began)
    return told, slowest


def row_served(name, served, count, slowest):
    common.row(name, f"{served} of {count} served, slowest {slowest:.2f} s",
               f"all, < {SLOWEST_SECONDS} s", served == count and slowest < SLOWEST_SECONDS)


def row_end(name, server):
    """Stops the server while nobody reads."""
    began = time.monotonic()
    code = server.stop()
    seconds = time.monotonic() - began
    common.row(name + ", end", f"{seconds:.2f} s, code {code}", f"< {END_SECONDS} s, code 0",
               seconds < END_SECONDS and code == 0)


def stdout(mode, form):
    name = f"unread stdout {mode}, {form}"
    dropped, line = FORMS[form]
    # Once it is read again, each request has its line or is counted.
    with common.Server("reactor_web", "--request-log", form, mode=mode) as server:
        served, slowest = requests(server)
        row_served(name, served, REQUESTS, slowest)
        said = Reader(server.process.stdout)
        server.stop()
        lines = len(said.lines(line))
        lost = sum(int(found[1]) for found in said.lines(dropped))
    common.row(name + ", read again", f"{lines} lines and {lost} dropped of {REQUESTS}",
               "all, some dropped", lines + lost == REQUESTS and lost > 0)
    with common.Server("reactor_web", "--request-log", form, mode=mode) as server:
        requests(server)
        row_end(name, server)


def stderr(mode):
    name = f"unread stderr {mode}"
    arguments = ("reactor_web", "--faults", "--log", "debug")
    for is_read in (True, False):
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb") as pipe, os.fdopen(writer, "wb") as log:
            with common.Server(*arguments, mode=mode, log=log) as server:
                log.close()
                told, slowest = panics(server)
                if not is_read:
                    row_end(name, server)
                    continue
                row_served(name, told, PANICS, slowest)
                said = Reader(pipe)
                server.stop()
                lost = sum(int(found[1]) for found in said.lines(STDERR))
        common.row(name + ", read again", f"{lost} dropped", "some", lost > 0)


def run(_):
    for mode in common.MODES:
        for form in FORMS:
            stdout(mode, form)
        stderr(mode)


if __name__ == "__main__":
    common.main(__doc__, run)
