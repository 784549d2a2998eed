#!/usr/bin/env python3
"""restart_reader.py TREE COPY OUT: reads the files of TREE in an endless random order and compares each, byte for byte, with COPY.

Says "running" in OUT/running.NODE once it has read some; ends when OUT/stop exists. OUT/delays.NODE then holds what one file took at
most, in seconds, and how many were read. The first difference or error ends it with code 1."""
import os
import pathlib
import random
import sys
import time


def main():
    tree, copy, out = (pathlib.Path(text) for text in sys.argv[1:])
    node = os.environ.get("FOREBAY_NODE", "0")
    names = sorted(os.listdir(copy))
    expected = {name: (copy / name).read_bytes() for name in names}
    order = random.Random(int(node) + 1)
    longest = 0.0
    count = 0
    while not (out / "stop").exists():
        name = order.choice(names)
        before = time.monotonic()
        size = os.stat(tree / name).st_size
        with open(tree / name, "rb") as stream:
            got = stream.read()
        longest = max(longest, time.monotonic() - before)
        if got != expected[name] or size != len(got):
            sys.exit(f"node {node}: {name} is not what it was: {len(got)} bytes, {size} by its size")
        count += 1
        if count == 50:
            (out / f"running.{node}").touch()
        if count > 50:
            time.sleep(0.002)
    (out / f"delays.{node}").write_text(f"{longest:.2f} s at most for one of {count} files\n")


main()
