#!/usr/bin/env python3
"""nth_server.py [--full]: the Nth call of a function in servers fails, N = 1, 2, 3, ... until a pass without a failure; once,
and from the Nth on. Readers on both nodes, before whom everything was evicted, get the right bytes all the same, and once nothing
fails any more the servers serve (or serve again).

--full takes every N, and also lets calls fail from the servers' first moment on. Otherwise N grows faster than by one."""
import argparse
import ctypes
import hashlib
import mmap
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from nth_session import Session, numbers

EPERM, EIO, ENOMEM, EMFILE, ENOSPC, EPIPE, ECONNRESET = 1, 5, 12, 24, 28, 32, 104

# As numbered in nth_call_shim.c, with the errors they fail with. Those of STARTING are made only while servers start.
CALLS = {"open": (1, (EMFILE, EIO)), "read": (2, (EIO,)), "pread": (3, (EIO,)), "write": (4, (EIO,)),
         "pwrite": (5, (ENOSPC, EIO)), "ftruncate": (6, (ENOSPC,)), "fallocate": (7, (ENOSPC,)), "rename": (8, (EIO,)),
         "mmap": (9, (ENOMEM,)), "sendmsg": (10, (EPIPE,)), "recvmsg": (11, (ECONNRESET,)), "accept": (12, (EMFILE,)),
         "unlink": (13, (EIO,)), "futimens": (14, (EIO,)), "fchmod": (15, (EPERM,))}


STARTING = {"read", "write", "ftruncate", "mmap", "fallocate", "fchmod"}
DIRECTORIES = 150


class Orders(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("call", "first", "persistent", "error", "counted", "failed")]


class Loop:
    def __init__(self, build, work):
        self.build = build
        self.work = work
        self.failures = self.passes = 0
        with open(f"{work}/orders", "wb") as file:
            file.truncate(mmap.PAGESIZE)
        with open(f"{work}/orders", "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 0)
        self.orders = Orders.from_buffer(self.map)
        self.variables = {"LD_PRELOAD": os.path.join(build, "tests/faults/libnth_call_shim.so"),
                          "FOREBAY_FAULT_CALLS": f"{work}/orders"}
        # A directory a pass: what once failed to be staged is left to the origin from then on.
        self.sums = []
        for number in range(DIRECTORIES):
            place = f"{work}/tree/{number:03d}"
            os.makedirs(place)
            sums = {}
            for name, size in (("empty", 0), ("tiny", 7), ("middle", 100_000), ("large", (5 << 20) + 1 if number % 10 == 0 else 9000)):
                content = hashlib.shake_128(f"{number} {name}".encode()).digest(size)
                with open(f"{place}/{name}", "wb") as file:
                    file.write(content)
                sums[f"{place}/{name}"] = f"{hashlib.md5(content).hexdigest()}  {place}/{name}\n"
            self.sums.append(sums)

    def fail(self, what, why):
        self.failures += 1
        print(f"FAIL: {what}: {why}", flush=True)

    def order(self, call, first, persistent, error):
        self.orders.call = 0
        self.orders.first, self.orders.persistent, self.orders.error = first, persistent, error
        self.orders.counted = self.orders.failed = 0
        self.orders.call = CALLS[call][0]

    def expect_sums(self, what, sums, readers):
        for reader in readers:
            try:
                said = reader.communicate(timeout=90)[0].decode()
                if reader.returncode != 0 or said != "".join(sums.values()):
                    self.fail(what, f"exit code {reader.returncode}, {said}")
            except subprocess.TimeoutExpired:
                reader.kill()
                reader.communicate()
                self.fail(what, "a reader hangs")

    def one_pass(self, session, call, first, persistent, error):
        """How many calls failed."""
        what = f"{call} {first}{'+' if persistent else ''} error {error}"
        sums = self.sums[session.passes]
        session.passes += 1
        self.passes += 1
        if not session.evict(os.path.dirname(next(iter(sums)))):
            self.fail(what, "before it: nothing can be evicted")
        self.order(call, first, persistent, error)
        self.expect_sums(what, sums, [subprocess.Popen(session.in_session(["md5sum", *sums], node), env=session.environment,
                                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) for node in (0, 1)])
        failed = self.orders.failed
        self.orders.call = 0
        deadline = time.monotonic() + 90
        while not session.is_healthy():
            if time.monotonic() > deadline or session.run.poll() is not None:
                self.fail(what, f"the servers do not serve again: {session.said()}")
                raise SystemExit(1)
            time.sleep(0.1)
        return failed

    def while_serving(self, calls, full):
        session = Session(self.build, self.work, self.variables)
        try:
            for call in calls:
                if session.passes > DIRECTORIES // 2:
                    self.end(session)
                    session = Session(self.build, self.work, self.variables)
                ever = first = 0
                for error in CALLS[call][1]:
                    for persistent in (0, 1):
                        for first in numbers(full):
                            failed = self.one_pass(session, call, first, persistent, error)
                            ever += failed
                            if failed == 0:
                                break
                print(f"{call}: {ever} failed calls up to the {first}th", flush=True)
                if ever == 0:
                    self.fail(call, "servers never made this call: nothing was shown")
        finally:
            self.end(session)

    def end(self, session):
        self.orders.call = 0
        code = session.end()
        if code != 0:
            self.fail("run", f"ended with {code}")

    def from_the_start(self, calls):
        """Runs whose servers fail while they start, scan and stage: the command reads the right bytes, whatever becomes of them."""
        forebay = os.path.join(self.build, "src/cli/forebay")
        environment = {**os.environ, **self.variables, "XDG_CACHE_HOME": f"{self.work}/cache"}
        for call in calls:
            ever = first = 0
            for persistent in (0, 1):
                for first in numbers(False):
                    sums = self.sums[first % DIRECTORIES]
                    self.passes += 1
                    self.order(call, first, persistent, CALLS[call][1][0])
                    shutil.rmtree(f"{self.work}/buffer2", ignore_errors=True)
                    run = subprocess.Popen([forebay, "run", "--nodes", "2", "--stage", f"{self.work}/tree", "--buffer",
                                            f"{self.work}/buffer2", "--stripe", "4M", "--quiet", "--start-timeout", "20", "--", "md5sum", *sums],
                                           env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
                    self.expect_sums(f"from the start, {call} {first}{'+' if persistent else ''}", sums, [run])
                    failed = self.orders.failed
                    self.orders.call = 0
                    ever += failed
                    if failed == 0:
                        break
            print(f"from the start, {call}: {ever} failed calls up to the {first}th", flush=True)
            if ever == 0 and call in STARTING:
                self.fail(call, "servers never made this call: nothing was shown")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--call", action="append")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    work = tempfile.mkdtemp(prefix="forebay-nth.", dir=os.environ.get("TMPDIR", "/var/tmp"))
    loop = Loop(os.environ["FOREBAY_BUILD"], work)
    try:
        loop.while_serving([call for call in options.call or CALLS if call not in STARTING], options.full)
        if options.full:
            loop.from_the_start(options.call or CALLS)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"{loop.passes} passes, {loop.failures} failures")
    return 1 if loop.failures else 0


if __name__ == "__main__":
    sys.exit(main())
