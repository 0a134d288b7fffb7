"""Runs tests of a built test program until one of them fails, and ends those that hang. Knows libtest's
lines, not mutants."""

import contextlib
import os
import queue
import re
import resource
import signal
import subprocess
import threading
import time
from dataclasses import dataclass

# The limit of address space, so that a mutant that grows without bound ends and the machine does not.
MEMORY_BYTES = 16 << 30
# A test that fails is repeated alone this many times, to exclude load of the machine as the cause.
CONFIRMATIONS = 3
DONE = re.compile(r"test (\S+)(?: - should panic)? \.\.\. (ok|ignored|FAILED)")
SLOW = re.compile(r"test (\S+) has been running for over")


@dataclass
class Outcome:
    """The outcome of a run: `passed`, `failed`, `hung` or `crashed`, and the test that decided it."""
    how: str
    test: str = ""


def names(program, folder, skipped):
    """The tests of a program, without those of skipped modules."""
    command = [program, "--list", "--format", "terse"]
    told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    found = [line.removesuffix(": test") for line in told.splitlines() if line.endswith(": test")]
    return [name for name in found if name.split("::")[0] not in skipped]


class Trial:
    def __init__(self, program, folder, threads, log):
        self.program, self.folder, self.threads, self.log = program, folder, threads, log
        self.environment = {**os.environ, "RUST_BACKTRACE": "0"}

    def times(self, tests, limit):
        """Runs tests one by one. Returns the duration of each, and the failed ones."""
        times, failed, left = {}, [], list(tests)
        while left:
            outcome = self.run(left, limit, threads=1, times=times)
            if outcome.how == "passed":
                break
            if outcome.how == "crashed" or not outcome.test:
                raise RuntimeError(f"the tests do not complete without a mutant: {outcome}")
            failed.append(outcome.test)
            left = [name for name in left if name not in times and name != outcome.test]
        return times, failed

    def run(self, tests, limit, environment=(), threads=None, times=None):
        """Runs tests until the first fails. No test may take longer than `limit`."""
        times = {} if times is None else times
        command = [self.program, "--exact", *tests, "--test-threads", str(threads or self.threads)]
        ended = time.monotonic()
        slow, failed, how = [], "", None
        with self.start(command, environment) as (process, lines):
            while how is None:
                try:
                    line = lines.get(timeout=max(0, limit - (time.monotonic() - ended)))
                except queue.Empty:
                    how = "hung"
                    break
                if line is None:
                    break
                if found := SLOW.match(line):
                    slow.append(found[1])
                elif found := DONE.match(line):
                    now = time.monotonic()
                    times[found[1]], ended = now - ended, now
                    if found[2] == "FAILED":
                        how, failed = "failed", found[1]
        code = process.returncode
        if how == "hung":
            failed = next((name for name in slow if name not in times), "")
        elif how is None and code:
            how, failed = "crashed", f"code {code}"
        return Outcome(how or "passed", failed)

    @contextlib.contextmanager
    def start(self, command, environment):
        limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        with open(self.log, "w") as log:
            process = subprocess.Popen(
                command, cwd=self.folder, stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1,
                stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=limit,
                env={**self.environment, **dict(environment)})
            lines = queue.Queue()
            reader = threading.Thread(target=read, args=(process.stdout, lines), daemon=True)
            reader.start()
            try:
                yield process, lines
            finally:
                end(process, reader)

    def is_caught(self, test, limit, environment):
        """Returns True if a failed test fails again alone, and passes without the mutant."""
        again = (self.run([test], limit, environment) for _ in range(CONFIRMATIONS))
        return any(outcome.how != "passed" for outcome in again) and (
            not environment or self.run([test], limit).how == "passed")


def read(stream, lines):
    for line in stream:
        lines.put(line)
    lines.put(None)


def end(process, reader):
    """Kills a program and its descendants. One that has closed its output ends by itself."""
    if not reader.is_alive():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    reader.join(10)
