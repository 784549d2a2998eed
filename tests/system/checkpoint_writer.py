#!/usr/bin/env python3
"""checkpoint_writer.py MOUNT PLAIN RECORD FLAGS NODES: what a node of a training job writes below MOUNT, in the manners of real
programs, each in a directory of its name; FOREBAY_NODE says which node. The same is written below PLAIN, which forebay knows
nothing of: each file is compared with that at once, here and on every other node, and recorded (checkpoint_record.py).
Exit code 1: something was read that was not written."""
import mmap
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time

import h5py
import numpy
import torch

import checkpoint_record as records

WAIT_S = 120


class Node:
    def __init__(self, mount, plain, record, flags, count):
        self.mount, self.plain, self.flags, self.count = mount, plain, flags, count
        self.rank = int(os.environ["FOREBAY_NODE"])
        self.record = records.Record(record, self.rank)
        self.failures = 0

    def fail(self, what):
        self.failures += 1
        print(f"node {self.rank}: {what}", flush=True)

    def meet(self, name):
        """Goes on once every node has come here."""
        with open(os.path.join(self.flags, f"{name}.{self.rank}"), "w", encoding="utf-8"):
            pass
        deadline = time.monotonic() + WAIT_S
        while not all(os.path.exists(os.path.join(self.flags, f"{name}.{rank}")) for rank in range(self.count)):
            if time.monotonic() > deadline:
                sys.exit(f"node {self.rank} waits in vain at {name}")
            time.sleep(0.01)

    def both(self, act):
        """act(root) below both trees, plain first. What it wrote is recorded as soon as it has returned."""
        act(self.plain)
        act(self.mount)

    def compare(self, path, tell=True):
        """A file, or all below a directory, as it is read below the mount now; told in the order of names."""
        plain = os.path.join(self.plain, path)
        for base, directories, names in (os.walk(plain) if os.path.isdir(plain) else [(os.path.dirname(plain), [], [path])]):
            directories.sort()
            for name in sorted(names):
                self.compare_one(os.path.relpath(os.path.join(base, os.path.basename(name)), self.plain), tell)

    def compare_one(self, path, tell):
        ours, theirs = os.path.join(self.mount, path), os.path.join(self.plain, path)
        if os.path.islink(theirs):
            if not os.path.islink(ours) or os.readlink(ours) != os.readlink(theirs):
                self.fail(f"the link {path} leads elsewhere")
            return
        expected = records.sum_of(theirs)
        try:
            actual = records.sum_of(ours)
        except OSError as error:
            self.fail(f"{path} cannot be read: {error}")
            return
        if actual != expected:
            self.fail(f"{path} is read with other content: {actual[1]} bytes instead of {expected[1]}")
        if tell:
            self.record.file(path, expected)

    def make(self, name):
        self.both(lambda root: os.makedirs(os.path.join(root, name), exist_ok=True))
        return name


def content(seed, size):
    return random.Random(seed).randbytes(size)


def write(path, data, sync=False, part=1 << 18):
    with open(path, "wb", buffering=0) as file:
        for at in range(0, len(data), part):
            file.write(data[at:at + part])
        if sync:
            os.fsync(file.fileno())


def torch_save(node):
    name = node.make(f"torch/{node.rank}")
    generator = torch.Generator().manual_seed(node.rank)
    model = {f"layer{n}": torch.randn(256, 256, generator=generator) for n in range(8)}
    for step in (1, 2):
        node.both(lambda root: torch.save({"step": step, "model": model}, f"{root}/{name}/checkpoint-{step}.pt"))
        node.compare(f"{name}/checkpoint-{step}.pt")

    def replace(root):  # as trainers do that keep one file
        torch.save({"model": model}, f"{root}/{name}/last.pt.tmp")
        os.replace(f"{root}/{name}/last.pt.tmp", f"{root}/{name}/last.pt")
    node.both(replace)
    node.compare(f"{name}/last.pt")
    read_back = torch.load(f"{node.mount}/{name}/last.pt")["model"]
    if not all(torch.equal(read_back[layer], model[layer]) for layer in model):
        node.fail("torch.load reads another model")


