#!/usr/bin/env python3
"""nth_client.py [--full]: the Nth system call of a reading process fails, N = 1, 2, 3, ... until a run passes without a failure;
once, and from the Nth on. What the program sees is right, or the error that this call of the program itself would have met
without forebay; never wrong bytes, another error, a crash or a hang.

Without --full N grows faster than by one, so that continuous integration is done in seconds."""
import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from nth_session import Session, numbers

EIO, ENOMEM, EMFILE, ENOSPC, EPIPE, ECONNREFUSED, ECONNRESET = 5, 12, 24, 28, 32, 111, 104

# call: the error it fails with
CALLS = {"openat": EMFILE, "read": EIO, "pread64": EIO, "write": ENOSPC, "ftruncate": EIO, "fallocate": ENOSPC,
         "rename": EIO, "unlink": EIO, "mmap": ENOMEM, "munmap": ENOMEM, "close": EIO, "lseek": EIO,
         "fstat": EIO, "newfstatat": EIO, "statx": EIO, "readlink": EIO, "readlinkat": EIO, "getdents64": EIO, "access": EIO,
         "faccessat": EIO, "faccessat2": EIO, "socket": EMFILE, "connect": ECONNREFUSED, "sendto": EPIPE,
         "sendmsg": EPIPE, "recvmsg": ECONNRESET, "recvfrom": ECONNRESET, "ppoll": ENOMEM, "poll": ENOMEM, "setsockopt": ENOMEM,
         "getsockopt": ENOMEM, "madvise": ENOMEM, "rt_sigprocmask": ENOMEM}

# The reader certainly makes these.
EXPECTED = {"openat", "read", "pread64", "write", "ftruncate", "fallocate", "rename", "mmap", "close", "newfstatat", "socket",
            "connect", "sendto", "recvmsg", "ppoll"}

# And these never: a request carries no descriptor, and goes by send(), whose system call is sendto.
NEVER = {"sendmsg"}

# What each function of the program does itself, without forebay.
NATIVE = {"stat": {"newfstatat"}, "lstat": {"newfstatat"}, "statx": {"statx"}, "access": {"access", "faccessat", "faccessat2"},
          "open": {"openat"}, "fstat": {"newfstatat", "fstat"}, "read": {"read"}, "pread": {"pread64"}, "lseek": {"lseek"},
          "mmap": {"mmap"}, "close": {"close"}, "create": {"openat"}, "write": {"write"}, "ftruncate": {"ftruncate"},
          "fallocate": {"fallocate"}, "size": {"newfstatat", "fstat"}, "rename": {"rename"}, "there": {"newfstatat"},
          "unlink": {"unlink"}, "fopen": {"openat", "mmap"}, "fread": {"read", "mmap"},
          "opendir": {"openat", "newfstatat", "fstat", "mmap"}, "readdir": {"getdents64"}, "readlink": {"readlink", "readlinkat"}}

CHANGES = ("write", "ftruncate", "fallocate", "size", "rename", "there", "unlink")


def state_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        text = file.read()
    return text[text.rfind(")") + 2]


def traced(argv, environment, injection, log):
    """The program's output, its code, how many calls failed."""
    program = subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while state_of(program.pid) != "T":
        if time.monotonic() > deadline or program.poll() is not None:
            raise SystemExit("the reader did not begin")
        time.sleep(0.001)
    tracer = subprocess.Popen(["strace", "-f", "-o", log, "-e", f"trace={injection.split(':')[0]}", "-e", f"inject={injection}",
                               "-p", str(program.pid)], stderr=subprocess.PIPE)
    tracer.stderr.readline()  # "Process N attached"
    os.kill(program.pid, signal.SIGCONT)
    try:
        output = program.communicate(timeout=60)[0].decode()
        code = program.returncode
    except subprocess.TimeoutExpired:
        program.kill()
        program.communicate()
        output, code = "", "hang"
    tracer.wait(timeout=60)
    tracer.stderr.close()
    with open(log, errors="replace") as file:
        return output, code, file.read().count("(INJECTED)")


