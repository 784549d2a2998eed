"""Faults of servers, of the launcher, and of hosts."""
import os
import signal
import subprocess
import time

from fault import Fault, NotInjected
from lab import is_gone, send, state_of


class Servers(Fault):
    group = "server"
    restarts = True
    signals = (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGSTOP)

    def draw(self, lab):
        self.rank = self.rng.randrange(len(lab.nodes))
        self.signal = self.rng.choice(self.signals)
        self.what = f"{self.signal.name} of server {self.rank}"

    def strike(self, lab, rank, number):
        # None while they are being started again: the first that comes.
        servers = {}

        def appear():
            servers.update(lab.servers())
            return servers or lab.passed_through()
        lab.wait("a server is there", appear, 60)
        if not servers:
            raise NotInjected("no server is there")
        pid = servers.get(rank, servers[sorted(servers)[rank % len(servers)]])
        send(pid, number)
        if number == signal.SIGSTOP:
            lab.wait(f"server {rank} is stopped", lambda: state_of(pid) == "T" or is_gone(pid), 20)
        else:
            self.expect_gone(lab, pid)
        return pid

    def inject(self, lab):
        self.strike(lab, self.rank, self.signal)


class ServerPauses(Servers):
    """Stopped, and goes on: sooner or later than anybody loses patience."""

    def draw(self, lab):
        self.rank = self.rng.randrange(len(lab.nodes))
        self.seconds = self.rng.choice((0.3, 1.5, 3, 4.9, 7))
        self.what = f"server {self.rank} stopped for {self.seconds} s"
        self.restarts = False

    def inject(self, lab):
        stopped = {pid for pid in lab.servers().values() if state_of(pid) == "T"}
        pid = self.strike(lab, self.rank, signal.SIGSTOP)
        until = time.monotonic() + self.seconds
        lab.wait("the pause", lambda: time.monotonic() >= until, self.seconds + 60)
        if pid not in stopped:  # by another fault of the round, for good
            send(pid, signal.SIGCONT)


class SeveralServers(Servers):
    """One after the other, also while they are being started again."""

    def draw(self, lab):
        self.blows = [(self.rng.randrange(len(lab.nodes)), self.rng.choice(self.signals), self.rng.choice((0, 0.2, 1, 2.5)))
                      for _ in range(self.rng.randrange(2, 4))]
        self.what = ", then ".join(f"{number.name} of server {rank}" + (f" and {pause} s" if pause else "")
                                   for rank, number, pause in self.blows)

    def inject(self, lab):
        struck = 0
        for rank, number, pause in self.blows:
            try:
                self.strike(lab, rank, number)
                struck += 1
            except NotInjected:
                pass  # all were down at that moment
            until = time.monotonic() + pause
            lab.wait("the pause", lambda: time.monotonic() >= until, pause + 60)
        if struck == 0:
            raise NotInjected("no server was there")


class ServerInTransfer(Servers):
    """While all nodes bring again what was just evicted."""
    stages_again = True

    def draw(self, lab):
        super().draw(lab)
        self.pause = self.rng.choice((0, 0.05, 0.2))
        self.what += f", {self.pause} s after all was evicted"

    def inject(self, lab):
        # Another fault of the round may just have ended the servers.
        lab.wait("all is evicted", lambda: lab.passed_through() or lab.verb(0, "evict", lab.truth.origin)[0] == 0, 60)
        time.sleep(self.pause)
        super().inject(lab)


class ServerEarly(Servers):
    """In a new run, while servers find each other, scan and stage."""
    alone = True
    may_pass_through = True

    def draw(self, lab):
        super().draw(lab)
        self.pause = self.rng.uniform(0, 2.5)
        self.what += f", {self.pause:.2f} s after servers of a new run appeared"

    def inject(self, lab):
        lab.end()
        lab.start(cold=True, early=lambda: self.early(lab))

    def early(self, lab):
        lab.wait("servers appear", lambda: len(lab.servers()) > 0, 60)
        time.sleep(self.pause)
        self.strike(lab, self.rank, self.signal)


