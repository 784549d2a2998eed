#!/usr/bin/env python3
"""What checkpoints cost the application, and how fast they drain, side by side in one run.

    tests/bench/checkpoint_bench.py BUILD_DIR [--only write,throttled,drain,reads] [--rounds N] [--mib N] [--scratch DIR] [--json]

    write      the time in which a program has written and closed a file of N MiB (1024): plain local file against the mount
    throttled  the same with a destination that takes 100 MB/s (power_cut_fs; needs root): that destination against the mount
    drain      from a buffer that is not drained yet to a destination on the same disk: cp and fsync of each file against
               `forebay drain --wait`
    reads      sequential cached reads of a staged file: alone, while cp copies in the background, while forebay drains

Figures are medians of interleaved rounds. A ratio above 1 means forebay is better. Nothing here passes or fails.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

THROTTLE_BYTES_PER_S = 100_000_000
BLOCK = 8 << 20


def write_file(path, mib, sync=False):
    """Seconds from its open to its close, as the writer sees them."""
    block = memoryview(bytearray(os.urandom(1 << 20) * (BLOCK >> 20)))
    begin = time.monotonic()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for at in range(0, mib << 20, BLOCK):
        os.write(fd, block[:min(BLOCK, (mib << 20) - at)])
    if sync:
        os.fsync(fd)
    os.close(fd)
    return time.monotonic() - begin


def row(what, plain, ours, unit, faster_is_less=True):
    return {"what": what, "plain": plain, "forebay": ours, "unit": unit, "ratio": plain / ours if faster_is_less else ours / plain}


def interleaved(rounds, *measures):
    """Medians, taken in turn after one warm-up each."""
    for measure in measures:
        measure()
    taken = [[measure() for measure in measures] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*taken)]


class Bench:
    def __init__(self, arguments, scratch):
        self.arguments, self.scratch = arguments, scratch
        self.forebay = os.path.join(arguments.build, "src/cli/forebay")
        self.plain, self.destination, self.mount = (os.path.join(scratch, name) for name in ("plain", "destination", "mount"))

    def run(self, kind, destination, *options):
        """This program's part `kind` as the command of a run; its rows."""
        out = os.path.join(self.scratch, f"{kind}.json")
        subprocess.run([self.forebay, "run", "--quiet", "--buffer", os.path.join(self.scratch, "buffer"), "--checkpoint",
                        f"{destination}={self.mount}", *options, "--", sys.executable, __file__, self.arguments.build, "--rounds",
                        str(self.arguments.rounds), "--mib", str(self.arguments.mib), "--inside", kind, self.scratch], check=True)
        with open(out, encoding="utf-8") as file:
            return json.load(file)

    def drain(self):
        """Seconds until all is durable."""
        begin = time.monotonic()
        subprocess.run([self.forebay, "drain", "--wait"], check=True, stdout=subprocess.DEVNULL)
        return time.monotonic() - begin

    # Inside of a run

    def time_to_write(self, directory, sync=False):
        path = os.path.join(directory, "checkpoint.bin")
        seconds = write_file(path, self.arguments.mib, sync)
        # The next one meets no work of this one.
        self.drain()
        os.unlink(path)
        self.drain()
        os.sync()
        return seconds

    def inside_write(self):
        gib = self.arguments.mib / 1024
        plain, ours, plain_sync, ours_sync = interleaved(
            self.arguments.rounds, lambda: self.time_to_write(self.plain), lambda: self.time_to_write(self.mount),
            lambda: self.time_to_write(self.plain, True), lambda: self.time_to_write(self.mount, True))
        return [row(f"write and close {gib:g} GiB: local file", plain, ours, "s"),
                row(f"write, fsync and close {gib:g} GiB (--fsync process): local file", plain_sync, ours_sync, "s")]

    def inside_throttled(self):
        slow = os.path.join(self.scratch, "throttled/mount/direct")
        os.makedirs(slow, exist_ok=True)
        plain, ours = interleaved(self.arguments.rounds, lambda: self.time_to_write(slow), lambda: self.time_to_write(self.mount))
        return [row(f"write and close {self.arguments.mib / 1024:g} GiB: destination of 100 MB/s", plain, ours, "s")]

    def files(self, directory, count=16):
        os.makedirs(directory, exist_ok=True)
        for number in range(count):
            write_file(os.path.join(directory, f"shard-{number}.bin"), self.arguments.mib // count)

    def copy_and_sync(self):
        target = os.path.join(self.scratch, "copied")
        begin = time.monotonic()
        subprocess.run(["cp", "-r", os.path.join(self.plain, "shards"), target], check=True)
        for name in os.listdir(target):
            fd = os.open(os.path.join(target, name), os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)
        fd = os.open(target, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
        seconds = time.monotonic() - begin
        shutil.rmtree(target)
        os.sync()
        return seconds

    def drain_shards(self):
        self.files(os.path.join(self.mount, "shards"))
        seconds = self.drain()
        shutil.rmtree(os.path.join(self.mount, "shards"))
        self.drain()
        os.sync()
        return seconds

    def inside_drain(self):
        self.files(os.path.join(self.plain, "shards"))
        plain, ours = interleaved(self.arguments.rounds, self.copy_and_sync, self.drain_shards)
        return [row(f"{self.arguments.mib} MiB in 16 files made durable: cp and fsync", self.arguments.mib / plain,
                    self.arguments.mib / ours, "MiB/s", faster_is_less=False)]

    def reads_while(self, is_over):
        """Bytes a second of sequential reads of the staged file, as long as something else goes on."""
        speeds = []
        while not is_over():
            done = subprocess.run([os.path.join(self.arguments.build, "tests/bench/file_bench"), "sequential",
                                   os.path.join(self.scratch, "data-mount/large.bin"), "1"], check=True, stdout=subprocess.PIPE,
                                  text=True)
            speeds.append(float(done.stdout))
        return statistics.mean(speeds)

    def inside_reads(self):
        self.files(os.path.join(self.plain, "shards"))
        calm, copying, draining = [], [], []
        for _ in range(self.arguments.rounds):
            turns = iter(range(4))
            calm.append(self.reads_while(lambda turns=turns: next(turns, None) is None))
            with subprocess.Popen(["cp", "-r", os.path.join(self.plain, "shards"), os.path.join(self.scratch, "copied")]) as copy:
                copying.append(self.reads_while(lambda copy=copy: copy.poll() is not None))
            shutil.rmtree(os.path.join(self.scratch, "copied"))
            os.sync()
            self.files(os.path.join(self.mount, "shards"))
            draining.append(self.reads_while(lambda: not self.is_pending()))
            shutil.rmtree(os.path.join(self.mount, "shards"))
            self.drain()
            os.sync()
        calm, copying, draining = (statistics.median(speeds) * 2 ** -30 for speeds in (calm, copying, draining))
        return [row("sequential cached reads: alone, and while forebay drains", calm, draining, "GiB/s", faster_is_less=False),
                row("sequential cached reads: while cp copies, and while forebay drains", copying, draining, "GiB/s",
                    faster_is_less=False)]

    def is_pending(self):
        done = subprocess.run([self.forebay, "drain", "--wait", "--deadline", "0"], check=False, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
        return done.returncode == 4

    # Outside

    def write(self):
        return self.run("write", self.destination)

    def throttled(self):
        sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lab"))
        from power_cut import PowerCutFs
        fs = PowerCutFs(self.arguments.build, os.path.join(self.scratch, "throttled"))
        try:
            fs.order("rate", THROTTLE_BYTES_PER_S)
            return self.run("throttled", os.path.join(fs.mount, "destination"))
        finally:
            fs.stop()

    def drained(self):
        return self.run("drain", self.destination, "--drain-bandwidth", "1M")

    def reads(self):
        data = os.path.join(self.scratch, "data")
        os.makedirs(data)
        write_file(os.path.join(data, "large.bin"), 512)
        return self.run("reads", self.destination, "--stage", f"{data}={os.path.join(self.scratch, 'data-mount')}", "--prefetch", "wait")


def print_table(rows):
    print(f"{'':72}{'plain':>10}{'forebay':>10}{'ratio':>8}")
    for entry in rows:
        print(f"{entry['what']:72}{entry['plain']:10.4g}{entry['forebay']:10.4g}{entry['ratio']:8.2f}  {entry['unit']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--only", default="write,throttled,drain,reads")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--scratch", default="/var/tmp", help="a directory on the disk to measure")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--inside", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.build = os.path.abspath(arguments.build)
    if arguments.inside:
        kind, scratch = arguments.inside
        rows = getattr(Bench(arguments, scratch), f"inside_{kind}")()
        with open(os.path.join(scratch, f"{kind}.json"), "w", encoding="utf-8") as file:
            json.dump(rows, file)
        return
    scratch = tempfile.mkdtemp(prefix="forebay-bench-", dir=arguments.scratch)
    bench = Bench(arguments, scratch)
    rows = []
    try:
        for directory in (bench.plain, bench.destination):
            os.mkdir(directory)
        chosen = {"write": bench.write, "throttled": bench.throttled, "drain": bench.drained, "reads": bench.reads}
        for name in arguments.only.split(","):
            rows += chosen[name]()
    finally:
        shutil.rmtree(scratch)
    if arguments.json:
        json.dump(rows, sys.stdout, indent=1)
        print()
    else:
        print_table(rows)


if __name__ == "__main__":
    main()
