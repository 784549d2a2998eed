#!/usr/bin/python3
"""hostile_clients.py WHAT SESSION TREE FIRST LAST: what clients may do to a server's socket, and to each other.

Runs as a client of the session (under the interposer). Files FIRST to LAST of TREE, "file <number>", are not local yet.
"""
import array
import os
import pathlib
import random
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading

MATERIALISE, INVALIDATE, ADMIN, STRIPE = 1, 2, 3, 4
PACKET_MAX = 64 << 10
PATIENCE_S = 60

HEADER = pathlib.Path(__file__).parents[2] / "src/shared/messages.hpp"
VERSION = int(re.search(r"kMessageVersion = (\d+)", HEADER.read_text())[1])
MAGIC = 0x59424246

what, session, tree = sys.argv[1:4]
first, last = int(sys.argv[4]), int(sys.argv[5])
random.seed(what)


def connect():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(PATIENCE_S)
    s.connect(session + "/socket")
    return s


def message(kind, body=b"", magic=MAGIC, version=VERSION, length=None):
    return struct.pack("<IHHII", magic, version, kind, len(body) if length is None else length, 0) + body


def materialise(entry, dataset=0):
    return message(MATERIALISE, struct.pack("<IIII", dataset, entry, 0, 0))


def status():
    return message(ADMIN, b'{"op":"status"}')


def file_is_right(number):
    with open(f"{tree}/{number}", "rb") as file:
        return file.read() == b"file %d\n" % number


def end(problems):
    print(f"{what}: {problems} problems")
    sys.exit(1 if problems else 0)


def processes():
    """All at once, on files that nobody has opened yet."""
    gate, open_gate = os.pipe()
    children = []
    for number in range(first, last + 1):
        child = os.fork()
        if child == 0:
            os.close(open_gate)
            os.read(gate, 1)  # the end of the file: all go at once
            os._exit(0 if file_is_right(number) else 1)
        children.append(child)
    os.close(open_gate)
    return sum(os.waitpid(child, 0)[1] != 0 for child in children)


def threads():
    threading.stack_size(256 << 10)
    count = last - first + 1
    barrier = threading.Barrier(count)
    wrong = []

    def one(number):
        barrier.wait()
        if not file_is_right(number):
            wrong.append(number)

    running = [threading.Thread(target=one, args=(number,)) for number in range(first, last + 1)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return len(wrong)


def flood():
    """More connections than the server takes, which ask nothing; others are served all the same."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gate, open_gate = os.pipe()
    told, tell = os.pipe()
    children = []
    for _ in range(10):
        child = os.fork()
        if child == 0:
            os.close(open_gate)
            held = []
            for _ in range(500):
                s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                s.setblocking(False)
                try:
                    s.connect(session + "/socket")
                except BlockingIOError:
                    pass  # The backlog is full, too.
                held.append(s)
            os.write(tell, b".")
            os.read(gate, 1)
            os._exit(0)
        children.append(child)
    for _ in children:
        os.read(told, 1)
    problems = sum(not file_is_right(number) for number in range(first, last + 1))
    os.close(open_gate)
    for child in children:
        os.waitpid(child, 0)
    return problems


def ends(s):
    """The server answers or hangs up; what it says does not matter here."""
    try:
        while True:
            packet = s.recv(PACKET_MAX)
            if not packet:
                return True
            if struct.unpack_from("<H", packet, 6)[0] in (101, 102):
                return True
    except (ConnectionResetError, BrokenPipeError):
        return True
    except socket.timeout:
        return False


def garbage():
    packets = [b"", b"x", message(MATERIALISE)[:7], message(MATERIALISE), message(STRIPE), message(INVALIDATE), message(77),
               message(ADMIN, b"{"), message(ADMIN, b"\xff" * 1000), message(ADMIN, b"[" * 60000), message(ADMIN, b'{"op":7}'),
               message(ADMIN, b'{"op":"locate","path":7}'), message(ADMIN, b'{"op":"check","paths":{"a":1}}'),
               message(ADMIN, b'{"op":"check","paths":["/nowhere"]}'), message(ADMIN, b'{"op":"refresh","paths":[1]}'),
               message(ADMIN, b'{"op":"refresh","id":"9.9","paths":["/nowhere"]}'),
               materialise(0), materialise(2**32 - 1), materialise(1, 15), materialise(1, 2**32 - 1),
               message(STRIPE, struct.pack("<IIII", 0, 1, 2**32 - 1, 2**32 - 1)),
               message(INVALIDATE, struct.pack("<II", 2**32 - 1, 0)), message(INVALIDATE, struct.pack("<II", 8, 0)),
               message(INVALIDATE, struct.pack("<IIIII", 1, 0, 99, 99, 99)),
               message(MATERIALISE, bytes(16), magic=1), message(MATERIALISE, bytes(16), version=1),
               message(MATERIALISE, bytes(16), length=2**32 - 1), message(MATERIALISE, bytes(16), length=15)]
    for _ in range(300):
        packets.append(random.randbytes(random.choice([1, 15, 16, 17, 32, 1000, PACKET_MAX, PACKET_MAX + 1, 100_000])))
        packets.append(message(random.choice([0, 5, 100, 101, 65535]), random.randbytes(random.randrange(200))))
    problems = 0
    for packet in packets:
        with connect() as s:
            try:
                s.send(packet)
            except OSError:
                continue
            if packet == b"":
                continue  # No packet at all.
            problems += not ends(s)
        with connect() as s:  # A second request before the first was answered.
            try:
                s.send(status())
                s.send(packet or b"y")
            except OSError:
                continue
            problems += not ends(s)
    return problems


def descriptors():
    """Descriptors that nobody asked for are not kept."""
    problems = 0
    with open("/dev/null", "rb") as null:
        for number in range(60):
            sent = array.array("i", [null.fileno()] * random.choice([1, 16, 253]))
            with connect() as s:
                s.sendmsg([random.choice([status(), b"garbage"])], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, sent)])
                if number % 2:
                    problems += not ends(s)
    return problems


def deaf():
    """Asks and never reads; keeps the connection while others are served."""
    held = []
    for number in range(300):
        s = connect()
        s.send(status() if number % 2 else materialise(1 + number))
        held.append(s)
    problems = sum(not file_is_right(number) for number in range(first, last + 1))
    for s in held:
        s.close()
    return problems


def killed():
    """Dies in the middle of a request."""
    for number in range(first, last + 1):
        child = os.fork()
        if child == 0:
            file_is_right(number)
            os._exit(0)
        for _ in range(random.randrange(4)):
            os.sched_yield()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    reader = subprocess.Popen(["cat", *[f"{tree}/{number}" for number in range(first, last + 1)]], stdout=subprocess.PIPE)
    got = reader.communicate()[0]
    return 0 if got == b"".join(b"file %d\n" % number for number in range(first, last + 1)) else 1


end(globals()[what]())
