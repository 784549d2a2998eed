#!/usr/bin/env python3
"""The reader of the fault harness, without forebay: right is right, and every kind of difference is found."""
import os
import subprocess
import sys
import tempfile

from truth import Truth


def flip_byte(tree, _rng):
    number = tree.candidates()[7]
    path = tree.paths[number]
    info = os.stat(path)
    with open(path, "r+b") as file:
        last = file.seek(-1, os.SEEK_END)
        byte = file.read(1)
        file.seek(last)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    tree.rows[number].versions[0].ctime_ns = 0


def append_byte(tree, _rng):
    with open(tree.paths[tree.candidates()[7]], "ab") as file:
        file.write(b"x")


def mix_versions(tree, rng):
    """A file of which one half is of one version and the rest of the next."""
    number = next(number for number in tree.candidates() if tree.rows[number].versions[0].bytes == 60000)
    path = tree.paths[number]
    with open(path, "rb") as file:
        old = file.read()
    tree.touch(number, rng)
    stamp = os.stat(path).st_mtime_ns
    new = bytes(byte ^ 1 for byte in old)
    with open(tree.copy_path(number, 1), "wb") as file:
        file.write(new)
    with open(path, "wb") as file:
        file.write(old[:30000] + new[30000:])
    os.utime(path, ns=(stamp, stamp))


def stay_old(tree, rng):
    """Settled on the new version, but the old one is what is seen."""
    number = tree.candidates()[3]
    before = tree.rows[number].versions[0]
    tree.replace(number, rng)
    with open(tree.copy_path(number, 0), "rb") as copy, open(tree.paths[number], "wb") as file:
        file.write(copy.read())
    os.utime(tree.paths[number], ns=(before.mtime_ns, before.mtime_ns))
    tree.settle([number])


CASES = {
    "nothing is changed": (0, lambda tree, rng: None),
    "a change the table tells of": (0, lambda tree, rng: [tree.replace(tree.candidates()[5], rng), tree.remove(tree.candidates()[9], rng),
                                                          tree.create(rng), tree.chmod(tree.candidates()[11], rng)]),
    "a byte": (1, flip_byte),
    "a byte more": (1, append_byte),
    "two versions mixed": (1, mix_versions),
    "a version that is over": (1, stay_old),
    "a mode": (1, lambda tree, rng: os.chmod(tree.paths[4], 0o601)),
    "a time": (1, lambda tree, rng: os.utime(tree.paths[4], ns=(1, 1))),
    "a file gone": (1, lambda tree, rng: os.unlink(tree.paths[4])),
    "a file more": (1, lambda tree, rng: open(os.path.join(tree.origin, "d", "more"), "wb").close()),
    "a link's target": (1, lambda tree, rng: [os.unlink(tree.links[0]), os.symlink("elsewhere", tree.links[0])]),
    "a directory's mode": (1, lambda tree, rng: os.chmod(os.path.join(tree.origin, "d"), 0o701)),
}


def play(name, expected, change):
    with tempfile.TemporaryDirectory() as work:
        tree = Truth(work, name, f"{work}/origin", f"{work}/steady", files=(40, 10))
        change(tree, tree.rng)
        done = subprocess.run([os.path.join(os.environ["FOREBAY_BUILD"], "tests/faults/fault_reader"), "--table", tree.table_path,
                               "--manifest", tree.manifest_path, "--truth", tree.copies, "--record", f"{work}/record", "--log",
                               f"{work}/log", "--seed", "1", "--looks", "3000"], timeout=100, check=False)
        with open(f"{work}/log") as file:
            log = file.read()
        if done.returncode != expected or bool(log) != bool(expected):
            print(f"FAIL: {name}: exit code {done.returncode} instead of {expected}\n{log[:2000]}")
            return 1
    return 0


def main():
    failures = sum(play(name, expected, change) for name, (expected, change) in CASES.items())
    print(f"{len(CASES)} cases, {failures} failures")
    return 1 if failures else 0


sys.exit(main())