def distributed(node):
    """PyTorch's distributed checkpoint: all ranks write in one directory, the coordinator's metadata come last."""
    for step in (1, 2):
        name = f"distributed/step-{step}"
        if node.rank == 0:
            node.make(name)
        else:
            os.makedirs(f"{node.plain}/{name}", exist_ok=True)
        node.meet(f"distributed-made-{step}")
        for part in range(3):
            path = f"{name}/__{node.rank}_{part}.distcp"
            data = content(f"{path}", 700_000 + part)

            def shard(root, path=path, data=data):
                write(f"{root}/{path}.tmp", data, sync=True)
                os.rename(f"{root}/{path}.tmp", f"{root}/{path}")
            node.both(shard)
            node.compare(path)
        node.meet(f"distributed-written-{step}")
        if node.rank == 0:
            metadata = f"{name}/.metadata"
            node.record.will_mark(metadata)

            def mark(root, metadata=metadata, step=step):
                write(f"{root}/{metadata}.tmp", b"metadata of step %d\n" % step, sync=True)
                os.rename(f"{root}/{metadata}.tmp", f"{root}/{metadata}")
            node.both(mark)
            node.compare(metadata)
        node.meet(f"distributed-done-{step}")
        # A restart: each rank reads all ranks' shards, wherever they are.
        for rank in range(node.count):
            for part in range(3):
                path = f"{name}/__{rank}_{part}.distcp"
                try:
                    if records.sum_of(f"{node.mount}/{path}") != records.sum_of_bytes(content(path, 700_000 + part)):
                        node.fail(f"{path} of node {rank} is read with other content")
                except OSError as error:
                    node.fail(f"{path} of node {rank} cannot be read: {error}")
        names = sorted(os.listdir(f"{node.mount}/{name}"))
        wanted = sorted([".metadata"] + [f"__{rank}_{part}.distcp" for rank in range(node.count) for part in range(3)])
        if names != wanted:
            node.fail(f"{name} is listed as {names}")
        node.meet(f"distributed-read-{step}")


def hdf5(node):
    name = node.make(f"hdf5/{node.rank}")

    def first(root):
        with h5py.File(f"{root}/{name}/model.h5", "w") as file:
            file.create_dataset("weights", data=numpy.arange(200_000, dtype="f4"), chunks=(4096,), maxshape=(None,))
            file.attrs["step"] = 1

    def again(root):
        with h5py.File(f"{root}/{name}/model.h5", "a") as file:
            file["weights"].resize((300_000,))
            file["weights"][200_000:] = 7
            file.attrs["step"] = 2
    for act in (first, again):
        node.both(act)
        node.compare(f"{name}/model.h5")


def arrays(node):
    name = node.make(f"numpy/{node.rank}")
    values = numpy.random.default_rng(node.rank).standard_normal((300, 400))
    node.both(lambda root: numpy.save(f"{root}/{name}/array.npy", values))
    node.compare(f"{name}/array.npy")

    def mapped(root):
        view = numpy.lib.format.open_memmap(f"{root}/{name}/mapped.npy", mode="w+", dtype="f8", shape=values.shape)
        view[:] = values
        view.flush()
        del view
    node.both(mapped)
    node.compare(f"{name}/mapped.npy")


def tools(node):
    """cp, rsync and tar, which read a plain tree."""
    name = node.make(f"tools/{node.rank}")
    source = f"{node.plain}/source"
    os.makedirs(f"{source}/deep/er")
    for number in range(12):
        write(f"{source}/{'deep/er/' * (number % 2)}file{number}", content(f"{node.rank} {number}", 3000 * number * number))
    os.symlink("file0", f"{source}/link")
    os.chmod(f"{source}/file2", 0o640)

    def run(*words):
        node.both(lambda root: subprocess.run([word.replace("ROOT", f"{root}/{name}") for word in words], check=True))
    run("cp", "-a", source, "ROOT/cp")
    run("rsync", "-a", f"{source}/", "ROOT/rsync/")
    subprocess.run(["tar", "-C", source, "-cf", f"{node.plain}/source.tar", "."], check=True)
    run("mkdir", "ROOT/tar")
    run("tar", "-C", "ROOT/tar", "-xf", f"{node.plain}/source.tar")
    node.compare(name)
    with open(f"{source}/file4", "ab") as file:
        file.write(b"changed")
    run("rsync", "-a", f"{source}/", "ROOT/rsync/")
    node.compare(f"{name}/rsync/file4")


