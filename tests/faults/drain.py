"""SIGTERM under load, many times in every mode: no request is lost, and the server ends soon.

A request is lost if it was sent and its connection then ended without the complete answer. Except: a
keep-alive connection with an earlier answer may end without a byte of the next one if that request was
sent after the signal, because the server considered the connection idle (RFC 9112, section 9.5).
"""

import os
import signal
import threading
import time

import common

CLIENTS = 20
LOAD_SECONDS = 0.3
END_SECONDS = 3


class Tally:
    """The results of all clients during one stop."""

    def __init__(self):
        self.lock = threading.Lock()
        self.answered = 0
        self.idle = 0
        self.lost = []
        # The time of the signal; infinite until it is sent.
        self.signalled_at = float("inf")

    def add(self, answered, idle, lost):
        with self.lock:
            self.answered += answered
            self.idle += idle
            self.lost += lost


class Client:
    def __init__(self, server, tally, path, keep):
        self.server, self.tally = server, tally
        self.request = common.request(path, keep)
        self.answered, self.idle, self.lost = 0, 0, []

    def run(self):
        try:
            while True:
                try:
                    connection = self.server.connect()
                except OSError:
                    # The listener is closed, or was closing.
                    break
                with connection:
                    self.use(connection)
        except Exception as error:
            self.lost.append(f"unexpected: {error!r}")
        finally:
            self.tally.add(self.answered, self.idle, self.lost)

    def use(self, connection):
        earlier = 0
        keeps = True
        while keeps:
            # A request counts as sent once the system has taken all of it.
            sent_at = float("inf")
            try:
                connection.sendall(self.request)
                sent_at = time.monotonic()
                status, keeps, _ = common.read_answer(connection)
                if status != 200:
                    self.lost.append(f"request {earlier}: status {status}")
                    return
            except (common.Ended, OSError) as error:
                said = error.args[0] if isinstance(error, common.Ended) else b""
                after = sent_at > self.tally.signalled_at
                if earlier and after and not said:
                    self.idle += 1
                else:
                    late = sent_at - self.tally.signalled_at
                    self.lost.append(f"request {earlier} sent {late * 1e3:.2f} ms after: {said!r}")
                return
            earlier += 1
            self.answered += 1


def stop_under_load(mode, keep):
    """Performs one stop. Returns its tally, the exit code, and the seconds until the end."""
    tally = Tally()
    with common.Server("reactor_web", mode=mode) as server:
        # At any moment half of the requests wait for their answer.
        paths = ["/plaintext", "/slow?ms=20"]
        clients = [Client(server, tally, paths[n % 2], keep) for n in range(CLIENTS)]
        threads = [threading.Thread(target=client.run) for client in clients]
        for thread in threads:
            thread.start()
        time.sleep(LOAD_SECONDS)
        began = tally.signalled_at = time.monotonic()
        os.kill(server.pid, signal.SIGTERM)
        code = server.exit_code()
        seconds = time.monotonic() - began
        for thread in threads:
            thread.join()
    return tally, code, seconds


def run(options):
    for mode in common.MODES:
        for keep in (True, False):
            kind = "keep-alive" if keep else "close"
            answered, idle, lost, slowest, codes = 0, 0, [], 0.0, set()
            for _ in range(options.stops):
                tally, code, seconds = stop_under_load(mode, keep)
                answered, idle = answered + tally.answered, idle + tally.idle
                lost += tally.lost
                slowest = max(slowest, seconds)
                codes.add(code)
            common.note(f"{mode}, {kind}: {answered} answered, {idle} ended idle")
            for one in lost[:5]:
                common.note("lost: " + one)
            name = f"drain {mode}, {kind}"
            common.row(name, f"{len(lost)} of {answered} lost, {options.stops} stops", "0 lost",
                       not lost and answered > 0)
            common.row(name + ", end", f"{slowest:.2f} s, codes {sorted(codes, key=str)}",
                       f"< {END_SECONDS} s, code 0", slowest < END_SECONDS and codes == {0})


if __name__ == "__main__":
    common.main(__doc__, run)
