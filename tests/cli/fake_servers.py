#!/usr/bin/env python3
"""fake_servers.py: in the place of mpirun, what `forebay run` hears from servers with checkpoints that drain.

In $FAKE: `pending`, how many files are not durable; `rate`, how many of them become durable in a tenth of a second while
a drain was asked for; `die`, how often servers end as soon as a drain is asked for; `mute`, no word about drains.
Commands are noted in `commands`, a line each.
"""
import json
import os
import select
import sys
import time

fake = os.environ["FAKE"]


def number(name, otherwise=0):
    try:
        with open(f"{fake}/{name}") as file:
            return int(file.read())
    except FileNotFoundError:
        return otherwise


def put(name, value):
    with open(f"{fake}/{name}.new", "w") as file:
        file.write(str(value))
    os.rename(f"{fake}/{name}.new", f"{fake}/{name}")


def say(**event):
    os.write(1, (json.dumps(event) + "\n").encode())


def listed(count):
    return [{"path": f"/ckpt/a%25b/{i}", "state": "failed", "reason": "no space left on device"} for i in range(min(count, 100))]


def main():
    drain = None
    deadline = None
    say(event="alive")
    say(event="ready", nodes=[{"node": 0, "name": "node0", "host": "h", "session": ""}])
    text = b""
    while True:
        if select.select([0], [], [], 0.1)[0]:
            piece = os.read(0, 65536)
            if not piece:
                sys.exit(1)
            text += piece
        *lines, text = text.split(b"\n")
        for line in lines:
            command = json.loads(line)
            with open(f"{fake}/commands", "a") as file:
                file.write(json.dumps(command) + "\n")
            if command["command"] == "stop":
                say(event="report", checkpoints={"durable_files": 3, "durable_bytes": 1024, "pending_files": number("pending")})
                sys.exit(0)
            if command["command"] == "drain":
                if number("die") > 0:
                    put("die", number("die") - 1)
                    sys.exit(1)
                drain = command
                deadline = time.monotonic() + command["deadline_s"] if "deadline_s" in command else None
        say(event="alive")
        pending = number("pending")
        if drain and pending > 0:
            pending = max(0, pending - number("rate"))
            put("pending", pending)
        if pending > 0:
            say(event="drain", pending_files=pending, pending_bytes=pending << 20, durable_files=0, durable_bytes=0,
                failed=0 if number("rate") else pending, reason="no space left on device")
        if drain and (pending == 0 or deadline is not None and time.monotonic() >= deadline) and not number("mute"):
            say(event="drained", id=drain["id"], left=pending, not_durable=listed(pending))
            drain = None


main()
