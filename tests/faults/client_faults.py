"""Clients that are killed, come in crowds, or talk nonsense."""
import socket
import subprocess
import time

from fault import Fault, NotInjected
from lab import Failure, Hosts, is_gone


class Clients(Fault):
    """Servers hold no more descriptors afterwards than before."""
    group = "client"

    def count_descriptors(self, lab):
        self.before = {pid: lab.descriptors(pid) for pid in lab.servers().values()}

    def after(self, lab):
        for pid, count in self.before.items():
            # Connections of readers and files that are being brought in come and go.
            lab.wait(f"server {pid} has about as many descriptors as before ({count})",
                     lambda: is_gone(pid) or lab.descriptors(pid) < count + 20, 60)


class ClientsKilled(Clients):
    """Readers that come, and are killed wherever they are."""

    def draw(self, lab):
        self.pauses = [self.rng.uniform(0, 0.4) for _ in range(8)]
        self.what = "8 clients killed in the middle"

    def inject(self, lab):
        self.count_descriptors(lab)
        struck = 0
        for index, pause in enumerate(self.pauses):
            node = lab.live_nodes()[index % len(lab.live_nodes())]
            client = subprocess.Popen(lab.reader_command(node, "killed", pause=0), env=lab.environment,
                                      stdin=subprocess.DEVNULL)
            time.sleep(pause)
            struck += client.poll() is None
            client.kill()
            client.wait()
        if struck == 0:
            raise NotInjected("no client was alive when it was killed")


class ManyClients(Clients):
    """200 short processes at once."""

    def draw(self, lab):
        self.what = "200 short processes at once"

    def inject(self, lab):
        self.count_descriptors(lab)
        looks_before = self.looks(lab)
        clients = [subprocess.Popen(lab.reader_command(lab.live_nodes()[index % len(lab.live_nodes())], f"short{index}",
                                                       looks=5, pause=0), env=lab.environment, stdin=subprocess.DEVNULL)
                   for index in range(200)]
        lab.wait("all 200 end", lambda: all(client.poll() is not None for client in clients), 180)
        codes = sorted({client.returncode for client in clients})
        if codes != [0]:
            raise Failure(f"short processes ended with {codes}")
        if self.looks(lab) - looks_before != 1000:
            raise NotInjected("not every process looked")

    @staticmethod
    def looks(lab):
        """Of all such rounds of this run: records are added to."""
        return sum(lab.record_named(f"short{index}").looks for index in range(200))


class SocketFlood(Clients):
    """Connections that say nothing, garbage, halves of messages, and descriptors."""

    def draw(self, lab):
        self.node = self.rng.randrange(len(lab.nodes))
        self.garbage = [self.rng.randbytes(self.rng.choice((1, 15, 16, 40, 1000, 60000))) for _ in range(40)]
        self.what = f"a flood of connections, garbage and descriptors at the socket of node {self.node}"

    def inject(self, lab):
        self.count_descriptors(lab)
        place = lab.session_of(self.node)
        if isinstance(lab, Hosts):
            place = f"/proc/{lab.holder(self.node)}/root{place}"
        lab.wait("a server listens", lambda: self.listens(f"{place}/socket"), 60)  # they may be starting again
        connections = []
        sent = 0
        for index, garbage in enumerate(self.garbage * 5):
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            connection.settimeout(0.2)
            connections.append(connection)
            try:
                connection.connect(f"{place}/socket")
                if index % 4 == 1:
                    # magic, version, kind, body bytes that do not come
                    garbage = b"FBBY\x02\x00\x01\x00\xff\xff\x00\x00" + garbage
                if index % 4 == 2:
                    socket.send_fds(connection, [garbage], [connection.fileno()] * 50)
                elif index % 4 != 3:
                    connection.send(garbage)
                sent += 1
            except OSError:
                pass  # Turned away, which is a good answer.
        lab.look_everywhere(looks=20)
        for connection in connections:
            connection.close()
        if sent == 0:
            raise NotInjected("no connection was taken")

    @staticmethod
    def listens(path):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            return connection.connect_ex(path) == 0
