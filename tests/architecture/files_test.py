#!/usr/bin/env python3
"""files_test.py PROJECT: no file grows past LINES_MAX, and none names a place of the machine it was written on."""
import pathlib
import re
import sys

LINES_MAX = 600
FOLDERS = ["src", "include", "tests", "examples", "jobscripts", ".ci"]
# Directories of one person or one machine. Pages may show "/home/you/..." to a reader, tests "/home/me".
MACHINE_PATH = re.compile(r"(?<![\w./$}*-])/(?:home/(?!you\b|me\b)|root/|Users/|work/|mnt/[a-z]+/[a-z])")


def texts(project):
    for folder in FOLDERS:
        for path in sorted((project / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path, path.read_text(errors="replace")
    for path in sorted(project.iterdir()):
        if path.is_file() and path.name != ".git":  # A file in a second working tree, with the first one's place in it.
            yield path, path.read_text(errors="replace")


def main():
    project = pathlib.Path(sys.argv[1])
    found = []
    count = 0
    for path, text in texts(project):
        count += 1
        name = path.relative_to(project)
        lines = text.splitlines()
        if len(lines) > LINES_MAX and path.suffix != ".md":
            found.append(f"{name} has {len(lines)} lines, more than {LINES_MAX}: it holds more than one idea")
        if path == pathlib.Path(__file__).resolve():
            continue
        for number, line in enumerate(lines, 1):
            if MACHINE_PATH.search(line):
                found.append(f"{name}:{number} names a machine's path: {line.strip()}")
    print("\n".join(found + [f"{count} files, {len(found)} violations"]))
    return 1 if found else 0


sys.exit(main())
