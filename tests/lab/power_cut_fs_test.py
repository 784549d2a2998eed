"""power_cut_fs loses what was not synced, and nothing else."""
import errno
import fcntl
import mmap
import os
import shutil
import sqlite3
import tempfile
import time
import unittest

from power_cut import PowerCutFs


def write(path, content, sync=False, flags=os.O_WRONLY | os.O_CREAT | os.O_TRUNC):
    fd = os.open(path, flags, 0o644)
    os.write(fd, content)
    if sync:
        os.fsync(fd)
    os.close(fd)


def sync(path):
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def read(path):
    with open(path, "rb") as file:
        return file.read()


class PowerCut(unittest.TestCase):
    def setUp(self):
        self.place = tempfile.mkdtemp(prefix="power-cut.", dir=os.environ.get("TMPDIR", "/var/tmp"))
        self.fs = PowerCutFs(os.environ["FOREBAY_BUILD"], self.place)
        self.at = self.fs.mount

    def tearDown(self):
        self.fs.stop()
        shutil.rmtree(self.place)

    def path(self, name):
        return os.path.join(self.at, name)

    def test_what_was_never_synced_is_gone(self):
        write(self.path("file"), b"content")
        self.fs.cut_and_return()
        self.assertEqual(os.listdir(self.at), [])

    def test_a_synced_file_without_its_directory_has_no_name(self):
        write(self.path("file"), b"content", sync=True)
        self.fs.cut_and_return()
        self.assertEqual(os.listdir(self.at), [])

    def test_a_synced_directory_without_its_file_has_an_empty_one(self):
        write(self.path("file"), b"content")
        sync(self.at)
        self.fs.cut_and_return()
        self.assertEqual(read(self.path("file")), b"")

    def test_both_synced_keep_all(self):
        write(self.path("file"), b"content", sync=True)
        os.chmod(self.path("file"), 0o640)
        sync(self.path("file"))
        sync(self.at)
        self.fs.cut_and_return()
        self.assertEqual(read(self.path("file")), b"content")
        self.assertEqual(os.stat(self.path("file")).st_mode & 0o777, 0o640)

    def test_content_falls_back_to_what_was_synced(self):
        write(self.path("file"), b"0123456789", sync=True)
        sync(self.at)
        write(self.path("file"), b"new", flags=os.O_WRONLY)
        write(self.path("file"), b"more", flags=os.O_WRONLY | os.O_APPEND)
        self.assertEqual(read(self.path("file")), b"new3456789more")
        self.fs.cut_and_return()
        self.assertEqual(read(self.path("file")), b"0123456789")
        # Once more: what was there when it was mounted is durable, too.
        write(self.path("file"), b"short")
        self.fs.cut_and_return()
        self.assertEqual(read(self.path("file")), b"0123456789")

    def test_a_truncated_file_does_not_show_what_was_behind(self):
        write(self.path("file"), b"0123456789", sync=True)
        sync(self.at)
        os.truncate(self.path("file"), 2)
        os.truncate(self.path("file"), 6)
        sync(self.path("file"))
        self.fs.cut_and_return()
        self.assertEqual(read(self.path("file")), b"01\0\0\0\0")

    def test_a_rename_over_another_survives_with_its_directory_only(self):
        for name in ("file", "new"):
            write(self.path(name), name.encode(), sync=True)
        sync(self.at)
        os.rename(self.path("new"), self.path("file"))
        self.fs.cut_and_return()
        self.assertEqual((read(self.path("file")), read(self.path("new"))), (b"file", b"new"))
        os.rename(self.path("new"), self.path("file"))
        sync(self.at)
        self.fs.cut_and_return()
        self.assertEqual((os.listdir(self.at), read(self.path("file"))), (["file"], b"new"))

    def test_a_rename_without_a_sync_of_the_file_loses_its_content(self):
        write(self.path("file"), b"old", sync=True)
        sync(self.at)
        write(self.path("new"), b"never synced")
        os.rename(self.path("new"), self.path("file"))
        sync(self.at)
        self.fs.cut_and_return()
        self.assertEqual(read(self.path("file")), b"")

    def test_a_rename_between_directories_survives_as_a_whole(self):
        for name in ("a", "b"):
            os.mkdir(self.path(name))
        write(self.path("a/file"), b"content", sync=True)
        sync(self.path("a"))
        sync(self.at)
        os.rename(self.path("a/file"), self.path("b/file"))
        sync(self.path("b"))
        self.fs.cut_and_return()
        self.assertEqual((os.listdir(self.path("a")), os.listdir(self.path("b"))), ([], ["file"]))

    def test_a_directory_moves_with_all_it_had(self):
        os.makedirs(self.path("tmp/below"))
        write(self.path("tmp/below/file"), b"content", sync=True)
        os.symlink("below/file", self.path("tmp/link"))
        for name in ("tmp/below", "tmp", ""):
            sync(self.path(name))
        os.rename(self.path("tmp"), self.path("final"))
        sync(self.at)
        self.fs.cut_and_return()
        self.assertEqual(os.listdir(self.at), ["final"])
        self.assertEqual(read(self.path("final/link")), b"content")

    def test_a_removed_file_comes_back(self):
        write(self.path("file"), b"content", sync=True)
        sync(self.at)
        os.unlink(self.path("file"))
        write(self.path("other"), b"other", sync=True)  # may get its inode number
        self.fs.cut_and_return()
        self.assertEqual((os.listdir(self.at), read(self.path("file"))), (["file"], b"content"))
        os.unlink(self.path("file"))
        sync(self.at)
        self.fs.cut_and_return()
        self.assertEqual(os.listdir(self.at), [])

    def test_links_and_mappings(self):
        write(self.path("file"), b"content", sync=True)
        os.link(self.path("file"), self.path("link"))
        sync(self.at)
        fd = os.open(self.path("link"), os.O_RDWR)
        with mmap.mmap(fd, 7) as view:
            view[0:3] = b"CON"
            view.flush()
        os.fsync(fd)
        os.close(fd)
        self.fs.cut_and_return()
        self.assertEqual(read(self.path("file")), b"CONtent")
        self.assertEqual(os.stat(self.path("file")).st_nlink, 2)

    def test_a_database_survives(self):
        store = sqlite3.connect(self.path("db"))
        store.execute("pragma synchronous = extra")  # the journal's removal is synced, too
        store.execute("create table t (n integer)")
        for number in range(20):
            store.execute("insert into t values (?)", (number,))
            store.commit()
        store.execute("insert into t values (99)")
        store.close()  # rolled back
        self.fs.cut_and_return()
        store = sqlite3.connect(self.path("db"))
        self.assertEqual(store.execute("select count(*) from t").fetchone(), (20,))
        store.close()

    def test_some_of_what_was_not_synced_survives_as_drawn(self):
        seen = set()
        for seed in range(1, 9):
            write(self.path("file"), b"x" * 300_000)
            write(self.path("other"), b"y")
            self.fs.cut_and_return(seed)
            seen.add(tuple((name, os.stat(self.path(name)).st_size) for name in sorted(os.listdir(self.at))))
            for name in os.listdir(self.at):
                os.unlink(self.path(name))
            sync(self.at)
        self.assertGreater(len(seen), 2)

    def test_nothing_works_without_power(self):
        fd = os.open(self.path("file"), os.O_WRONLY | os.O_CREAT)
        self.fs.cut()
        for call in (lambda: os.write(fd, b"x"), lambda: os.fsync(fd), lambda: os.mkdir(self.path("directory"))):
            with self.assertRaises(OSError) as caught:
                call()
            self.assertEqual(caught.exception.errno, errno.EIO)
        os.close(fd)

    def test_the_nth_call_fails(self):
        self.fs.fail("fsync", 2, errno.ENOSPC, pattern="fi*")
        for name, expected in (("file", None), ("other", None), ("file", errno.ENOSPC), ("file", None)):
            error = None
            try:
                write(self.path(name), name.encode() * (expected or 1), sync=True)
            except OSError as failure:
                error = failure.errno
            self.assertEqual(error, expected)
        self.assertEqual(self.fs.failed(), 1)
        sync(self.at)
        self.fs.order("well")
        for call, act in (("open", lambda: read(self.path("file"))), ("create", lambda: write(self.path("new"), b"")),
                          ("write", lambda: write(self.path("file"), b"x")), ("mkdir", lambda: os.mkdir(self.path("d"))),
                          ("unlink", lambda: os.unlink(self.path("file"))), ("fsyncdir", lambda: sync(self.at)),
                          ("rename", lambda: os.rename(self.path("file"), self.path("moved")))):
            self.fs.order("well")
            self.fs.fail(call, 1, errno.EDQUOT, -1)
            for _ in range(2):
                with self.assertRaises(OSError) as caught:
                    act()
                self.assertEqual(caught.exception.errno, errno.EDQUOT, call)

    def test_what_a_failed_sync_lost_no_later_one_brings_back(self):
        write(self.path("file"), b"old content", sync=True)
        sync(self.at)
        fd = os.open(self.path("file"), os.O_WRONLY)
        os.write(fd, b"new")
        self.fs.fail("fsync", 1, errno.EIO)
        with self.assertRaises(OSError):
            os.fsync(fd)
        os.fsync(fd)
        os.close(fd)
        self.fs.cut_and_return()
        self.assertEqual(read(self.path("file")), b"old content")

    def test_writes_take_their_time(self):
        self.fs.order("rate", 4_000_000)
        begin = time.monotonic()
        write(self.path("file"), b"x" * 2_000_000)
        self.assertGreater(time.monotonic() - begin, 0.4)

    def test_leases_and_locks_are_granted(self):
        write(self.path("file"), b"x")
        reader = os.open(self.path("file"), os.O_RDONLY)
        fcntl.fcntl(reader, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(reader, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        writer = os.open(self.path("file"), os.O_WRONLY)
        with self.assertRaises(BlockingIOError):
            fcntl.fcntl(reader, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.flock(writer, fcntl.LOCK_EX)
        with self.assertRaises(BlockingIOError):
            fcntl.flock(reader, fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.close(reader)
        os.close(writer)


if __name__ == "__main__":
    unittest.main(verbosity=2)
