"""reader.py TREE OUT NODES: reads every file of TREE in random order, twice, as a training job does, and notes how fast.
The NODES readers begin a round together.

Nothing here knows of forebay. The result goes to OUT/<node>.json.
"""
import json
import os
import random
import sys
import time
import zlib

ROUNDS = 2


def wait_for_all(out, number, node, nodes):
    with open(f"{out}/begins.{number}.{node}", "w", encoding="ascii"):
        pass
    deadline = time.monotonic() + 120
    while not all(os.path.exists(f"{out}/begins.{number}.{other}") for other in range(nodes)):
        if time.monotonic() > deadline:
            sys.exit("the other readers do not come")
        time.sleep(0.005)


def main():
    tree, out, nodes = sys.argv[1], sys.argv[2], int(sys.argv[3])
    node = int(os.environ.get("FOREBAY_NODE", "0"))
    paths = sorted(os.path.join(folder, name) for folder, _, names in os.walk(tree) for name in names)
    paths = [path for path in paths if os.path.isfile(path) and not os.path.islink(path) and os.access(path, os.R_OK)]
    shuffle = random.Random(node)
    result = {"files": len(paths), "seconds": []}
    for number in range(ROUNDS):
        shuffle.shuffle(paths)
        wait_for_all(out, number, node, nodes)
        size = checksum = 0
        began = time.monotonic()
        for path in paths:
            with open(path, "rb") as file:
                content = file.read()
            size += len(content)
            checksum ^= zlib.crc32(content, zlib.crc32(os.fsencode(path)))
        result["seconds"].append(time.monotonic() - began)
        result["bytes"], result["checksum"] = size, checksum
    with open(os.path.join(out, f"{node}.json"), "w", encoding="ascii") as file:
        json.dump(result, file)


main()
