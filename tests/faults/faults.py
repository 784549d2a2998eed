"""The faults. Each draws what it will do from the round's numbers when it is made, does it, and shows that it was done."""
import errno
import os
import random
import shutil
import signal
import socket
import subprocess
import time

from lab import Failure, Hosts, is_gone, send, state_of


class NotInjected(Exception):
    """Nothing happened: the round shows nothing."""


class Fault:
    group = ""
    alone = False  # not together with others in a round
    ends_run = False
    restarts = False  # servers are started again
    may_pass_through = False  # so much is broken that run may go on without servers

    def __init__(self, rng, lab):
        self.rng = rng
        self.what = type(self).__name__
        self.draw(lab)

    def draw(self, lab):
        pass

    def inject(self, lab):
        raise NotImplementedError

    def undo(self, lab):
        """What has to be put right for the system to be healthy again."""

    def after(self, lab):
        """Checks once the system is healthy."""

    def expect_gone(self, lab, pid):
        try:
            lab.wait(f"process {pid} is gone", lambda: is_gone(pid), 20)
        except Failure as failure:
            raise NotInjected(str(failure)) from None


# Servers


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
        lab.wait("a server is there", lambda: lab.servers() or lab.passed_through(), 60)
        servers = lab.servers()
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
        pid = self.strike(lab, self.rank, signal.SIGSTOP)
        until = time.monotonic() + self.seconds
        lab.wait("the pause", lambda: time.monotonic() >= until, self.seconds + 60)
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
    """While nodes fetch from each other what was just evicted."""

    def draw(self, lab):
        super().draw(lab)
        self.pause = self.rng.choice((0, 0.05, 0.2))
        self.what += f", {self.pause} s after replicas were evicted"

    def inject(self, lab):
        code, said = lab.verb(0, "evict", lab.truth.origin)
        if code != 0:
            raise NotInjected(f"evict: {said}")
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
        lab.dead_nodes.add(self.node)
        reader = lab.readers.pop(self.node)
        self.struck = lab.network_processes(self.node)
        if not self.struck:
            raise NotInjected("nothing runs on the host")
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

    def undo(self, lab):
        if self.way == "unplugged":
            subprocess.run(["ip", "link", "set", f"fbve{self.node}", "up"], check=True)
        for pid in lab.network_processes(self.node):
            send(pid, signal.SIGCONT)
        lab.dead_nodes.discard(self.node)
        if self.way == "killed":
            self.reader.wait()
            lab.start_reader(self.node)
        else:
            lab.readers[self.node] = self.reader


# Buffers


class Buffer(Fault):
    group = "buffer"

    def draw(self, lab):
        self.node = self.rng.randrange(len(lab.nodes))
        self.pick = random.Random(self.rng.random())
        self.what = f"{self.words} in the buffer of node {self.node}"

    words = ""

    def whole_files(self, lab):
        """[(path, object)] of what can be told apart, in random order."""
        found = []
        for directory, _, names in os.walk(os.path.join(lab.buffer_of(self.node), "objects")):
            for name in names:
                path = os.path.join(directory, name)
                try:
                    with open(path, "rb") as file:
                        number = lab.truth.recognise(file.read(64))
                except OSError:
                    continue  # evicted just now
                if number is not None and not name.endswith(".part"):
                    found.append((path, number))
        found.sort()
        self.pick.shuffle(found)
        return found

    def damage(self, lab, count, change):
        """change(path) to `count` files; what readers hold open of them is no longer judged."""
        done = 0
        for path, number in self.whole_files(lab):
            row = lab.truth.rows[number]
            row.buffer_flux += 1
            try:
                done += bool(change(path))
            except FileNotFoundError:
                pass
            finally:
                row.buffer_flux += 1
            if done == count:
                return
        if done == 0:
            raise NotInjected("no file of the buffer could be damaged")


class BytesFlipped(Buffer):
    words = "bytes flipped in 5 files"

    def inject(self, lab):
        self.damage(lab, 5, self.flip)

    def flip(self, path):
        with open(path, "r+b") as file:
            size = os.fstat(file.fileno()).st_size
            offset = self.pick.randrange(size)
            file.seek(offset)
            before = file.read(1)
            file.seek(offset)
            file.write(bytes([before[0] ^ 0x55]))
            file.flush()
            file.seek(offset)
            return file.read(1) != before


