"""make_oddities.py DIR: files, links and names that trip programs, and the files that HDF5 and fio read."""
import hashlib
import os
import subprocess
import sys

import h5py
import numpy

KIB = 1024
MIB = 1024 * KIB
STRIPE_BYTES = 64 * MIB


def pattern(size, seed):
    """Bytes that differ from file to file and do not repeat within a page."""
    out = bytearray()
    while len(out) < size:
        out += hashlib.sha512(b"%d %d" % (seed, len(out))).digest() * 16
    return bytes(out[:size])


def write(path, content):
    with open(path, "wb") as file:
        file.write(content)


def make_names(root):
    os.mkdir(root)
    names = [b"new\nline", b"\xff\xfe not text", b"\xc3\xa4\xe2\x82\xac", b" leading", b"trailing ", b"-rf", b"*", b"a?[b]",
             b"back\\slash", b"qu'ote\"s", b"%41", b"tab\there", b"$(touch x)", b"...", b"~", b"#", b"n" * 255, b".hidden"]
    for number, name in enumerate(names):
        write(os.path.join(root, name), pattern(100 + number, number))
        os.mkdir(os.path.join(root, b"dir " + name[:200]))
        write(os.path.join(root, b"dir " + name[:200], name), pattern(10, number))


def make_links(root):
    os.mkdir(root)
    os.makedirs(root + b"/target/inner")
    write(root + b"/target/file", b"the target\n")
    write(root + b"/target/inner/file", b"the inner target\n")
    os.symlink(b"target/file", root + b"/relative")
    os.symlink(root + b"/target/file", root + b"/absolute")
    os.symlink(b"../" + os.path.basename(root) + b"/target/../target//file", root + b"/round_about")
    os.symlink(b"relative", root + b"/of_a_link")
    os.symlink(b"target", root + b"/to_directory")
    os.symlink(root + b"/target/inner", root + b"/absolute_to_directory")
    os.symlink(b"/etc/os-release", root + b"/out_of_the_tree")
    os.symlink(b"/no/such/file", root + b"/dangling")
    os.symlink(b"missing", root + b"/dangling_relative")
    os.symlink(b"loop", root + b"/loop")
    for number in range(3):
        os.makedirs(root + b"/hard%d" % number)
        if number == 0:
            write(root + b"/hard0/name", pattern(5000, 77))
        else:
            os.link(root + b"/hard0/name", root + b"/hard%d/name" % number)
    os.link(root + b"/hard0/name", root + b"/hard0/second_name")


def make_sizes(root):
    os.mkdir(root)
    os.mkdir(root + b"/empty_directory")
    for size in (0, 1, 4095, 4096, 4097, MIB - 1, MIB, MIB + 1, 4 * MIB, 4 * MIB + 1):
        write(root + b"/%d" % size, pattern(size, size))
    with open(root + b"/sparse", "wb") as file:
        file.truncate(20 * MIB + 123)
        file.seek(7 * MIB)
        file.write(pattern(64 * KIB, 7))
    with open(root + b"/stripe_and_a_byte", "wb") as file:
        file.truncate(STRIPE_BYTES + 1)
        for offset in (0, STRIPE_BYTES // 2, STRIPE_BYTES - 8 * KIB):
            file.seek(offset)
            file.write(pattern(8 * KIB + (offset == STRIPE_BYTES - 8 * KIB), offset))


def make_deep_and_wide(root):
    os.mkdir(root)
    path = root + b"/deep"
    for level in range(200):
        os.mkdir(path)
        if level % 20 == 0:
            write(path + b"/file", b"level %d\n" % level)
        path += b"/d"
    os.mkdir(root + b"/wide")
    for number in range(3000):
        write(root + b"/wide/%05d" % number, pattern(number % 300, number))


def make_attributes(root):
    os.mkdir(root)
    for mode in (0o400, 0o444, 0o640, 0o755, 0o1400, 0o1644, 0o2755, 0o4755, 0o6777):
        write(root + b"/%o" % mode, b"%o" % mode)
        os.chmod(root + b"/%o" % mode, mode)
    for mode in (0o700, 0o1777, 0o2755, 0o555):
        os.mkdir(root + b"/dir_%o" % mode)
        os.chmod(root + b"/dir_%o" % mode, mode)
    if os.geteuid() == 0:
        write(root + b"/0", b"only root reads this")
        os.chmod(root + b"/0", 0)
        for number, owner in enumerate((1, 1000, 65534, 2**31)):
            write(root + b"/owner%d" % number, b"owned")
            try:
                os.chown(root + b"/owner%d" % number, owner, owner)
            except OSError:
                pass  # an id that this user namespace does not map
    for number, nanoseconds in enumerate((0, 1, -1_500_000_000, 999_999_999, 4_102_444_800_123_456_789)):
        write(root + b"/time%d" % number, b"timed")
        os.utime(root + b"/time%d" % number, ns=(nanoseconds, nanoseconds))


def make_hdf5(path):
    random = numpy.random.default_rng(1)
    with h5py.File(path, "w") as file:
        file["plain"] = random.standard_normal((1000, 500))
        file.create_dataset("chunked", data=random.integers(0, 1000, (2000, 300)), chunks=(100, 100), compression="gzip",
                            shuffle=True)
        group = file.create_group("group")
        group.attrs["units"] = "m/s"
        group["text"] = [f"entry {number}" for number in range(1000)]
        group["link"] = h5py.SoftLink("/chunked")


def make_fio(path):
    """Blocks that carry their own checksum, which fio verifies when it reads."""
    subprocess.run(["fio", "--name=layout", "--filename=" + path, "--rw=write", "--bs=64k", f"--size={STRIPE_BYTES + 8 * MIB}",
                    "--ioengine=psync", "--verify=md5", "--do_verify=0", "--verify_state_save=0", "--output=/dev/null"],
                   check=True, cwd=os.path.dirname(path))


def main():
    root = os.path.abspath(sys.argv[1])
    os.makedirs(root)
    make_names(os.fsencode(root + "/names"))
    make_links(os.fsencode(root + "/links"))
    make_sizes(os.fsencode(root + "/sizes"))
    make_deep_and_wide(os.fsencode(root + "/shapes"))
    make_attributes(os.fsencode(root + "/attributes"))
    make_hdf5(root + "/data.h5")
    make_fio(root + "/fio.dat")


main()
