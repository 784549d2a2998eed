#!/usr/bin/env python3
"""checkpoint_observer.py DESTINATION OUT STOP [POINTER...]: looks at DESTINATION all the time until the file STOP is there, and
appends what it saw to OUT: each new listing of a directory, each new content of a file, and where pointers (files or symlinks
that name a directory beside them) led. It judges nothing (checkpoint_judge.py)."""
import fnmatch
import json
import os
import stat
import sys
import time

import checkpoint_record as records

OURS = ".*.forebay-*"  # names under which files are on their way


def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


class Observer:
    def __init__(self, root, out, pointers):
        self.root, self.out, self.pointers = root, out, pointers
        self.listings, self.files, self.passes = {}, {}, 0

    def say(self, saw, **fields):
        self.out.write(json.dumps({"saw": saw, **fields}) + "\n")

    def names(self, directory):
        try:
            return sorted(name for name in os.listdir(os.path.join(self.root, directory)) if not fnmatch.fnmatch(name, OURS))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def look_at(self, directory):
        names = self.names(directory)
        if names is None:
            return
        if self.listings.get(directory) != names:
            # What a marker in the first listing promises must be in a second one.
            self.say("listing", path=directory, t=now(), names=names, then=self.names(directory))
            self.listings[directory] = names
        for name in names:
            path = os.path.join(directory, name)
            try:
                info = os.lstat(os.path.join(self.root, path))
                if stat.S_ISDIR(info.st_mode):
                    self.look_at(path)
                elif stat.S_ISREG(info.st_mode):
                    self.look_at_file(path, info)
            except FileNotFoundError:
                continue

    def look_at_file(self, path, info):
        seen = (info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)
        if self.files.get(path) != seen:
            content, size = records.sum_of(os.path.join(self.root, path))
            self.say("file", path=path, t=now(), sum=content, size=size)
            self.files[path] = seen

    def target_of(self, pointer):
        path = os.path.join(self.root, pointer)
        try:
            if os.path.islink(path):
                return os.readlink(path)
            with open(path, encoding="utf-8") as file:
                return file.read().strip()
        except (FileNotFoundError, OSError):
            return None

    def follow(self, pointer):
        to = self.target_of(pointer)
        if to is None:
            return
        begin = now()
        place = os.path.join(os.path.dirname(pointer), to)
        found = {}
        for base, _, names in os.walk(os.path.join(self.root, place)):
            for name in names:
                path = os.path.join(base, name)
                try:
                    found[os.path.relpath(path, os.path.join(self.root, place))] = records.sum_of(path)[0]
                except FileNotFoundError:
                    pass
        if self.target_of(pointer) == to:  # else it is no longer true
            self.say("pointer", path=pointer, t=begin, to=to, found=found)

    def run(self, stop):
        while not os.path.exists(stop):
            for pointer in self.pointers:
                self.follow(pointer)
            self.look_at("")
            self.passes += 1
            self.out.flush()
            time.sleep(0.002)
        self.say("end", passes=self.passes)


def main():
    with open(sys.argv[2], "a", encoding="utf-8") as out:
        Observer(sys.argv[1], out, sys.argv[4:]).run(sys.argv[3])


if __name__ == "__main__":
    main()