class FilesTruncated(Buffer):
    words = "5 files truncated"

    def inject(self, lab):
        self.damage(lab, 5, self.cut)

    def cut(self, path):
        size = os.stat(path).st_size
        os.truncate(path, size // 2)
        return os.stat(path).st_size < size


class FilesChmodded(Buffer):
    words = "5 files made readable by all"

    def inject(self, lab):
        self.damage(lab, 5, self.chmod)

    def chmod(self, path):
        os.chmod(path, 0o644)
        return os.stat(path).st_mode & 0o777 == 0o644


class FilesSwapped(Buffer):
    """Whole files, seal and all: open descriptors are not concerned."""
    words = "two files swapped"

    def inject(self, lab):
        files = [path for path, _ in self.whole_files(lab)][:2]
        if len(files) < 2:
            raise NotInjected("fewer than two files")
        inode = os.stat(files[0]).st_ino
        beside = os.path.join(lab.buffer_of(self.node), "swap")
        os.rename(files[0], beside)
        os.rename(files[1], files[0])
        os.rename(beside, files[1])
        if os.stat(files[1]).st_ino != inode:
            raise NotInjected("the files were not swapped")


class ObjectsRemoved(Buffer):
    words = "all objects removed"

    def inject(self, lab):
        place = os.path.join(lab.buffer_of(self.node), "objects")
        kept = self.rng.random() < 0.5
        for name in os.listdir(place):
            shutil.rmtree(os.path.join(place, name), ignore_errors=True)
        if not kept:
            os.rmdir(place)
        if os.path.exists(place) and os.listdir(place):
            raise NotInjected("objects are still there")


class FileSystemFull(Buffer):
    words = "no byte free"

    def inject(self, lab):
        place = lab.buffer_place(self.node)
        self.resize(lab, "4k")  # tmpfs takes no size below what is used
        self.filler = os.path.join(place, "filler")
        with open(self.filler, "wb") as file:
            try:
                while True:
                    file.write(bytes(1 << 20))
                    file.flush()
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
        free = os.statvfs(place)
        if free.f_bavail * free.f_frsize > 1 << 20:
            raise NotInjected("there is still room")
        lab.verb(0, "evict", lab.truth.origin)
        lab.look_everywhere()

    filler = None

    def resize(self, lab, size):
        place = lab.buffer_place(self.node) if lab.simulated else f"{lab.lab_place}/local"
        subprocess.run(lab.in_mounts_of(self.node, ["mount", "-o", f"remount,size={size}", place]), check=False,
                       stderr=subprocess.DEVNULL)

    def undo(self, lab):
        from lab import BUFFER_BYTES
        if self.filler is not None:
            os.unlink(self.filler)
        self.resize(lab, BUFFER_BYTES)


class ReadOnly(Buffer):
    """Between the death of servers and their return: no file system becomes read-only under writers."""
    words = "read-only file system after SIGKILL of all servers,"
    alone = True
    restarts = True
    may_pass_through = True

    def place(self, lab):
        return lab.buffer_place(self.node) if lab.simulated else f"{lab.lab_place}/local"

    def inject(self, lab):
        send(lab.run_pid(), signal.SIGSTOP)
        try:
            victims = [pid for pid in [lab.launcher(), *lab.servers().values()] if pid]
            for pid in victims:
                send(pid, signal.SIGKILL)
            for pid in victims:
                self.expect_gone(lab, pid)
            self.remount(lab, "ro")
            if not os.statvfs(lab.buffer_place(self.node)).f_flag & os.ST_RDONLY:
                raise NotInjected("not read-only")
        finally:
            send(lab.run_pid(), signal.SIGCONT)
        lab.look_everywhere()

    def remount(self, lab, how):
        subprocess.run(lab.in_mounts_of(self.node, ["mount", "-o", f"remount,bind,{how}", self.place(lab)]), check=False)

    def undo(self, lab):
        self.remount(lab, "rw")


class IndexFlipped(Buffer):
    """And the servers are killed, so that the index is read."""
    words = "a bit flipped in the index, then SIGKILL of its server,"
    restarts = True

    def inject(self, lab):
        path = os.path.join(lab.buffer_of(self.node), "index")
        size = os.stat(path).st_size
        offset = self.pick.randrange(size)
        with open(path, "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0] ^ 1 << self.pick.randrange(8)
            file.seek(offset)
            file.write(bytes([byte]))
            file.flush()
            file.seek(offset)
            if file.read(1)[0] != byte:
                raise NotInjected("the index is as it was")
        servers = lab.servers()
        if self.node not in servers:
            raise NotInjected("the server is not there")
        send(servers[self.node], signal.SIGKILL)
        self.expect_gone(lab, servers[self.node])


# The origin


class Changes(Fault):
    """Files change at the origin, then `refresh`: until then either version is right, afterwards the newest alone."""
    group = "origin"
    ways = ("replace", "truncate", "touch", "chmod", "remove", "create")

    def draw(self, lab):
        self.pick = random.Random(self.rng.random())
        self.changes = [self.rng.choice(self.ways) for _ in range(self.rng.randrange(1, 9))]
        self.named = self.rng.random() < 0.5
        self.what = "changes at the origin: " + " ".join(self.changes) + (", refreshed by name" if self.named else ", refreshed")

    def inject(self, lab):
        self.changed = []
        for way in self.changes:
            if way == "create":
                number = lab.truth.create(self.pick)
                if number is None:
                    continue
            else:
                number = self.pick.choice(lab.truth.candidates())
                getattr(lab.truth, way)(number, self.pick)
            self.changed.append(number)
        if not self.changed:
            raise NotInjected("nothing could be changed")

    def after(self, lab):
        names = [lab.truth.paths[number] for number in self.changed] if self.named else []
        code, said = lab.verb(0, "refresh", *names)
        if code != 0:
            raise Failure(f"refresh: exit code {code}: {said}")
        lab.truth.settle(self.changed)


class OriginAway(Fault):
    """Renamed away: what is staged is read on, what changed fails as without forebay."""
    group = "origin"
    alone = True

    def draw(self, lab):
        self.what = "the origin renamed away and back"

    def inject(self, lab):
        for row in lab.truth.rows:
            row.may_fail = 1 if row.highest > 0 or not row.versions[0].exists else 0
        lab.truth.header.names_may_fail = 1
        os.rename(lab.truth.origin, lab.truth.origin + ".away")
        if os.path.exists(lab.truth.origin):
            raise NotInjected("the origin is there")
        lab.look_everywhere(looks=300)

    def undo(self, lab):
        os.rename(lab.truth.origin + ".away", lab.truth.origin)

    def after(self, lab):
        for row in lab.truth.rows:
            row.may_fail = 0
        lab.truth.header.names_may_fail = 0


class OriginHangs(Fault):
    """The file server of the steady dataset is stopped: all of it is staged, so nobody notices."""
    group = "origin"
    alone = True

    def draw(self, lab):
        self.what = "the steady origin hangs"

    def inject(self, lab):
        for server in lab.steady_servers:
            send(server.pid, signal.SIGSTOP)
        lab.wait("file servers are stopped", lambda: all(state_of(server.pid) == "T" for server in lab.steady_servers), 20)
        lab.look_everywhere(looks=300)

    def undo(self, lab):
        for server in lab.steady_servers:
            send(server.pid, signal.SIGCONT)


class OriginGone(OriginHangs):
    """The same killed: its files answer ENOTCONN, or ENOENT once it is unmounted."""

    def draw(self, lab):
        self.unmount = self.rng.random() < 0.5
        self.what = "the steady origin's file server killed" + (" and unmounted" if self.unmount else "")

    def inject(self, lab):
        lab.kill_steady()
        if self.unmount:
            lab.unmount_steady()
        try:
            os.stat(lab.truth.paths[lab.truth.first_new - 1])
            raise NotInjected("the steady origin answers")
        except OSError:
            pass
        lab.look_everywhere(looks=300)

    def undo(self, lab):
        lab.unmount_steady()
        lab.start_steady()


# Clients


class ClientsKilled(Fault):
    """Readers that come, and are killed wherever they are."""
    group = "client"

    def draw(self, lab):
        self.pauses = [self.rng.uniform(0, 0.4) for _ in range(8)]
        self.what = "8 clients killed in the middle"

    def inject(self, lab):
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


class ManyClients(Fault):
    """200 short processes at once."""
    group = "client"

    def draw(self, lab):
        self.what = "200 short processes at once"

    def inject(self, lab):
        clients = [subprocess.Popen(lab.reader_command(lab.live_nodes()[index % len(lab.live_nodes())], f"short{index}",
                                                       looks=5, pause=0), env=lab.environment, stdin=subprocess.DEVNULL)
                   for index in range(200)]
        lab.wait("all 200 end", lambda: all(client.poll() is not None for client in clients), 180)
        codes = sorted({client.returncode for client in clients})
        if codes != [0]:
            raise Failure(f"short processes ended with {codes}")
        if sum(lab.record_named(f"short{index}").looks for index in range(200)) != 1000:
            raise NotInjected("not every process looked")


class SocketFlood(Fault):
    """Connections that say nothing, garbage, halves of messages, and descriptors."""
    group = "client"

    def draw(self, lab):
        self.node = self.rng.randrange(len(lab.nodes))
        self.garbage = [self.rng.randbytes(self.rng.choice((1, 15, 16, 40, 1000, 60000))) for _ in range(40)]
        self.what = f"a flood of connections, garbage and descriptors at the socket of node {self.node}"

    def inject(self, lab):
        place = lab.session_of(self.node)
        if isinstance(lab, Hosts):
            place = f"/proc/{lab.holder(self.node)}/root{place}"
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


EVERYWHERE = (Servers, Servers, Servers, ServerPauses, SeveralServers, ServerInTransfer, ServerEarly, ServerAtEnd,
              LauncherKilled, RunKilled, BytesFlipped, FilesTruncated, FilesChmodded, FilesSwapped, ObjectsRemoved,
              FileSystemFull, ReadOnly, IndexFlipped, Changes, Changes, Changes, OriginAway, OriginHangs, OriginGone,
              ClientsKilled, ManyClients, SocketFlood)
ON_HOSTS = EVERYWHERE + (HostDies,) * 8


def plan(seed, number, lab, only):
    """The faults of a round: the same for the same seed."""
    rng = random.Random(f"{seed} {number}")
    kinds = [kind for kind in (EVERYWHERE if lab.simulated else ON_HOSTS) if only in (None, kind.group, kind.__name__)]
    faults = [rng.choice(kinds)(rng, lab)]
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2))):
        another = rng.choice(kinds)
        if not faults[0].alone and not another.alone:
            faults.append(another(rng, lab))
    return faults, rng.random() < 0.1, rng.random() < 0.4  # a new run before the round, with empty buffers
