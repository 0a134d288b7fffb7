"""One stop that comes as two SIGTERMs within a millisecond, under load: no request is lost.

`timeout` of coreutils sends one to its child and one to the group, which the workers belong to.
"""

import contextlib
import os
import random
import signal
import time

import common
import drain

GAP_SECONDS = 0.001


def twice(server):
    """Two signals to the process, a random time apart."""
    drain.terminate(server)
    gap = random.random() * GAP_SECONDS
    end = time.monotonic() + gap
    while time.monotonic() < end:
        pass
    # The server may have ended.
    with contextlib.suppress(ProcessLookupError):
        drain.terminate(server)


def to_all(server):
    """One signal to the process, and one to its group."""
    pids = server.pids()
    drain.terminate(server)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def run(options):
    for mode in common.MODES:
        for keep in (True, False):
            drain.stops("twice", mode, keep, options.stops, twice)
    drain.stops("group", "processes", True, options.stops, to_all)
    drain.stops("group", "processes", False, options.stops, to_all)


if __name__ == "__main__":
    common.main(__doc__, run)
