"""Server-sent events at `curl -N`: the time from a publish until the event is there."""

import http.client
import statistics
import subprocess
import time

import peers
from peers import common

EVENTS = 100
DELAY_MS = 50
MODES = ["multiplex", "threads", "reactors"]


def publish(connection, text):
    connection.request("POST", "/publish", text)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200, f"publish: {answer.status}"


def delays_ms(server):
    """Publishes one event after another, and waits for each at the output of curl."""
    command = ["curl", "-sS", "-N", f"http://{server.bound}/events"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as curl:
        connection = http.client.HTTPConnection(server.bound, timeout=common.PATIENCE)
        found = []
        try:
            # The answer begins before the first event.
            curl.stdout.readline()
            for number in range(EVENTS):
                text = f"event {number}"
                began = time.monotonic()
                publish(connection, text)
                wanted = f"data: {text}\n".encode()
                while (line := curl.stdout.readline()) != wanted:
                    assert line, "curl has ended"
                found.append(1000 * (time.monotonic() - began))
        finally:
            curl.kill()
            connection.close()
    return found


def run(_):
    if not common.has("curl"):
        return common.skip("events", "curl")
    for mode in MODES:
        with common.Server("sse", "--log", "off", mode=mode) as server:
            found = delays_ms(server)
        median = statistics.median(found)
        peers.row(f"an event at curl -N, {mode}", f"{median:.2f} ms", f"{max(found):.1f} at most", "",
                  f"at most {DELAY_MS} ms", median <= DELAY_MS)


if __name__ == "__main__":
    peers.main(__doc__, run)
