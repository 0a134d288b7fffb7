"""Processes that end with this one, and start again on the same port. Must not know a cluster."""

import contextlib
import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time

LOCAL = "127.0.0.1"
# Longer than any program here takes to start on a busy machine.
PATIENCE_SECONDS = 20
# The time that a program gets to end in good order.
GRACE_SECONDS = 2
# Linux: a signal for this process when its parent ends (prctl(2)).
PR_SET_PDEATHSIG = 1
# The programs of Debian are not in the path of every user.
SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


class Failure(Exception):
    """The demonstration cannot go on. Its text is one line."""


def find(programs, advice):
    """Returns the path of the first of these programs that is installed."""
    for name in programs:
        if path := shutil.which(name, path=SEARCHED):
            return path
    raise Failure(f"there is no {' or '.join(programs)}: {advice}")


def is_free(port):
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((LOCAL, port))
        except OSError:
            return False
    return True


def lasting_port():
    """Returns a free port that no client gets by chance while its server is down (ip(7))."""
    while True:
        port = random.randrange(20_000, 30_000)
        if is_free(port):
            return port


def _die_with_parent():
    if sys.platform == "linux":
        return lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    return None


# Loaded before a process is forked.
LIBC = ctypes.CDLL(None)


class Program:
    """A process and its log, perhaps one that is dead and starts again later."""

    def __init__(self, name, folder, port):
        self.name, self.folder, self.port = name, folder, port
        self.log = os.path.join(folder, f"{name}.log")
        self.process = None
        # When it starts again, or when it goes on, by the monotonic clock.
        self.starts_at, self.goes_on_at = None, None
        # It has answered since it was started.
        self.has_answered = False

    def command(self):
        raise NotImplementedError

    def answers(self):
        raise NotImplementedError

    @property
    def label(self):
        return self.name

    @property
    def pid(self):
        return self.process.pid if self.is_running() else None

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def is_stopped(self):
        return self.is_running() and self.goes_on_at is not None

    def start(self):
        self.starts_at, self.goes_on_at, self.has_answered = None, None, False
        with open(self.log, "ab") as log:
            # A session of its own: Ctrl-C in the terminal is for this process.
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.folder, start_new_session=True, preexec_fn=_die_with_parent())

    def start_and_wait(self):
        """Starts it, and returns when it answers."""
        self.start()
        end = time.monotonic() + PATIENCE_SECONDS
        while not self.answers():
            if not self.is_running() or time.monotonic() > end:
                raise Failure(f"{self.label} does not start: {self.last_words()}")
            time.sleep(0.02)

    def kill(self, pause):
        """Kills it. It starts again after `pause` seconds, see `tick`."""
        self.process.kill()
        self.process.wait()
        self.starts_at, self.goes_on_at = time.monotonic() + pause, None

    def stop_for(self, seconds):
        """Keeps it from running for a while: its connections stay open, and nothing answers."""
        self.process.send_signal(signal.SIGSTOP)
        self.goes_on_at = time.monotonic() + seconds

    def tick(self, pause):
        """Does what is due. Returns what has happened, or None."""
        now = time.monotonic()
        if self.goes_on_at is not None and now >= self.goes_on_at:
            self.goes_on_at = None
            self.process.send_signal(signal.SIGCONT)
            return "goes on"
        if self.starts_at is not None and now >= self.starts_at:
            self.start()
            return f"started again, pid {self.pid}"
        if self.starts_at is None and not self.is_running():
            self.starts_at = now + pause
            return f"ended by itself ({self.ending()}): {self.last_words()}"
        return None

    def ending(self):
        code = self.process.returncode
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def close(self, ends_at):
        """Ends it for good: in good order if that takes no longer than until `ends_at`."""
        if self.process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0, ends_at - time.monotonic()))
        if self.is_running():
            self.process.kill()
            self.process.wait()

    def last_words(self):
        with contextlib.suppress(OSError), open(self.log, errors="replace") as log:
            lines = [line.strip() for line in log if line.strip()]
            if lines:
                return lines[-1]
        return "it has written nothing"


def close_all(programs):
    """Ends all of them, and waits for it, whatever signals come meanwhile."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for one in programs:
        if one.is_running():
            one.process.send_signal(signal.SIGTERM)
            # A stopped process would not notice.
            one.process.send_signal(signal.SIGCONT)
    ends_at = time.monotonic() + GRACE_SECONDS
    for one in programs:
        one.close(ends_at)
