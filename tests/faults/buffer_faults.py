"""Faults of buffers."""
import errno
import os
import random
import shutil
import signal
import subprocess

from fault import Fault, NotInjected
from lab import BUFFER_BYTES, Failure, send


class Buffer(Fault):
    group = "buffer"

    def draw(self, lab):
        self.node = self.rng.randrange(len(lab.nodes))
        self.pick = random.Random(self.rng.random())
        self.numbers = []  # damaged objects
        self.what = f"{self.words} in the buffer of node {self.node}"

    words = ""

    def whole_files(self, lab, least=1):
        """[(path, object)] of what can be told apart, in random order: `least` of them where so many come."""
        found = self.files_now(lab)
        for _ in range(10):
            if len(found) >= least:
                break
            lab.look_everywhere(looks=100)  # What another fault of the round took comes back as it is read.
            found = self.files_now(lab)
        found.sort()
        self.pick.shuffle(found)
        return found

    def files_now(self, lab):
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
        return found

    def damage(self, lab, count, change):
        """change(path) to `count` files; what readers hold open of them is no longer judged."""
        self.servers = lab.servers()
        self.counted = self.noticed(lab)
        self.damaged = {}  # path: inode
        done = 0
        for path, number in self.whole_files(lab):
            row = lab.truth.rows[number]
            row.buffer_flux += 1
            try:
                if change(path):
                    done += 1
                    self.damaged[path] = os.stat(path).st_ino
            except FileNotFoundError:
                pass
            finally:
                row.buffer_flux += 1
            self.numbers.append(number)
            if done == count:
                return
        if done == 0:
            raise NotInjected("no file of the buffer could be damaged")

    def noticed(self, lab):
        """How much damage the node has counted."""
        status = lab.status()
        return sum(row["damaged"] + row["damaged_opens"] for row in status["nodes"] if row["node"] == self.node) if status else 0

    def after(self, lab):
        """Damage that was looked at is counted. What was evicted meanwhile is nobody's any more."""
        if not self.numbers or not self.single or lab.servers() != self.servers:
            return
        for number in self.numbers:
            client = subprocess.run(lab.reader_command(self.node, f"damaged{number}", looks=20, object_number=number, pause=0),
                                    env=lab.environment, stdin=subprocess.DEVNULL, timeout=120, check=False)
            if client.returncode != 0:
                raise Failure(f"a reader of a damaged file ended with {client.returncode}")
        lab.wait(f"damage of {self.numbers} is counted",
                 lambda: self.noticed(lab) > self.counted or not any(map(self.still_there, self.damaged.items())), 30)

    @staticmethod
    def still_there(damaged):
        path, inode = damaged
        try:
            return os.stat(path).st_ino == inode
        except FileNotFoundError:
            return False


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
        files = [path for path, _ in self.whole_files(lab, least=2)][:2]
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
    def draw(self, lab):
        self.directory_too = self.rng.random() < 0.5
        self.words = "all objects and their directory removed" if self.directory_too else "all objects removed"
        super().draw(lab)

    def inject(self, lab):
        place = os.path.join(lab.buffer_of(self.node), "objects")
        before = [path for path, _ in self.whole_files(lab)]
        inodes = {path: os.stat(path).st_ino for path in before if os.path.exists(path)}
        if not inodes:
            raise NotInjected("no object is there")
        for name in os.listdir(place):
            shutil.rmtree(os.path.join(place, name), ignore_errors=True)
        if self.directory_too:
            shutil.rmtree(place, ignore_errors=True)  # What the server made again meanwhile goes with it.
        if any(os.path.exists(path) and os.stat(path).st_ino == inode for path, inode in inodes.items()):
            raise NotInjected("objects are still there")

    def after(self, lab):
        # What the next round takes away is not to be what stands in for these.
        lab.wait(f"the buffer of node {self.node} holds objects again", lambda: self.files_now(lab), 60)


class FileSystemFull(Buffer):
    words = "no byte free"
    stages_again = True  # everything is evicted

    def inject(self, lab):
        place = lab.buffer_place(self.node)
        self.resize(lab, "4k")  # tmpfs takes no size below what is used
        self.filler = os.path.join(place, f"filler{id(self)}")  # a round may have two of these on a node
        try:
            with open(self.filler, "wb", buffering=0) as file:
                while True:
                    file.write(bytes(1 << 20))
        except OSError as error:  # also of the file itself, when others have filled what was left
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
        if self.filler is not None and os.path.exists(self.filler):
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
            # Not at once: the last thread of a killed process may have files open for writing still.
            lab.wait("the file system is read-only", lambda: self.is_read_only(lab), 20)
        finally:
            send(lab.run_pid(), signal.SIGCONT)
        lab.look_everywhere()

    def is_read_only(self, lab):
        self.remount(lab, "ro")
        return bool(os.statvfs(lab.buffer_place(self.node)).f_flag & os.ST_RDONLY)

    def remount(self, lab, how):
        subprocess.run(lab.in_mounts_of(self.node, ["mount", "-o", f"remount,bind,{how}", self.place(lab)]), check=False,
                       stderr=subprocess.DEVNULL)

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
        lab.wait("the server is there", lambda: self.node in lab.servers() or lab.passed_through(), 60)
        servers = lab.servers()
        if self.node not in servers:
            raise NotInjected("the server is not there")
        send(servers[self.node], signal.SIGKILL)
        self.expect_gone(lab, servers[self.node])
