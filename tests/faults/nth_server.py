#!/usr/bin/env python3
"""nth_server.py [--full]: the Nth call of a function in servers fails, N = 1, 2, 3, ... until a pass without a failure; once,
and from the Nth on: while they serve, and from their first moment on. Readers on both nodes, before whom everything was evicted,
get the right bytes all the same, and once nothing fails any more the servers bring everything again, and leave nothing to the
origin.

--full takes every N (but for the many opens of a start); otherwise N grows faster than by one."""
import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from nth_orders import OrdersFile
from nth_session import Session, numbers

EPERM, EIO, ENOMEM, EMFILE, ENOSPC, EPIPE, ECONNRESET, ECONNREFUSED = 1, 5, 12, 24, 28, 32, 104, 111

# With the errors they fail with.
CALLS = {"open": (EMFILE, EIO), "read": (EIO,), "pread": (EIO,), "write": (EIO,), "pwrite": (ENOSPC, EIO), "ftruncate": (ENOSPC,),
         "fallocate": (ENOSPC,), "rename": (EIO,), "mmap": (ENOMEM,), "sendmsg": (EPIPE,), "recvmsg": (ECONNRESET,),
         "accept": (EMFILE,), "unlink": (EIO,), "futimens": (EIO,), "fchmod": (EPERM,), "connect": (ECONNREFUSED,)}

# What servers do only while they start: words of their launcher, session and catalog are made and mapped then.
STARTING = ("read", "write", "mmap", "fchmod")
# Servers wait for clients and connect to nobody; MPI's connections are its library's own.
NEVER = ("connect",)

# Two stripes, brought as one; and six, read one by one and evicted one by one by nodes, which have no room for all.
SIZES = {"empty": 0, "tiny": 7, "middle": 100_000, "two": (5 << 20) + 1, "six": (21 << 20) + 5, **{f"{n}": 5000 + n for n in range(8)}}
ARGUMENTS = ("--materialise-max", "8M", "--capacity", "20M")
RECOVERED_WITHIN_S = 90
# Of the calls of a start: those behind it open directory after directory of the buffers (a thousand), and stage.
ALL_UP_TO = 100


class Loop:
    def __init__(self, build, work, full):
        self.build = build
        self.work = work
        self.full = full
        self.failures = self.passes = 0
        self.began = time.monotonic()
        self.orders_file = OrdersFile(build, f"{work}/orders")
        self.orders = self.orders_file.orders
        self.variables = self.orders_file.variables
        self.tree = f"{work}/tree"
        os.mkdir(self.tree)
        right = hashlib.md5()
        for name, size in SIZES.items():
            content = hashlib.shake_128(name.encode()).digest(size)
            right.update(content)
            with open(f"{self.tree}/{name}", "wb") as file:
                file.write(content)
        self.right = right.hexdigest()
        # Not md5sum alone: a stream's reads are not seen, and would read the large one at the origin.
        self.reader = ["sh", "-c", 'cat "$@" | md5sum', "sh", *(f"{self.tree}/{name}" for name in SIZES)]

    def fail(self, what, why):
        self.failures += 1
        print(f"FAIL: {what}: {why}", flush=True)

    def order(self, call, first, persistent, error):
        self.orders_file.give(call, first, persistent, error)

    def expect_bytes(self, what, readers):
        for reader in readers:
            try:
                said = reader.communicate(timeout=90)[0].decode()
                if reader.returncode != 0 or said.split()[:1] != [self.right]:
                    self.fail(what, f"exit code {reader.returncode}, {said}")
            except subprocess.TimeoutExpired:
                reader.kill()
                reader.communicate()
                self.fail(what, "a reader hangs")

    def expect_recovery(self, what, session):
        """Both servers serve, and all of the tree can be brought into their buffers."""
        deadline = time.monotonic() + RECOVERED_WITHIN_S
        brought = None
        while session.run.poll() is None and time.monotonic() < deadline:
            if session.is_healthy() and session.evict(self.tree):
                brought = session.bring(self.tree)
                if brought and brought["errors"] == 0 and brought["objects"] == len(SIZES):
                    return
            time.sleep(0.05)
        self.fail(what, f"not as before: {brought}, {session.said()}")
        raise SystemExit(1)

    def one_pass(self, session, call, first, persistent, error):
        """How many calls failed."""
        what = f"{call} {first}{'+' if persistent else ''} error {error}"
        self.passes += 1
        if not session.evict(self.tree):
            self.fail(what, "before it: nothing can be evicted")
        self.order(call, first, persistent, error)
        self.expect_bytes(what, [subprocess.Popen(session.in_session(self.reader, node), env=session.environment,
                                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) for node in (0, 1)])
        session.evict(self.tree)
        failed = self.orders.failed
        self.orders.call = 0
        self.expect_recovery(what, session)
        return failed

    def judge(self, call, what, ever, first):
        print(f"{time.monotonic() - self.began:.0f} s: {what}: {ever} failed calls up to the {first}th", flush=True)
        if call in NEVER and ever > 0:
            self.fail(what, "servers make this call after all: it is not one of NEVER")
        if call not in NEVER and ever == 0:
            self.fail(what, "servers never made this call: nothing was shown")

    def expect_nothing_left(self, what):
        """One call that failed may have cost a run its servers, but with servers it left no file to the origin."""
        with open(f"{self.work}/report", encoding="utf-8") as file:
            report = json.load(file)
        if "without_forebay" not in report and (report["dataset_objects"], report.get("left_to_origin", 0)) != (len(SIZES), 0):
            self.fail(what, f"left to the origin: {report}")

    def while_serving(self, calls):
        session = Session(self.build, self.work, self.variables, ARGUMENTS)
        try:
            for call in calls:
                ever = first = 0
                for error in CALLS[call][:None if self.full else 1]:
                    for persistent in (0, 1):
                        for first in numbers(self.full, growth=4):
                            failed = self.one_pass(session, call, first, persistent, error)
                            ever += failed
                            if failed == 0:
                                break
                self.judge(call, call, ever, first)
        finally:
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
                for first in numbers(self.full, growth=4, all_up_to=ALL_UP_TO):
                    self.passes += 1
                    self.order(call, first, persistent, CALLS[call][0])
                    shutil.rmtree(f"{self.work}/buffer2", ignore_errors=True)
                    run = subprocess.Popen([forebay, "run", "--nodes", "2", "--stage", self.tree, "--buffer", f"{self.work}/buffer2",
                                            "--stripe", "4M", *ARGUMENTS, "--quiet", "--start-timeout", "8",
                                            "--server-timeout", "3", "--restarts", "100", "--report", f"{self.work}/report",
                                            "--", *self.reader],
                                           env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
                    what = f"from the start, {call} {first}{'+' if persistent else ''}"
                    self.expect_bytes(what, [run])
                    if not persistent:
                        self.expect_nothing_left(what)
                    failed = self.orders.failed
                    self.orders.call = 0
                    ever += failed
                    if failed == 0:
                        break
            self.judge(call, f"from the start, {call}", ever, first)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--call", action="append")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    work = tempfile.mkdtemp(prefix="forebay-nth.", dir=os.environ.get("TMPDIR", "/var/tmp"))
    loop = Loop(os.environ["FOREBAY_BUILD"], work, options.full)
    calls = options.call or CALLS
    try:
        loop.while_serving([call for call in calls if call not in STARTING])
        loop.from_the_start([call for call in calls if options.full or call in STARTING])
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"{loop.passes} passes, {loop.failures} failures")
    return 1 if loop.failures else 0


if __name__ == "__main__":
    sys.exit(main())
