"""checkpoint_calls.py ROOT: makes every kind of change and look in ROOT, and says what came of each call.

Run in a plain directory and below a checkpoint mount, it must say the same, and leave the same behind. ROOT has the files of
an earlier job: old/file, old/deep/x, old/empty, link -> old/file, up -> ../ROOT/old, inside -> ROOT/old.
"""
import ctypes
import errno
import fcntl
import glob
import mmap
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile

ROOT = sys.argv[1]
NAME = os.path.basename(ROOT)
LIBC = ctypes.CDLL(None, use_errno=True)
NOREPLACE, EXCHANGE = 1, 2


def shown(value):
    if isinstance(value, os.stat_result):
        kind = stat.S_IFMT(value.st_mode)
        size = "" if stat.S_ISDIR(value.st_mode) or stat.S_ISLNK(value.st_mode) else f" {value.st_size}"
        old = f" {value.st_mtime_ns}" if value.st_mtime < 1.5e9 else ""
        return f"{kind:o} {stat.S_IMODE(value.st_mode):o}{size} {value.st_uid}:{value.st_gid}{old}"
    if isinstance(value, list):
        value = sorted(map(str, value))
    return str(value).replace(ROOT, "ROOT").replace(NAME, "NAME")


def say(what, call):
    try:
        result = shown(call())
    except OSError as problem:
        result = errno.errorcode.get(problem.errno, str(problem.errno))
    except shutil.Error as problem:
        result = shown(problem)
    print(f"{what}: {result}", flush=True)


def at(path):
    return os.path.join(ROOT, path) if path else ROOT


def put(path, text, flags=os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode=0o644, **keys):
    fd = os.open(path, flags, mode, **keys)
    try:
        return os.write(fd, text.encode())
    finally:
        os.close(fd)


def get(path, **keys):
    fd = os.open(path, os.O_RDONLY, **keys)
    try:
        return os.read(fd, 1 << 20).decode()
    finally:
        os.close(fd)


def call(name, *arguments):
    arguments = [a.encode() if isinstance(a, str) else a for a in arguments]
    ctypes.set_errno(0)
    result = getattr(LIBC, name)(*arguments)
    if result == -1:
        raise OSError(ctypes.get_errno(), name)
    return result


def tree(path):
    found = []
    for directory, directories, files in os.walk(path):
        for name in directories + files:
            full = os.path.join(directory, name)
            info = os.lstat(full)
            text = os.readlink(full) if stat.S_ISLNK(info.st_mode) else ""
            text = get(full) if stat.S_ISREG(info.st_mode) and info.st_size < 100 else text
            found.append(f"{full[len(path):]} {shown(info)} {text}")
    return [shown(line) for line in found]


def look():
    for path in ("", "old", "old/file", "old/empty", "old/deep/x", "link", "up", "up/file", "inside", "inside/deep/x",
                 "old/../old/file", "./old//file", "old/deep/../../link", "missing", "old/missing", "old/file/x",
                 "missing/x", "old/", "old/file/", "old/.", "old/deep/..", "../" + NAME + "/old/file", "inside/../old",
                 "up/../" + NAME, "x" * 300):
        full = ROOT + "/" + path
        say(f"stat {path[:20]}", lambda: os.stat(full))
        say(f"lstat {path[:20]}", lambda: os.lstat(full))
        say(f"access {path[:20]}", lambda: [os.access(full, m) for m in (os.F_OK, os.R_OK, os.W_OK, os.X_OK)])
        say(f"read {path[:20]}", lambda: get(full))
        say(f"list {path[:20]}", lambda: os.listdir(full))
        say(f"readlink {path[:20]}", lambda: os.readlink(full))
        say(f"realpath {path[:20]}", lambda: os.path.realpath(full))
        say(f"xattr {path[:20]}", lambda: os.listxattr(full))
    say("types", lambda: [f"{e.name} {e.is_dir(follow_symlinks=False)} {e.is_symlink()}" for e in os.scandir(ROOT)])
    say("glob", lambda: glob.glob(ROOT + "/o*/*"))
    say("glob in libc", lambda: subprocess.run(["bash", "-c", f"echo {ROOT}/*/*"], capture_output=True, text=True).stdout)
    say("same file", lambda: os.path.samefile(at("link"), at("old/file")))
    with open(at("old/file")) as opened:
        before = os.stat(at("old/file"))
        say("fstat is stat", lambda: (os.fstat(opened.fileno()).st_ino, os.fstat(opened.fileno()).st_dev) ==
            (before.st_ino, before.st_dev))
        say("of a descriptor", lambda: os.path.realpath(f"/proc/self/fd/{opened.fileno()}"))


