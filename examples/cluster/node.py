"""A node: a chat server, and its health as the node tells it. Knows no engine and no balancer."""

import dataclasses
import http.client
import re
import time

from programs import LOCAL, Program

ANSWER_SECONDS = 0.3
# A connection for this page, and one to the engine.
OWN_CONNECTIONS = 2
PREFIX = "socketserver_"
STARTING = "starting"


@dataclasses.dataclass
class Health:
    """What a node tells. Numbers are None if it does not answer."""
    state: str
    # Why it is not ready.
    why: str = ""
    is_ready: bool = False
    clients: int = None
    probe_age: float = None
    unaccepted: int = None
    marks: int = None


class Node(Program):
    """`reactor_chat` with a backplane, and a listener for health checks on `health_port`."""

    def __init__(self, name, folder, port, health_port, path, url):
        super().__init__(name, folder, port)
        self.health_port, self.path, self.url = health_port, path, url

    @property
    def label(self):
        return f"node {self.name}"

    def command(self):
        return [self.path, "--bind", f"{LOCAL}:{self.port}", "--backplane", self.url,
                "--node", self.name, "--health", f"{LOCAL}:{self.health_port}"]

    def get(self, path):
        """Returns the status and the text of a page for health checks."""
        client = http.client.HTTPConnection(LOCAL, self.health_port, timeout=ANSWER_SECONDS)
        try:
            client.request("GET", path)
            answer = client.getresponse()
            return answer.status, answer.read().decode(errors="replace").strip()
        finally:
            client.close()

    def answers(self):
        try:
            return self.get("/livez")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def look(self):
        if not self.is_running():
            left = max(0, self.starts_at - time.monotonic()) if self.starts_at else 0
            return Health(f"dead, starts in {left:.0f} s")
        try:
            status, why = self.get("/readyz")
            numbers = read_numbers(self.get("/metrics")[1])
        except (OSError, http.client.HTTPException) as error:
            return Health("no answer", str(error)) if self.has_answered else Health(STARTING)
        self.has_answered = True
        clients = numbers.get("connections")
        return Health(
            state="ready" if status == 200 else "not ready",
            why="" if status == 200 else why,
            is_ready=status == 200,
            clients=None if clients is None else max(0, int(clients) - OWN_CONNECTIONS),
            probe_age=numbers.get("backplane_age_seconds"),
            unaccepted=numbers.get("backplane_unaccepted"),
            marks=numbers.get("backplane_marks_total"))


def read_numbers(page):
    """Returns the numbers of a page for Prometheus that have no labels, by their names."""
    lines = re.findall(rf"^{PREFIX}(\w+) (\S+)$", page, re.MULTILINE)
    return {name: float(number) for name, number in lines}
