#!/usr/bin/python3
"""manifest.py TREE [NAME...]: prints all that a reader can know of a tree: kinds, attributes, bytes, targets, or the errno.

With NAMEs, those files are opened and mapped first, before READY is made in $FLAGS; once GO is there, what they hold is
printed, too.
"""
import errno
import hashlib
import mmap
import os
import stat
import sys
import time

DEADLINE_S = 120


def attributes(info):
    return (oct(info.st_mode), info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_nlink, info.st_ino, info.st_uid)


def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


def said(call, *arguments):
    try:
        return call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]


def read(path):
    with open(path, "rb") as file:
        return digest(file.read())


def show(path, name):
    info = said(os.lstat, path)
    if isinstance(info, str):
        print(name, info)
        return
    print(name, attributes(info), end=" ")
    if stat.S_ISLNK(info.st_mode):
        print(said(os.readlink, path))
    elif stat.S_ISREG(info.st_mode):
        print(said(read, path))
    else:
        names = said(os.listdir, path)
        print(names if isinstance(names, str) else len(names))
        for child in [] if isinstance(names, str) else sorted(names):
            show(os.path.join(path, child), os.path.join(name, child))


def hold(tree, names):
    held = []
    for name in names:
        fd = os.open(os.path.join(tree, name), os.O_RDONLY)
        held.append((name, fd, mmap.mmap(fd, 0, prot=mmap.PROT_READ), read(os.path.join(tree, name))))
    flags, node = os.environ["FLAGS"], os.environ["FOREBAY_NODE"]
    open(f"{flags}/ready.{node}", "w").close()
    deadline = time.monotonic() + DEADLINE_S
    while not os.path.exists(f"{flags}/go"):
        if time.monotonic() > deadline:
            sys.exit("nobody said go")
        time.sleep(0.05)
    for name, fd, mapped, before in held:
        now = digest(os.pread(fd, 1 << 24, 0))
        if now != before or digest(mapped) != before:
            print(f"{name}: the open file is another version than it was")


tree = sys.argv[1]
if len(sys.argv) > 2:
    hold(tree, sys.argv[2:])
show(tree, "")
