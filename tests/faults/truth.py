"""The dataset under test, its independent copy, and the table that tells readers which versions they may see."""
import ctypes
import mmap
import os
import random
import struct

VERSIONS = 12  # shared_table.hpp

LARGE_OBJECTS = 5


class Version(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("exists", "bytes", "mode", "links", "owner", "group", "inode")] + [
        ("mtime_ns", ctypes.c_int64), ("ctime_ns", ctypes.c_int64)]


class Object(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in
                ("lowest", "highest", "origin_flux", "buffer_flux", "may_fail", "reserved")] + [
        ("versions", Version * VERSIONS)]


class Header(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("stop", "objects", "names_may_fail", "lets_go")]


def version_of(info):
    return Version(1, info.st_size, info.st_mode, info.st_nlink, info.st_uid, info.st_gid, info.st_ino,
                   info.st_mtime_ns, info.st_ctime_ns)


def content_of(number, version, size, rng):
    """Begins with who it is, so that a file in a buffer can be recognised, and differs in every page of each version."""
    head = f"object {number} version {version} ".encode()
    block = head + rng.randbytes(min(size, 65536))
    return (block * (size // len(block) + 1))[:size] if size >= len(head) else rng.randbytes(size)


class Truth:
    """`origin`: a plain tree that changes; `steady`: one that never does, for origins that hang and fail."""

    def __init__(self, work, seed, origin, steady, files=(200, 60)):
        self.work = work
        self.rng = random.Random(f"dataset {seed}")
        self.origin = origin
        self.steady = steady
        self.copies = os.path.join(work, "truth")
        self.paths = []
        self.sizes = []
        self.directories = []
        self.links = []
        self.changes = 0
        os.makedirs(self.copies)
        for root, count in ((origin, files[0]), (steady, files[1])):
            self.make_tree(root, count)
        # Names that are not there at first: change_new() makes them.
        self.first_new = len(self.paths)
        for number in range(8):
            self.paths.append(os.path.join(origin, "new", f"late{number}"))
        self.table_path = os.path.join(work, "table")
        with open(self.table_path, "wb") as file:
            file.truncate(ctypes.sizeof(Header) + ctypes.sizeof(Object) * len(self.paths))
        with open(self.table_path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 0)
        self.header = Header.from_buffer(self.map)
        self.header.objects = len(self.paths)
        self.rows = (Object * len(self.paths)).from_buffer(self.map, ctypes.sizeof(Header))
        self.describe_anew()

    def make_tree(self, root, files):
        directories = [root] + [os.path.join(root, name) for name in ("a", "a/b", "a/b/c", "d", "empty", "new")]
        for directory in directories:
            os.makedirs(directory, exist_ok=True)
        self.directories += directories
        for number in range(files):
            directory = directories[number % 5]
            size = self.rng.choice((0, 1, 30, 512, 4095, 4096, 4097, 20000, 60000, 110000, 200001))
            if number < LARGE_OBJECTS and root == self.origin:  # several stripes of 4 MiB
                size = (4 << 20) * (number % 3 + 1) + self.rng.choice((0, 1, 4097, 1 << 20))
            path = os.path.join(directory, f"f{number:03d}")
            with open(path, "wb") as file:
                file.write(content_of(len(self.paths), 0, size, self.rng))
            os.chmod(path, self.rng.choice((0o644, 0o600, 0o444, 0o755)))
            past = 1500000000_000000000 + self.rng.randrange(10 ** 17)
            os.utime(path, ns=(past, past))
            self.paths.append(path)
        for number in range(6):
            path = os.path.join(directories[number % 4], f"link{number}")
            os.symlink(f"../f{number:03d}" if number % 2 else "/nowhere/at/all", path)
            self.links.append(path)

    def copy_path(self, number, version):
        return os.path.join(self.copies, f"{number}.{version}")

    def describe_anew(self):
        """Version 0 is what is there now. With no readers about, before a run starts."""
        for number, path in enumerate(self.paths):
            row = self.rows[number]
            row.lowest = row.highest = 0
            row.origin_flux &= ~1
            row.buffer_flux &= ~1
            row.may_fail = 0
            try:
                info = os.lstat(path)
            except FileNotFoundError:
                row.versions[0] = Version()
                continue
            row.versions[0] = version_of(info)
            with open(path, "rb") as source, open(self.copy_path(number, 0) + ".new", "wb") as copy:
                copy.write(source.read())
            os.rename(self.copy_path(number, 0) + ".new", self.copy_path(number, 0))
        self.header.names_may_fail = self.header.lets_go = 0
        self.header.stop = 0
        self.manifest_path = os.path.join(self.work, "manifest")
        with open(self.manifest_path, "w") as file:
            for path in self.paths:
                file.write(f"O {path}\n")
            for path in self.directories:
                info = os.lstat(path)
                file.write(f"D {path} {info.st_mode} {info.st_ino}\n")
            for path in self.links:
                file.write(f"L {path} {os.lstat(path).st_ino} {os.readlink(path)}\n")

    def bytes_now(self):
        return sum(row.versions[row.highest].bytes for row in self.rows)

    # Changes at the origin. Each gives the object's number; readers may see it from now on, and must after settle().

    def candidates(self):
        """Objects of the tree that changes, which exist and have room for another version."""
        return [number for number, path in enumerate(self.paths[:self.first_new])
                if path.startswith(self.origin + "/") and self.rows[number].highest + 1 < VERSIONS
                and self.rows[number].versions[self.rows[number].highest].exists]

    def offer(self, number, version, content=None):
        """The next version, in place before the origin changes."""
        row = self.rows[number]
        following = row.highest + 1
        if content is None:
            with open(self.copy_path(number, row.highest), "rb") as file:
                content = file.read()
        with open(self.copy_path(number, following), "wb") as file:
            file.write(content)
        row.versions[following] = version
        row.highest = following

    def in_place(self, number, change):
        row = self.rows[number]
        row.origin_flux += 1
        change()
        row.origin_flux += 1

    def replace(self, number, rng):
        """Another file under the name, at once."""
        path = self.paths[number]
        self.changes += 1
        size = rng.choice((0, 5, 4096, 50000, self.rows[number].versions[self.rows[number].highest].bytes))
        content = content_of(number, self.rows[number].highest + 1, size, rng)
        beside = os.path.join(os.path.dirname(self.origin), f"beside{self.changes}")
        with open(beside, "wb") as file:
            file.write(content)
        os.chmod(beside, 0o640)
        version = version_of(os.lstat(beside))
        version.ctime_ns = 0  # the rename sets it
        self.offer(number, version, content)
        os.rename(beside, path)

    def truncate(self, number, rng):
        path = self.paths[number]
        with open(path, "rb") as file:
            content = file.read()
        content = content[:rng.randrange(len(content) + 1) // 2]
        info = os.lstat(path)
        stamp = info.st_mtime_ns + 1_000_000_007
        version = version_of(info)
        version.bytes, version.mtime_ns, version.ctime_ns = len(content), stamp, 0

        def change():
            os.truncate(path, len(content))
            os.utime(path, ns=(stamp, stamp))
        self.offer(number, version, content)
        self.in_place(number, change)

    def touch(self, number, rng):
        path = self.paths[number]
        version = version_of(os.lstat(path))
        version.mtime_ns += rng.randrange(1, 10 ** 9)
        version.ctime_ns = 0
        self.offer(number, version)
        self.in_place(number, lambda: os.utime(path, ns=(version.mtime_ns, version.mtime_ns)))

    def chmod(self, number, rng):
        path = self.paths[number]
        version = version_of(os.lstat(path))
        version.mode ^= rng.choice((0o1, 0o10, 0o22))
        version.ctime_ns = 0
        self.offer(number, version)
        self.in_place(number, lambda: os.chmod(path, version.mode & 0o7777))

    def remove(self, number, _rng):
        self.offer(number, Version(), b"")
        os.unlink(self.paths[number])

    def create(self, rng):
        """A new name; its number, or None when all are there."""
        absent = [number for number in range(self.first_new, len(self.paths))
                  if not self.rows[number].versions[self.rows[number].highest].exists
                  and self.rows[number].highest + 1 < VERSIONS]
        if not absent:
            return None
        number = rng.choice(absent)
        self.replace(number, rng)
        return number

    def settle(self, numbers):
        """After a refresh: only the newest from now on."""
        for number in numbers:
            self.rows[number].lowest = self.rows[number].highest

    def recognise(self, data):
        """(object, version text) of the first bytes of a file of a buffer, or None."""
        words = data[:40].split(b" ")
        if len(words) > 4 and words[0] == b"object" and words[2] == b"version" and words[1].isdigit():
            return int(words[1])
        return None


RECORD = struct.Struct("=7Q320Q")


class Record:
    """What a reader counted."""

    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read(RECORD.size)
        values = RECORD.unpack(data.ljust(RECORD.size, b"\0"))
        (self.looks, self.failures, self.unjudged, self.errors_of_origin, self.call_since_ns, self.longest_ns,
         self.descriptors) = values[:7]
        self.delays = values[7:]


def reset_longest(path):
    with open(path, "r+b") as file:
        file.seek(5 * 8)
        file.write(bytes(8))
