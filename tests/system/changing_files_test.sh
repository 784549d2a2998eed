#!/bin/bash
# Files that change while they are staged are read as one of their versions, never as a mix, never short.
here=$(dirname "$(readlink -f "$0")")
source "$here/lib.sh"

tree=$work/tree
cat >"$work/versions.py" <<'END'
"""write DIR STOP: rewrites files, version after version, until the file STOP exists, then makes STOP.done. check DIR: every file is one version."""
import os
import sys
import time

FILES = 60
BLOCK = 4096
BLOCKS = 100
PAUSE_S = 0.02  # So that some files change while they are staged, and some do not.


def content(version):
    """Every block says its version and the number of blocks; both the length and the blocks differ between versions."""
    blocks = BLOCKS + version % 7
    return b"".join((b"%020d %020d %020d" % (version, blocks, number)).ljust(BLOCK, b".") for number in range(blocks))


def write(directory, stop):
    version = 0
    while version == 0 or not os.path.exists(stop):
        for number in range(FILES):
            path = os.path.join(directory, str(number))
            if number % 2:  # in place
                with open(path, "wb") as file:
                    file.write(content(version))
            else:
                with open(path + ".new", "wb") as file:
                    file.write(content(version))
                os.rename(path + ".new", path)
            if version > 0:
                time.sleep(PAUSE_S)
        version += 1
    print(f"{version} versions written")
    open(stop + ".done", "wb").close()


def check(directory):
    wrong = 0
    for number in range(FILES):
        with open(os.path.join(directory, str(number)), "rb") as file:
            got = file.read()
        if not got and number % 2:
            continue  # Rewriting in place begins with an empty file: also a version, if a short-lived one.
        versions = {got[at:at + 20] for at in range(0, len(got), BLOCK)}
        if len(versions) != 1 or got != content(int(versions.pop())):
            print(f"file {number} is not one version: {len(got)} bytes")
            wrong += 1
    print(f"{FILES - wrong} of {FILES} files are one version")
    return 1 if wrong else 0


if sys.argv[1] == "write":
    write(*sys.argv[2:])
else:
    sys.exit(check(sys.argv[2]))
END
mkdir "$tree"
touch "$work/already"
"$python" "$work/versions.py" write "$tree" "$work/already"

section "staging while the files change"
"$python" "$work/versions.py" write "$tree" "$work/stop" >"$work/writer" &
# The command stops the writer, and reads: what was bypassed comes from the origin, which rests now.
# shellcheck disable=SC2016
expect_exit "every node reads whole versions" 0 "$forebay" run --nodes 2 --per-node --prefetch wait --bandwidth 20M \
  --buffer "$work/buffer" --report "$work/report.json" --stage "$tree" -- sh -c '
    : >"$0/stop"
    until [ -e "$0/stop.done" ]; do sleep 0.05; done
    exec "$1" "$0/versions.py" check "$0/tree"' "$work" "$python"
cat "$work/output" "$work/writer"
wait
expect_report "no errors" "$work/report.json" 'r["errors"] == 0'
