"""restart_stop_early.py WORD RANK: stops that rank's server, of a command line with WORD, as soon as there is one; says its process."""
import os
import signal
import sys
import time

word, rank = sys.argv[1].encode(), b"OMPI_COMM_WORLD_RANK=" + sys.argv[2].encode()


def read(pid, name):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


deadline = time.monotonic() + 60
while time.monotonic() < deadline:
    # The newest first, as they come.
    for pid in sorted((int(name) for name in os.listdir("/proc") if name.isdigit()), reverse=True)[:60]:
        words = read(pid, "cmdline")
        if b"\0serve\0" in words and word in words and rank in read(pid, "environ").split(b"\0"):
            os.kill(pid, signal.SIGSTOP)
            print(pid)
            sys.exit(0)
sys.exit("no such server within a minute")
