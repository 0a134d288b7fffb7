"""SIGTERM at a random moment of the first 10 ms of a server: it is never ignored.

Also: a supervisor that cannot start a worker says so, goes on trying, and ends after half a minute.
"""

import collections
import contextlib
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time

import common

FIRST_SECONDS = 0.01
SIDE_BY_SIDE = 16
GIVES_UP_SECONDS = (30, 45)


def start_and_terminate(mode):
    """Returns the outcome of one start: drained, killed, or a fault."""
    command = [common.program("reactor_web"), "--bind", "127.0.0.1:0", "--mode", mode,
               "--workers", str(common.WORKERS)]
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet,
                              start_new_session=True)
    time.sleep(random.random() * FIRST_SECONDS)
    server.send_signal(signal.SIGTERM)
    try:
        code = server.wait(common.PATIENCE)
        outcome = {0: "drained", -signal.SIGTERM: "killed"}.get(code, f"code {code}")
    except subprocess.TimeoutExpired:
        outcome = "ignored"
    if not common.until(lambda: not is_group(server.pid)):
        outcome = "worker left"
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()
    return outcome


def is_group(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def starts(mode, count):
    outcomes = common.side_by_side(count, lambda _: start_and_terminate(mode), SIDE_BY_SIDE)
    counts = collections.Counter(outcomes)
    figure = ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items()))
    common.row(f"starts {mode}", figure, "drained or killed", set(counts) <= {"drained", "killed"})


def without_workers():
    """The program file may no longer be run, and the workers die."""
    original = common.program("reactor_web")
    with tempfile.TemporaryDirectory(dir=os.path.dirname(original)) as folder:
        program = shutil.copy(original, folder)
        with common.Server(program, mode="processes") as server:
            os.chmod(program, 0)
            for worker in common.children(server.pid):
                os.kill(worker, signal.SIGKILL)
            began = time.monotonic()
            try:
                code = server.process.wait(2 * GIVES_UP_SECONDS[1])
            except subprocess.TimeoutExpired:
                code = None
            seconds = time.monotonic() - began
            told = server.logged()
    says_so = "cannot start a worker process" in told and "no worker process could" in told
    least, most = GIVES_UP_SECONDS
    common.row("no worker can be started", f"code {code} after {seconds:.1f} s, "
               f"{'logged' if says_so else 'NOT logged'}", f"code 1 after {least} to {most} s, logged",
               code == 1 and least <= seconds <= most and says_so)


def run(options):
    without_workers()
    for mode in common.MODES:
        starts(mode, options.starts)


if __name__ == "__main__":
    common.main(__doc__, run)
