#!/usr/bin/env python3
"""checkpoint_acts.py MOUNT RECORD [--seed S] [--below NAME] [--stop FILE] [--rate PER_S] [--acts N]: writes files of checkpoints
below MOUNT/NAME (n<FOREBAY_NODE>) until FILE is there or N acts are done, in ways drawn from the seed, and records each act
(tests/system/checkpoint_record.py), telling before it what it is about to be.

Ways of files: `a-*` come by a rename of a synced file; `p-*` are written in place, and appended to; `m-*` are directories that
come by one rename. An act is `synced` where file and directory were synced behind it, without an error."""
import argparse
import os
import random
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
import checkpoint_record as records


def sync_directory(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Writer:
    def __init__(self, options):
        self.below, self.mount = options.below, options.mount
        self.rng = random.Random(f"{options.seed} {options.below}")
        self.record = records.Record(options.record, options.below)
        self.number = 0
        self.contents = {}  # of p-*, as they are
        self.there = set()

    def path(self, name):
        return os.path.join(self.mount, name)

    def content(self):
        size = self.rng.choice((0, 1, 4096, self.rng.randrange(100_000), self.rng.randrange(100_000), 400_000, 1_500_000))
        return self.rng.randbytes(size)

    def place(self):
        name = f"{self.below}/d{self.rng.randrange(3)}"
        if name not in self.there:
            os.makedirs(self.path(name), exist_ok=True)
            self.there.add(name)
        return name

    def will(self, path, content, atomic):
        self.record.tell("will", path=path, sum=records.sum_of_bytes(content)[0], atomic=atomic)

    def done(self, path, content, synced):
        sum_, size = records.sum_of_bytes(content)
        self.record.tell("file", path=path, sum=sum_, size=size, synced=synced)
        self.there.add(path)

    def synced(self, directory):
        """Of the names in it. A sync may say that it cannot promise now; then nothing was promised."""
        try:
            sync_directory(self.path(directory))
            return True
        except OSError as error:
            self.record.tell("refused", path=directory, error=error.errno)
            return False

    def write(self, path, content, flags, sync):
        """Whether it was synced."""
        fd = os.open(self.path(path), flags, 0o644)
        try:
            for at in range(0, len(content), 300_000):
                os.write(fd, content[at:at + 300_000])
            if not sync:
                return False
            try:
                os.fsync(fd)
                return True
            except OSError as error:
                self.record.tell("refused", path=path, error=error.errno)
                return False
        finally:
            os.close(fd)

    def replaced(self):
        place = self.place()
        path, content = f"{place}/a-{self.rng.randrange(6)}", self.content()
        self.will(path, content, atomic=True)
        synced = self.write(path + ".tmp", content, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, sync=True)
        os.rename(self.path(path + ".tmp"), self.path(path))
        synced = synced and self.rng.random() < 0.7 and self.synced(place)
        self.done(path, content, synced)

    def in_place(self):
        place = self.place()
        path, content = f"{place}/p-{self.rng.randrange(6)}", self.content()
        self.will(path, content, atomic=False)
        synced = self.write(path, content, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, sync=self.rng.random() < 0.5)
        self.contents[path] = content
        self.done(path, content, synced and self.synced(place))

    def appended(self):
        if not self.contents:
            return
        path = self.rng.choice(sorted(self.contents))
        more = self.rng.randbytes(self.rng.randrange(1, 20_000))
        content = self.contents[path] + more
        self.will(path, content, atomic=False)
        synced = self.write(path, more, os.O_WRONLY | os.O_APPEND, sync=self.rng.random() < 0.5)
        self.contents[path] = content
        self.done(path, content, synced and self.synced(os.path.dirname(path)))

    def moved(self):
        self.number += 1
        name = f"{self.below}/m-{self.number}"
        files = {f"{name}/{part}": self.content() for part in ("a", "below/b")}
        os.makedirs(self.path(f"{name}.tmp/below"))
        synced = True
        for path, content in files.items():
            self.will(path, content, atomic=True)
            synced &= self.write(path.replace(name, name + ".tmp"), content, os.O_WRONLY | os.O_CREAT, sync=True)
        for directory in (f"{name}.tmp/below", f"{name}.tmp"):
            synced &= self.synced(directory)
        os.rename(self.path(name + ".tmp"), self.path(name))
        synced &= self.synced(self.below)
        for path, content in files.items():
            self.done(path, content, synced)

    def removed(self):
        files = sorted(path for path in self.there if "/a-" in path or "/p-" in path)
        directories = sorted({path.split("/")[0] + "/" + path.split("/")[1] for path in self.there if "/m-" in path})
        if not files:
            return
        if directories and self.rng.random() < 0.3:
            path = directories[0]
            self.record.will_remove(path)
            shutil.rmtree(self.path(path))
        else:
            path = self.rng.choice(files)
            self.record.will_remove(path)
            os.unlink(self.path(path))
        self.there = {other for other in self.there if other != path and not other.startswith(path + "/")}
        self.contents.pop(path, None)
        self.record.tell("removed", path=path, synced=self.rng.random() < 0.5 and self.synced(os.path.dirname(path)))

    def act(self):
        self.rng.choices((self.replaced, self.in_place, self.appended, self.moved, self.removed), (5, 3, 2, 2, 1))[0]()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mount")
    parser.add_argument("record")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--below", default="n" + os.environ.get("FOREBAY_NODE", "0"))
    parser.add_argument("--stop", default="/nonexistent")
    parser.add_argument("--rate", type=float, default=1e9)
    parser.add_argument("--acts", type=int, default=10 ** 9)
    options = parser.parse_args()
    writer = Writer(options)
    for _ in range(options.acts):
        if os.path.exists(options.stop):
            break
        try:
            writer.act()
        except OSError as error:
            writer.record.tell("error", text=f"{error}", error=error.errno)
            raise
        time.sleep(1 / options.rate)


if __name__ == "__main__":
    main()
