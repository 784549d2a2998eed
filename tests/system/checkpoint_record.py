"""checkpoint_record.py RECORD TREE: records all files of a tree, by paths relative to its parent.

What writers of checkpoints did, told outside of the system under test: one line of JSON an act, appended as one write.

An act is told once the call that completed it has returned ("file": a path has this content; "whole": a directory with these
files came by one rename), and what takes something away, or points to something, before it is begun as well ("will").
"""
import hashlib
import json
import os
import sys
import time


def sum_of(path):
    """(sha256, size) of a file as it is read now."""
    digest, size = hashlib.sha256(), 0
    with open(path, "rb", buffering=0) as file:
        while block := file.read(1 << 20):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


def sum_of_bytes(content):
    return hashlib.sha256(content).hexdigest(), len(content)


class Record:
    def __init__(self, path, node=0):
        self.fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self.node = node

    def tell(self, act, **fields):
        line = json.dumps({"t": time.clock_gettime_ns(time.CLOCK_MONOTONIC), "node": self.node, "act": act, **fields})
        os.write(self.fd, line.encode() + b"\n")

    def file(self, path, content_sum):
        self.tell("file", path=path, sum=content_sum[0], size=content_sum[1])

    def will_remove(self, path):
        self.tell("will_remove", path=path)

    def removed(self, path):
        self.tell("removed", path=path)

    def whole(self, path, names):
        """All files below a directory that came by one rename, relative to it."""
        self.tell("whole", path=path, names=sorted(names))

    def will_mark(self, path):
        """`path` is about to appear; all told so far in its directory was there before it."""
        self.tell("will_mark", path=path)

    def will_point(self, path, to):
        """`path` is about to name `to`, relative to its own directory."""
        self.tell("will_point", path=path, to=to)


def read(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.endswith("\n")]


def main():
    record, tree = Record(sys.argv[1]), sys.argv[2].rstrip("/")
    for base, _, names in os.walk(tree):
        for name in names:
            path = os.path.join(base, name)
            if not os.path.islink(path):
                record.file(os.path.relpath(path, os.path.dirname(tree)), sum_of(path))


if __name__ == "__main__":
    main()