def move_about():
    os.chdir(at("old"))
    say("cwd", os.getcwd)
    say("relative", lambda: get("file"))
    say("up", lambda: get("../link"))
    say("out and in", lambda: os.stat("../../" + NAME + "/old/deep"))
    say("list up", lambda: os.listdir(".."))
    os.chdir("deep")
    say("deeper", os.getcwd)
    os.chdir("../../..")
    say("out", lambda: os.path.realpath(".") == os.path.dirname(ROOT))
    os.chdir(ROOT)
    say("mkdir", lambda: os.makedirs("here/there"))
    os.chdir("here/there")
    say("write", lambda: put("w", "w"))
    os.rename(at("here"), at("gone"))
    say("moved cwd", os.getcwd)
    say("write there", lambda: put("../w2", "w"))
    shutil.rmtree(at("gone"))
    say("removed cwd", os.getcwd)
    say("write nowhere", lambda: put("w3", "w"))
    os.chdir("/")


def write():
    say("create", lambda: put(at("a"), "one"))
    say("again", lambda: put(at("a"), "two", os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    say("exclusive of old", lambda: put(at("old/file"), "two", os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    say("append", lambda: put(at("a"), "more", os.O_WRONLY | os.O_APPEND))
    say("append to old", lambda: put(at("old/file"), "more", os.O_WRONLY | os.O_APPEND))
    say("old now", lambda: get(at("old/file")))
    say("truncate old", lambda: put(at("old/deep/x"), "new", os.O_WRONLY | os.O_TRUNC))
    say("read", lambda: get(at("a")))
    say("no directory", lambda: put(at("no/a"), "x"))
    say("a directory", lambda: put(at("old"), "x"))
    say("slash", lambda: put(at("slash/"), "x"))
    say("missing", lambda: put(at("missing"), "x", os.O_WRONLY))
    say("special mode", lambda: put(at("reserved"), "x", mode=0o3400))
    os.chmod(at("reserved"), 0o600)
    say("through a link", lambda: put(at("link"), "linked"))
    os.symlink("made-through", at("dangling"))
    say("through a dangling link", lambda: put(at("dangling"), "made"))
    say("a link, not followed", lambda: put(at("dangling"), "x", os.O_WRONLY | os.O_NOFOLLOW))
    fd = os.open(at("m"), os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, 4096)
    with mmap.mmap(fd, 4096) as mapped:
        mapped[0:3] = b"map"
    say("mapped", lambda: os.pread(fd, 3, 0))
    say("pwrite", lambda: os.pwrite(fd, b"there", 100))
    say("fsync", lambda: os.fsync(fd))
    say("fdatasync", lambda: os.fdatasync(fd))
    say("fchmod", lambda: os.fchmod(fd, 0o640))
    say("futimes", lambda: os.utime(fd, (1000, 2000)))
    say("fstat", lambda: os.fstat(fd))
    say("lock", lambda: fcntl.flock(fd, fcntl.LOCK_EX))
    say("again by descriptor", lambda: get(f"/proc/self/fd/{fd}")[:3])
    os.close(fd)
    say("truncate", lambda: os.truncate(at("m"), 10))
    say("truncate what is missing", lambda: os.truncate(at("missing"), 10))
    say("stdio", lambda: open(at("stdio"), "w").write("text"))
    say("stdio appends", lambda: open(at("stdio"), "a").write("more"))
    say("copy", lambda: shutil.copy2(at("a"), at("copy")))
    source, target = os.open(at("a"), os.O_RDONLY), os.open(at("sent"), os.O_WRONLY | os.O_CREAT)
    say("sendfile", lambda: os.sendfile(target, source, 0, 5))
    os.close(source), os.close(target)
    say("directory fsync", lambda: os.fsync(os.open(ROOT, os.O_RDONLY)))
    root = os.open(ROOT, os.O_RDONLY | os.O_DIRECTORY)
    say("openat", lambda: put("by-descriptor", "x", dir_fd=root))
    say("statat", lambda: os.stat("old/file", dir_fd=root))
    say("mkdirat", lambda: os.mkdir("made-at", dir_fd=root))
    say("renameat", lambda: os.rename("made-at", "moved-at", src_dir_fd=root, dst_dir_fd=root))
    say("symlinkat", lambda: os.symlink("by-descriptor", "linked-at", dir_fd=root))
    say("unlinkat", lambda: os.unlink("linked-at", dir_fd=root))
    say("rmdirat", lambda: os.rmdir("moved-at", dir_fd=root))
    say("list by descriptor", lambda: os.listdir(root))
    os.close(root)
    fd = os.open(ROOT, os.O_WRONLY | os.O_TMPFILE, 0o644)
    os.write(fd, b"unnamed")
    say("links of none", lambda: os.fstat(fd).st_nlink)
    say("linked", lambda: call("linkat", -100, f"/proc/self/fd/{fd}", -100, at("named"), 0x400))
    say("linked again", lambda: call("linkat", -100, f"/proc/self/fd/{fd}", -100, at("named"), 0x400))
    os.close(fd)
    say("named", lambda: get(at("named")))


def change_names():
    say("mkdir", lambda: os.mkdir(at("d")))
    say("mkdir again", lambda: os.mkdir(at("d")))
    say("mkdir of a file", lambda: os.mkdir(at("old/file")))
    say("mkdir nowhere", lambda: os.mkdir(at("no/d")))
    say("fill", lambda: put(at("d/f"), "x"))
    say("rmdir full", lambda: os.rmdir(at("d")))
    say("rmdir old", lambda: os.rmdir(at("old")))
    say("rmdir a file", lambda: os.rmdir(at("a")))
    say("unlink a directory", lambda: os.unlink(at("d")))
    say("unlink missing", lambda: os.unlink(at("missing")))
    say("rename", lambda: os.rename(at("d/f"), at("d/g")))
    say("rename over", lambda: os.rename(at("d/g"), at("copy")))
    say("rename over old", lambda: os.rename(at("copy"), at("old/empty")))
    say("rename old", lambda: os.rename(at("old/file"), at("old/file2")))
    say("rename missing", lambda: os.rename(at("missing"), at("x")))
    say("rename into itself", lambda: os.rename(at("d"), at("d/d")))
    say("rename a directory", lambda: os.rename(at("d"), at("e")))
    say("rename over a full one", lambda: os.rename(at("e"), at("old")))
    say("rename a directory over a file", lambda: os.rename(at("e"), at("a")))
    say("rename a file over a directory", lambda: os.rename(at("a"), at("e")))
    say("rename the old directory", lambda: os.rename(at("old"), at("older")))
    say("read in it", lambda: get(at("older/deep/x")))
    say("and back", lambda: os.rename(at("older"), at("old")))
    say("rename to itself", lambda: os.rename(at("a"), at("a")))
    say("shutil.move out", lambda: shutil.move(at("a"), ROOT + ".outside"))
    say("shutil.move in", lambda: shutil.move(ROOT + ".outside", at("a")))
    say("not replacing", lambda: call("renameat2", -100, at("a"), -100, at("m"), NOREPLACE))
    say("not replacing a free name", lambda: call("renameat2", -100, at("a"), -100, at("a2"), NOREPLACE))
    say("exchanging", lambda: call("renameat2", -100, at("a2"), -100, at("e"), EXCHANGE))
    say("exchanged", lambda: (os.path.isdir(at("a2")), get(at("e"))))
    say("exchanging missing", lambda: call("renameat2", -100, at("a2"), -100, at("missing"), EXCHANGE))
    say("link", lambda: os.link(at("m"), at("m2")))
    say("links", lambda: os.stat(at("m2")).st_nlink)
    say("link of old", lambda: os.link(at("old/file2"), at("hard")))
    say("link over", lambda: os.link(at("m"), at("hard")))
    say("link of a directory", lambda: os.link(at("old"), at("hard2")))
    say("unlink", lambda: os.unlink(at("m2")))
    say("symlink inside", lambda: os.symlink(at("old"), at("s1")))
    say("its text", lambda: os.readlink(at("s1")))
    say("its size", lambda: os.lstat(at("s1")).st_size == len(at("old")))
    say("through it", lambda: os.listdir(at("s1")))
    say("symlink outside", lambda: os.symlink("/etc/passwd", at("s2")))
    say("through that", lambda: get(at("s2"))[:4])
    say("symlink up and down", lambda: os.symlink("../" + NAME + "/old", at("s3")))
    say("through that, too", lambda: os.listdir(at("s3")))
    say("symlink again", lambda: os.symlink("x", at("s3")))
    say("chmod", lambda: os.chmod(at("m"), 0o751))
    say("chmod of old", lambda: os.chmod(at("old/deep/x"), 0o600))
    say("chmod of a directory", lambda: os.chmod(at("old"), 0o711))
    say("chmod missing", lambda: os.chmod(at("missing"), 0o711))
    say("utime", lambda: os.utime(at("m"), ns=(5, 1234567890123456789)))
    say("utime of old", lambda: os.utime(at("old/file2"), (7, 8)))
    say("utime of a directory", lambda: os.utime(at("old"), (7, 8)))
    say("lutime", lambda: os.utime(at("s1"), (9, 10), follow_symlinks=False))
    say("chown", lambda: os.chown(at("m"), os.getuid(), os.getgid()))
    say("setxattr", lambda: os.setxattr(at("m"), "user.x", b"value"))
    say("getxattr", lambda: os.getxattr(at("m"), "user.x"))
    say("unlink old", lambda: os.unlink(at("old/deep/x")))
    say("rmdir", lambda: os.rmdir(at("old/deep")))


def programs():
    with tempfile.NamedTemporaryFile(dir=ROOT, delete=False) as named:
        named.write(b"temporary")
    os.rename(named.name, at("from-temporary"))
    directory = tempfile.mkdtemp(dir=ROOT)
    say("mkdtemp", lambda: os.path.dirname(directory) == ROOT)
    os.rename(directory, at("from-mkdtemp"))
    name = ctypes.create_string_buffer((ROOT + "/stempXXXXXX").encode())
    fd = call("mkstemp", name)
    os.write(fd, b"mkstemp")
    os.close(fd)
    say("mkstemp", lambda: os.rename(name.value.decode(), at("from-mkstemp")))
    database = sqlite3.connect(at("data.db"))
    database.execute("create table t (x)")
    database.executemany("insert into t values (?)", [(i,) for i in range(100)])
    database.commit()
    database.close()
    again = sqlite3.connect(at("data.db"))
    say("sqlite", lambda: again.execute("select sum(x), count(*) from t").fetchall())
    again.execute("pragma journal_mode=wal")
    again.execute("insert into t values (5)")
    again.commit()
    again.close()
    say("copytree", lambda: shutil.copytree(at("old"), at("tree"), symlinks=True))
    say("rmtree", lambda: shutil.rmtree(at("e"), ignore_errors=True))
    child = os.fork()
    if child == 0:
        put(at("by-child"), "child")
        os._exit(0)
    os.waitpid(child, 0)
    say("a child's", lambda: get(at("by-child")))
    shell = f"cd {ROOT} && echo one > sh1; (echo two; echo three) >> sh1; cat < sh1 > sh2; exec 5> sh3; echo x >&5; ls | wc -l"
    say("shell", lambda: subprocess.run(["bash", "-c", shell], capture_output=True, text=True).stdout)
    with open(at("out"), "w") as out:
        subprocess.run(["echo", "hello"], stdout=out, check=True)
    say("a child's output", lambda: get(at("out")))


os.umask(0o022)
look()
move_about()
write()
change_names()
programs()
for line in tree(ROOT):
    print(line)