def database(node):
    name = node.make(f"sqlite/{node.rank}")
    for turn in range(3):
        def fill(root, turn=turn):
            store = sqlite3.connect(f"{root}/{name}/metrics.db")
            store.execute("create table if not exists loss (step integer, value real)")
            store.commit()
            for step in range(20):
                store.execute("insert into loss values (?, ?)", (step, 1.0 / (step + turn + 1)))
            store.commit()
            store.close()
        node.both(fill)
        node.compare(f"{name}/metrics.db")


def whole_directories(node):
    """A directory written under another name, then renamed; `latest` names it by a file and by a link; older ones go."""
    name = node.make(f"whole/{node.rank}")
    for step in range(1, 6):
        files = {f"rank{rank}/weights.bin": content(f"{node.rank} {step} {rank}", 150_000) for rank in range(3)}
        files["config.json"] = b'{"step": %d}\n' % step

        def fill(root, step=step, files=files):
            for path, data in files.items():
                os.makedirs(os.path.dirname(f"{root}/{name}/step-{step}.tmp/{path}"), exist_ok=True)
                write(f"{root}/{name}/step-{step}.tmp/{path}", data, sync=True)
            os.rename(f"{root}/{name}/step-{step}.tmp", f"{root}/{name}/step-{step}")
        node.both(fill)
        node.compare(f"{name}/step-{step}")
        node.record.whole(f"{name}/step-{step}", files)

        for pointer in ("latest", "latest-link"):
            node.record.will_point(f"{name}/{pointer}", f"step-{step}")

        def point(root, step=step):
            write(f"{root}/{name}/latest.tmp", b"step-%d\n" % step)
            os.replace(f"{root}/{name}/latest.tmp", f"{root}/{name}/latest")
            os.symlink(f"step-{step}", f"{root}/{name}/latest-link.tmp")
            os.replace(f"{root}/{name}/latest-link.tmp", f"{root}/{name}/latest-link")
        node.both(point)
        node.compare(f"{name}/latest")
        if step > 2:
            old = f"{name}/step-{step - 2}"
            node.record.will_remove(old)
            node.both(lambda root, old=old: shutil.rmtree(f"{root}/{old}"))
            node.record.removed(old)


