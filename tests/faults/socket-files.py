"""Servers race for one Unix socket file: never two have it, and each that says so is reachable.

Four start at one file of a dead server; and one starts in the moment in which another stops.
"""

import collections
import os
import random
import signal
import socket
import subprocess
import tempfile
import threading
import time

import common

STARTERS = 4
SIDE_BY_SIDE = 8
# The stop and the start of the successor are at most this far apart.
APART_SECONDS = 0.02


class Starter:
    """A server at a path, which may be refused."""

    def __init__(self, path, mode):
        command = [common.program("reactor_web"), "--bind", f"unix:{path}", "--mode", mode,
                   "--workers", "2", "--log", "off"]
        self.path = path
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def listens(self):
        """Waits until it listens or ends."""
        return self.process.stdout.readline().startswith("listening on ")

    def refusal(self):
        """The fault of a server that did not listen, if it ended in another way than it should."""
        _, told = self.process.communicate(timeout=common.PATIENCE)
        if self.process.returncode == 1 and "address in use" in told.lower().replace("already ", ""):
            return None
        return f"refused: code {self.process.returncode}, {told.strip()}"

    def fault(self):
        """The fault of a server that listens."""
        try:
            with common.connect(self.path) as client:
                status, _, _ = common.exchange(client)
                return None if status == 200 else f"status {status}"
        except (common.Ended, OSError) as error:
            return f"unreachable: {error!r}"

    def stop(self):
        self.process.send_signal(signal.SIGTERM)

    def end(self):
        """Waits for the end, and returns its fault."""
        try:
            self.process.communicate(timeout=common.PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            return "did not end"
        return None if self.process.returncode == 0 else f"code {self.process.returncode}"


def race_for_stale(mode):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(path)
        starters = [Starter(path, mode) for _ in range(STARTERS)]
        listening = [starter for starter in starters if starter.listens()]
        faults = [starter.fault() for starter in listening]
        if len(listening) != 1:
            faults.append(f"{len(listening)} listen")
        # The others end by themselves, and leave the file alone.
        faults += [one.refusal() for one in starters if one not in listening]
        faults += [starter.fault() for starter in listening]
        for starter in listening:
            starter.stop()
        faults += [starter.end() for starter in listening]
        faults += [f"left: {name}" for name in os.listdir(folder)]
    return next(filter(None, faults), "one listens")


def race_with_stop(mode):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        old = Starter(path, mode)
        if not old.listens():
            return "the first does not listen"
        apart = random.uniform(-APART_SECONDS, APART_SECONDS)
        stop = threading.Timer(max(0, apart), old.stop)
        stop.start()
        time.sleep(max(0, -apart))
        new = Starter(path, mode)
        listens = new.listens()
        stop.join()
        # From now on an answer is of the successor.
        faults = [old.end()]
        if listens:
            faults.append(new.fault())
            new.stop()
            faults.append(new.end())
        else:
            faults.append(new.refusal())
        faults += [f"left: {name}" for name in os.listdir(folder)]
    return next(filter(None, faults), "taken over" if listens else "refused")


def races(name, race, rounds, good):
    modes = common.MODES
    outcomes = common.side_by_side(rounds, lambda n: race(modes[n % len(modes)]), SIDE_BY_SIDE)
    counts = collections.Counter(outcomes)
    figure = ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items()))
    common.row(name, figure, "only: " + " or ".join(sorted(good)), set(counts) <= good)


def run(options):
    races(f"{STARTERS} starters, stale file", race_for_stale, options.rounds, {"one listens"})
    races("successor while stopping", race_with_stop, options.rounds, {"taken over", "refused"})


if __name__ == "__main__":
    common.main(__doc__, run)