class ServerAtEnd(Servers):
    """While servers are asked to stop."""
    alone = True
    ends_run = True

    def draw(self, lab):
        super().draw(lab)
        self.pause = self.rng.choice((0, 0.02, 0.1))
        self.what += f", {self.pause} s after the command ended"

    def inject(self, lab):
        lab.stop_readers()
        before = lab.servers()
        lab.let_command_end()
        time.sleep(self.pause)
        if not before:
            raise NotInjected("no server is there")
        pid = before[sorted(before)[self.rank % len(before)]]
        send(pid, self.signal)  # It may have ended by itself just now.
        lab.end()


class LauncherKilled(Fault):
    group = "launcher"
    restarts = True

    def draw(self, lab):
        self.what = "SIGKILL of mpirun"

    def inject(self, lab):
        lab.wait("mpirun is there", lambda: lab.launcher() is not None or lab.passed_through(), 60)
        pid = lab.launcher()
        if pid is None:
            raise NotInjected("no mpirun is there")
        send(pid, signal.SIGKILL)
        self.expect_gone(lab, pid)


class RunKilled(Fault):
    """Readers go on, for nobody told them."""
    group = "launcher"
    alone = True
    ends_run = True

    def draw(self, lab):
        self.what = "SIGKILL of run"

    def inject(self, lab):
        send(lab.run_pid(), signal.SIGKILL)
        lab.run.wait()
        lab.look_everywhere()
        lab.end(expect_code=-signal.SIGKILL)


# Hosts


class HostDies(Fault):
    group = "host"
    alone = True
    restarts = True
    ways = ("killed", "frozen", "unplugged")

    def draw(self, lab):
        self.node = self.rng.randrange(1, len(lab.nodes))  # Not the host of run and its command.
        self.way = self.rng.choice(self.ways)
        self.what = f"host {self.node} {self.way}"

    def inject(self, lab):
        before = frozenset(lab.servers().values())
        self.strike(lab)
        self.recovery_s = round(lab.wait("those left serve", lambda: lab.is_healthy(before), 120), 2)

    def strike(self, lab):
        lab.dead_nodes.add(self.node)
        reader = lab.readers.pop(self.node)
        self.struck = lab.network_processes(self.node)
        if not self.struck:
            raise NotInjected("nothing runs on the host")
        if self.way != "killed":
            with open(self.silence(lab), "w"):
                pass
        if self.way == "unplugged":
            subprocess.run(["ip", "link", "set", f"fbve{self.node}", "down"], check=True)
            self.reader = reader  # It goes on, cut off from the others.
            return
        number = signal.SIGKILL if self.way == "killed" else signal.SIGSTOP
        for pid in self.struck:
            send(pid, number)
        for pid in self.struck:
            lab.wait(f"process {pid} is struck", lambda: is_gone(pid) or state_of(pid) == "T", 20)
        self.reader = reader

    def silence(self, lab):
        """The file for which no shell reaches the host."""
        return os.path.join(lab.lab_place, "hosts", f"fb{self.node}.silent")

    def undo(self, lab):
        if self.way != "killed":
            os.unlink(self.silence(lab))
        if self.way == "unplugged":
            subprocess.run(["ip", "link", "set", f"fbve{self.node}", "up"], check=True)
        for pid in lab.network_processes(self.node):
            send(pid, signal.SIGCONT)
        if self.way == "killed":
            self.reader.wait()
        else:
            looks = lab.record(self.node).looks
            lab.wait("the lost host's reader goes on", lambda: lab.record(self.node).looks > looks, 60)
            lab.readers[self.node] = self.reader

    def after(self, lab):
        """A host that is back is taken in at the next restart."""
        lab.look_everywhere()
        before = frozenset(lab.servers().values())
        lab.dead_nodes.discard(self.node)
        pid = lab.servers()[0]
        send(pid, signal.SIGKILL)
        self.expect_gone(lab, pid)
        lab.wait("all hosts serve", lambda: lab.is_healthy(before), 120)
        if self.way == "killed":
            lab.start_reader(self.node)