def calls(node):
    """What else the kernel lets a program do with files."""
    name = node.make(f"calls/{node.rank}")

    def log(root):
        for number in range(50):
            fd = os.open(f"{root}/{name}/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.write(fd, b"line %d\n" % number)
            os.close(fd)
    for number in range(1, 51):  # each of its states was complete
        node.record.file(f"{name}/log", records.sum_of_bytes(b"".join(b"line %d\n" % line for line in range(number))))
    node.both(log)

    def positions(root):
        fd = os.open(f"{root}/{name}/sparse", os.O_RDWR | os.O_CREAT, 0o600)
        os.pwrite(fd, b"end", 1_000_000)
        os.pwrite(fd, b"begin", 0)
        os.ftruncate(fd, 900_000)
        os.ftruncate(fd, 1_100_000)
        with mmap.mmap(fd, 8192) as view:
            view[4096:4099] = b"map"
        os.close(fd)
    node.both(positions)

    def names(root):
        place = f"{root}/{name}"
        write(f"{place}/one", b"one name of two\n")
        os.link(f"{place}/one", f"{place}/two")
        os.symlink("one", f"{place}/link")
        write(f"{place}/closed", b"mode and time\n")
        os.chmod(f"{place}/closed", 0o440)
        os.utime(f"{place}/closed", ns=(10 ** 18, 10 ** 18))
        os.makedirs(f"{place}/gone/below")
        write(f"{place}/gone/below/file", b"never seen again\n")
        shutil.rmtree(f"{place}/gone")
        fd = os.open(place, os.O_TMPFILE | os.O_WRONLY, 0o644)
        os.write(fd, b"it had no name\n")
        # Python's link() follows only where it was given a directory; the path is absolute anyhow.
        os.link(f"/proc/self/fd/{fd}", f"{place}/named", src_dir_fd=fd, follow_symlinks=True)
        os.close(fd)
    node.record.file(f"{name}/gone/below/file", records.sum_of_bytes(b"never seen again\n"))
    node.record.will_remove(f"{name}/gone")
    node.both(names)
    node.record.removed(f"{name}/gone")
    node.compare(name)


def earlier(node):
    """Files of earlier jobs, which are at the destination: they are read and listed, then some are changed."""
    source = os.environ.get("CHECKPOINT_EARLIER")
    if source is None:
        return
    if node.rank == 0:
        shutil.copytree(source, f"{node.plain}/earlier", symlinks=True)
    for base, directories, names in os.walk(source):
        place = os.path.join(node.mount, "earlier", os.path.relpath(base, source))
        if sorted(os.listdir(place)) != sorted(directories + names):
            node.fail(f"{place} is listed as {sorted(os.listdir(place))}")
        for name in names:
            if records.sum_of(os.path.join(place, name)) != records.sum_of(os.path.join(base, name)):
                node.fail(f"{os.path.join(place, name)} is not what it was")
    node.meet("earlier-read")
    if node.rank != 0:
        return

    def change(root):
        with open(f"{root}/earlier/append", "ab") as file:
            file.write(b"more of it\n")
        write(f"{root}/earlier/new", b"in place of an earlier one\n")
        os.replace(f"{root}/earlier/new", f"{root}/earlier/replace")
        os.unlink(f"{root}/earlier/remove")
        os.rename(f"{root}/earlier/move", f"{root}/earlier/moved")
        os.rename(f"{root}/earlier/deep", f"{root}/earlier/deeper")
    node.record.will_remove("earlier/remove")
    node.record.will_remove("earlier/move")
    node.record.will_remove("earlier/deep")
    node.both(change)
    for path in ("earlier/remove", "earlier/move", "earlier/deep"):
        node.record.removed(path)
    node.compare("earlier")


MANNERS = (earlier, torch_save, distributed, hdf5, arrays, tools, database, whole_directories, calls)


def read_all(node):
    """What every node has written is read here, wherever it is; earlier jobs' files, too."""
    node.meet("written")
    count, expected = 0, set()
    for rank in range(node.count):
        plain = os.path.join(os.path.dirname(node.plain), f"plain.{rank}")
        for base, _, names in os.walk(plain):
            for name in names:
                path = os.path.relpath(os.path.join(base, name), plain)
                if path.startswith("source"):
                    continue
                theirs, ours = os.path.join(plain, path), os.path.join(node.mount, path)
                count += 1
                expected.add(path)
                try:
                    same = (os.readlink(ours) == os.readlink(theirs) if os.path.islink(theirs) else
                            records.sum_of(ours) == records.sum_of(theirs) and
                            os.stat(ours).st_mode == os.stat(theirs).st_mode)
                    if not same:
                        node.fail(f"{path} of node {rank} is not what was written")
                except OSError as error:
                    node.fail(f"{path} of node {rank} cannot be read: {error}")
    listed = {os.path.relpath(os.path.join(base, name), node.mount) for base, _, names in os.walk(node.mount) for name in names}
    if listed != expected:
        node.fail(f"listed too much: {sorted(listed - expected)[:9]}, too little: {sorted(expected - listed)[:9]}")
    print(f"node {node.rank} read {count} files of all nodes")
    node.meet("read")


def main():
    mount, plain, record, flags, count = sys.argv[1:6]
    os.umask(0o022)
    rank = os.environ["FOREBAY_NODE"]
    os.makedirs(f"{plain}.{rank}")
    node = Node(mount, f"{plain}.{rank}", record, flags, int(count))
    only = os.environ.get("CHECKPOINT_MANNERS", "").split()
    for manner in MANNERS:
        if only and manner.__name__ not in only:
            continue
        begin = time.monotonic()
        try:
            manner(node)
        except (OSError, subprocess.CalledProcessError, sqlite3.Error, RuntimeError) as error:
            node.fail(f"{manner.__name__}: {type(error).__name__}: {error}")
        print(f"node {rank}: {manner.__name__} took {time.monotonic() - begin:.2f} s", flush=True)
        node.meet(manner.__name__)
    read_all(node)
    return 1 if node.failures else 0


if __name__ == "__main__":
    sys.exit(main())