def differences(expected, output, call, error):
    """Lines that are neither right nor the program's own failure."""
    found = []
    lines = output.splitlines()
    for line in lines:
        what = line.split(" ", 1)[0]
        if line in expected or (line.endswith(f" errno {error}") and call in NATIVE[what]):
            continue
        found.append(line)
    # What was not looked at at all: only behind an open that failed.
    said = {tuple(line.split(" ")[:2]) for line in lines}
    for line in expected:
        what, path = line.split(" ")[:2]
        if (what, path) not in said:
            opener = {"fread": "fopen", "readdir": "opendir", **dict.fromkeys(CHANGES, "create")}.get(what, "open")
            if f"{opener} {path} errno {error}" not in lines:
                found.append(f"missing: {what} {path}")
    return found


def make_tree(tree):
    os.makedirs(f"{tree}/directory")
    # The large one is read by stripe.
    for name, size in (("small", 3000), ("directory/middle", 300_000), ("directory/large", 5 << 20)):
        with open(f"{tree}/{name}", "wb") as file:
            file.write(bytes((index * 7 + size) % 251 for index in range(4096)) * (size // 4096) + b"end" * 50 + bytes(size % 4096))
    os.symlink("directory/middle", f"{tree}/link@")
    os.mkdir(f"{tree}/changes")
    return [f"{tree}/small", f"{tree}/directory/middle", f"{tree}/directory/large", f"{tree}/directory/", f"{tree}/link@",
            f"{tree}/changes/+"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--call", action="append")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    build = os.environ["FOREBAY_BUILD"]
    work = tempfile.mkdtemp(prefix="forebay-nth.", dir=os.environ.get("TMPDIR", "/var/tmp"))
    paths = make_tree(f"{work}/tree")
    argv = [os.path.join(build, "tests/faults/nth_call_reader"), *paths]
    session = Session(build, work, arguments=["--materialise-max", "4M"])
    failures = runs = 0
    try:
        native, code, _ = traced(argv, session.environment, "uname:error=EIO:when=1", f"{work}/log")
        assert code == 0, code
        expected = set(native.splitlines())
        if not {f"size {paths[-1]} 1", f"there {paths[-1]} 1"} <= expected:
            raise SystemExit(f"without forebay already: {expected}")
        right, code, _ = traced(session.in_session(argv), session.environment, "uname:error=EIO:when=1", f"{work}/log")
        if set(right.splitlines()) != expected:
            raise SystemExit(f"without failures already: {set(right.splitlines()) ^ expected}")
        for call in options.call or CALLS:
            injected_ever = 0
            for persistent in ("", "+"):
                for number in numbers(options.full):
                    session.evict(f"{work}/tree")
                    for name in os.listdir(f"{work}/tree/changes"):  # What a failing unlink left.
                        os.unlink(f"{work}/tree/changes/{name}")
                    output, code, injected = traced(session.in_session(argv), session.environment,
                                                    f"{call}:error={CALLS[call]}:when={number}{persistent}", f"{work}/log")
                    runs += 1
                    injected_ever += injected
                    found = differences(expected, output, call, CALLS[call]) if code == 0 else [f"exit code {code}"]
                    for line in found:
                        failures += 1
                        print(f"FAIL: {call} {number}{persistent}: {line}", flush=True)
                    if injected == 0:
                        break
            if injected_ever == 0 and call in EXPECTED:
                failures += 1
                print(f"FAIL: {call}: the reader never made this call: nothing was shown")
            if injected_ever > 0 and call in NEVER:
                failures += 1
                print(f"FAIL: {call}: made after all: say so in EXPECTED")
            print(f"{call}: {injected_ever} failed calls up to the {number}th", flush=True)
    finally:
        code = session.end()
        shutil.rmtree(work, ignore_errors=True)
    if code != 0:
        print(f"FAIL: run ended with {code}")
        failures += 1
    print(f"{runs} runs, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
