"""The balancer before the nodes. Knows no chat: lines, pages and WebSockets are bytes to it."""

import os
import socket

from programs import LOCAL, Program, find

ADVICE = "install HAProxy 2.4 or later, on Debian by: apt-get install haproxy"

# A newcomer goes to a node that is ready. If none is, because the engine is away, then to one that
# lives: its rooms still take guests. Connections of members last: their ends are seen by the probes of
# the system, not by silence.
CONFIG = """\
global
    maxconn 1500

defaults
    mode tcp
    balance leastconn
    timeout connect 2s
    timeout client 24h
    timeout server 24h
    timeout client-fin 30s
    timeout server-fin 30s
    option clitcpka
    option srvtcpka
    option redispatch
    retries 3
    default-server check inter 1s fastinter 200ms fall 1 rise 1

frontend chat
    bind {listen}
    acl some_are_ready nbsrv(ready) ge 1
    use_backend ready if some_are_ready
    default_backend alive

backend ready
    option httpchk GET /readyz
{servers}

backend alive
    option httpchk GET /livez
{servers}
"""


def program():
    return find(["haproxy"], ADVICE)


class Balancer(Program):
    """HAProxy. The free nginx asks no node whether it is ready, and has lines in a module of its own."""

    def __init__(self, folder, port, nodes):
        super().__init__("haproxy", folder, port)
        self.path = program()
        self.file = os.path.join(folder, "haproxy.cfg")
        servers = [f"    server {node.name} {LOCAL}:{node.port} port {node.health_port}"
                   for node in nodes]
        with open(self.file, "w") as file:
            file.write(CONFIG.format(listen=f"{LOCAL}:{port}", servers="\n".join(servers)))

    def command(self):
        # One process, which is not in the background.
        return [self.path, "-db", "-f", self.file]

    def answers(self):
        try:
            socket.create_connection((LOCAL, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def look(self):
        return "runs" if self.is_running() else "ended, starts again"
