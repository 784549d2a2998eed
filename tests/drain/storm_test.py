#!/usr/bin/env python3
"""storm_test.py [--rounds N] [--first K] [--seed S] [--full | --brief]: a drainer (drain_storm.cpp) drains to a file system that loses at a
power cut what was not synced (tests/lab/power_cut_fs), while the Nth call of a kind fails there, the power is cut, or the drainer is
killed. What it said to be durable survives, nothing is there by halves, and after all is well everything is there."""
import argparse
import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
for place in ("../lab", "../faults", "../system"):
    sys.path.insert(0, os.path.join(HERE, place))
import checkpoint_record as records
import checkpoint_verdict
from power_cut import PowerCutFs

CALLS = ("fsync", "fsyncdir", "rename", "write", "create", "mkdir", "unlink", "rmdir", "setattr", "open")
SHORT = CALLS[:7]
ERRORS = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.ESTALE)
DURABLE_S = 60


def version_in(place):
    """The version that a file's content says it is, if it is all of that."""
    if not os.path.isfile(place):
        return None
    with open(place, "rb") as file:
        content = file.read()
    version = content[:content.find(b";") + 1]
    try:
        size = int(version.split(b":")[2][:-1])
    except (IndexError, ValueError):
        return f"{len(content)} bytes of something"
    whole = (version * (size // len(version) + 1))[:size] if size < (1 << 26) else b""
    return version.decode() if whole == content else f"{len(content)} of the bytes of {version.decode()}"


class Wrong(Exception):
    pass


class Storm:
    def __init__(self, build, place):
        self.program = os.path.join(build, "tests/drain/drain_storm")
        self.place = place
        self.fs = PowerCutFs(build, os.path.join(place, "fs"))
        self.home = os.path.join(self.fs.mount, "home")
        self.store = os.path.join(place, "store")
        self.record = os.path.join(place, "record")
        os.makedirs(self.store)
        os.makedirs(self.home)
        fd = os.open(self.fs.mount, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
        self.process, self.starts = None, 0

    def start(self, seed):
        self.starts += 1
        self.process = subprocess.Popen([self.program, self.store, self.home, self.record, f"{seed}.{self.starts}"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1)

    def go(self, count):
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()

    def durable(self):
        """Waits for the drainer to say so. What it logs is kept for people."""
        watch = threading.Timer(DURABLE_S, self.process.send_signal, (signal.SIGABRT,))
        watch.start()
        said = []
        while (line := self.process.stdout.readline()) not in ("durable\n", ""):
            said.append(line)
        watch.cancel()
        if line == "":
            raise Wrong(f"not durable in {DURABLE_S} s, or ended with {self.process.wait()}: {''.join(said)[-1500:]}")

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def acts(self):
        return records.read(self.record) if os.path.exists(self.record) else []

    def judge(self, home, sure):
        paths = checkpoint_verdict.Paths(self.acts())
        found = [paths.judge(path, version_in(os.path.join(home, path)), sure(paths, path)) for path in sorted(paths.versions)]
        found = [what for what in found if what]
        if found:
            raise Wrong(f"{len(found)} of {len(paths.versions)} paths: " + "; ".join(found[:8]))
        return len(paths.versions)

    def judge_all(self, tidy=True):
        count = self.judge(self.home, lambda paths, path: paths.done[path])
        left = checkpoint_verdict.left_behind(self.home) if tidy else []
        if left:
            raise Wrong("; ".join(left[:8]))
        return count

    def judge_cut(self, sure_acts):
        """Of what survived: at least what was durable after so many acts."""
        reported = checkpoint_verdict.Paths(self.acts()[:sure_acts]).done
        try:
            return self.judge(os.path.join(self.fs.tree, "home"), lambda paths, path: reported.get(path, 0))
        except Wrong as wrong:
            raise Wrong(f"of what survived {wrong}") from None

    def close(self):
        self.kill()
        self.fs.stop()


def play_calls(storm, seed, options):
    """The Nth call fails; all is durable nevertheless, and is after a cut."""
    storm.start(seed)
    storm.durable()
    failed = 0
    for turn, call in enumerate(CALLS if options.full else SHORT):
        number, injected_ever = 1, False
        while True:
            storm.fs.order("well")
            storm.fs.fail(call, number, ERRORS[(number + turn) % len(ERRORS)])
            try:
                storm.go(14)
                storm.durable()
                injected = storm.fs.failed()
                storm.fs.order("well")
                tidy = call != "unlink"  # what cannot be removed stays until the next time
                storm.judge_all(tidy)
                # The power fails just after it was said to be durable.
                storm.kill()
                storm.fs.cut()
                storm.judge_cut(len(storm.acts()))
                storm.fs.stop()
                storm.fs.start()
                storm.start(seed)
                storm.durable()
                storm.judge_all(tidy)
            except Wrong as wrong:
                failed += 1
                print(f"FAIL: {call} no. {number}: {wrong}", flush=True)
                return failed
            injected_ever = injected_ever or injected > 0
            if injected == 0 or (options.brief and number == 2):
                break
            number = number + 1 if options.full or number < 3 else 2 * number - 1
        print(f"{call}: failed at each of 1 to {number if injected else number - 1}" if injected_ever else f"{call}: none was made", flush=True)
    return failed


def play_cut(storm, seed, number):
    rng = random.Random(f"storm {seed} {number}")
    storm.start(seed)
    storm.durable()
    sure = len(storm.acts())
    if rng.random() < 0.5:
        storm.go(rng.randrange(1, 10))
        storm.durable()
        sure = len(storm.acts())
    cuts, survivors = rng.random() < 0.7, rng.choice((0, rng.randrange(1, 10_000)))
    if rng.random() < 0.3:
        storm.fs.fail(rng.choice(CALLS[:6]), rng.randrange(1, 6), errno.EIO, rng.choice((1, 3)))
    count = rng.randrange(5, 80)
    storm.go(count)
    goal, deadline = sure + rng.randrange(1, 2 * count), time.monotonic() + 20
    while len(storm.acts()) < goal and time.monotonic() < deadline and storm.process.poll() is None:
        time.sleep(0.001)
    time.sleep(rng.random() * 0.03)
    said = storm.fs.cut(survivors) if cuts else "killed"
    storm.kill()
    if cuts:
        storm.judge_cut(sure)
        storm.fs.stop()
        storm.fs.start()
    storm.fs.order("well")
    for _ in range(rng.choice((0, 0, 1))):  # killed again, in recovery
        storm.start(seed)
        time.sleep(rng.random() * 0.05)
        storm.kill()
    storm.start(seed)
    storm.durable()
    count = storm.judge_all()
    storm.kill()
    return f"{said}; {count} paths are right"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", default=str(int.from_bytes(os.urandom(4), "little")))
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--brief", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--only", choices=("calls", "cuts"))
    options = parser.parse_args()
    work = tempfile.mkdtemp(prefix="forebay-storm.", dir=os.environ.get("TMPDIR", "/var/tmp"))
    print(f"seed {options.seed}, {work}", flush=True)
    failed = 0
    try:
        if options.only != "cuts":
            storm = Storm(os.environ["FOREBAY_BUILD"], os.path.join(work, "calls"))
            try:
                failed += play_calls(storm, options.seed, options)
            finally:
                storm.close()
        for number in range(options.first, options.first + options.rounds) if options.only != "calls" else ():
            storm = Storm(os.environ["FOREBAY_BUILD"], os.path.join(work, f"round{number}"))
            try:
                print(f"round {number}: {play_cut(storm, options.seed, number)}", flush=True)
            except Wrong as wrong:
                failed += 1
                print(f"round {number}: FAIL: {wrong}", flush=True)
            finally:
                storm.close()
    finally:
        if not (options.keep and failed):
            shutil.rmtree(work, ignore_errors=True)
    print(f"seed {options.seed}: {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
