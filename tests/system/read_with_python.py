"""read_with_python.py TREE SCRATCH: lists and reads TREE with open, os.scandir, mmap, shutil and glob."""
import glob
import hashlib
import mmap
import os
import shutil
import sys


def describe(status):
    return (status.st_mode, status.st_ino, status.st_dev, status.st_nlink, status.st_uid, status.st_gid, status.st_size,
            status.st_mtime_ns, status.st_ctime_ns, status.st_blocks)


def walk(path):
    with os.scandir(path) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            kind = (entry.is_dir(follow_symlinks=False), entry.is_file(follow_symlinks=False), entry.is_symlink())
            print(entry.path, entry.inode(), kind, describe(entry.stat(follow_symlinks=False)))
            if entry.is_dir(follow_symlinks=False):
                yield from walk(entry.path)
            elif entry.is_file(follow_symlinks=False):
                yield entry.path


def read(path):
    with open(path, "rb") as file:
        content = file.read()
        opened = os.fstat(file.fileno())
        assert describe(opened) == describe(os.stat(path)), f"fstat and stat of {path!r} differ"
        assert len(content) == opened.st_size, f"{path!r} has {opened.st_size} bytes and {len(content)} were read"
        digest = hashlib.md5(content).hexdigest()
        if content:
            with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
                assert hashlib.md5(mapped).hexdigest() == digest, f"mmap and read of {path!r} differ"
            middle = len(content) // 2
            assert os.pread(file.fileno(), 1000, middle) == content[middle:middle + 1000], f"pread of {path!r} differs"
    return digest


def main():
    tree, scratch = (os.fsencode(os.path.abspath(argument)) for argument in sys.argv[1:])
    for path in walk(tree):
        print(path, read(path))
    copy = scratch + b"/python"
    shutil.copytree(tree + b"/made", copy, symlinks=True)
    for path in sorted(os.path.join(folder, name) for folder, _, names in os.walk(copy) for name in names):
        if os.path.isfile(path) and not os.path.islink(path):
            print(os.path.relpath(path, copy), read_copy(path))
    shutil.rmtree(copy)
    for name in sorted(glob.glob(glob.escape(tree) + b"/**/*", recursive=True)):
        print(name)
    print(sorted(os.listdir(tree + b"/made/links")), os.path.realpath(tree + b"/made/links/round_about"))


def read_copy(path):
    with open(path, "rb") as file:
        return hashlib.md5(file.read()).hexdigest()


main()
