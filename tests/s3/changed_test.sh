#!/bin/bash
# Objects of a real S3 server that change during a run: refused, or read anew as a whole, one version for all nodes and never a mix;
# attributes follow; what is open keeps its version.
source "$(dirname "$(readlink -f "$0")")/../system/lib.sh"

export FOREBAY_LAB=$work/lab S3_PORT=$((20000 + $$ % 10000)) HOME=$work/home AWS_EC2_METADATA_DISABLED=true
on_exit+=("$lab/s3.sh down")
unset "${!AWS_@}"
mkdir "$HOME"
mount=$(mktemp -u -d /forebay-test-XXXXXX)

section "a store"
"$lab/s3.sh" up
eval "$("$lab/s3.sh" env)"
cat >"$work/changes.py" <<'CHANGES'
"""changes.py MOUNT WORK FOREBAY reread|refuse: one node's part. Nodes go on together, step by step."""
import errno
import os
import subprocess
import sys
import time

mount, work, forebay, option = sys.argv[1:5]
sys.path.insert(0, os.environ["FOREBAY_SOURCE"] + "/tests/s3")
import fill_bucket

node = int(os.environ["FOREBAY_NODE"])
step = 0


def version(name, number, size):
    return (f"{name} {number} ".encode() * (size // 4))[:size]


def put(name, number, size):
    fill_bucket.put(f"/changing/{option}/{name}", version(name, number, size))


def together():
    """Waits for the other node."""
    global step
    step += 1
    open(f"{work}/{option}.{step}.{node}", "w").close()
    deadline = time.monotonic() + 60
    while not os.path.exists(f"{work}/{option}.{step}.{1 - node}"):
        assert time.monotonic() < deadline, f"step {step}: the other node does not come"
        time.sleep(0.01)


def read(name):
    with open(f"{mount}/{name}", "rb") as file:
        info, named = os.fstat(file.fileno()), os.stat(f"{mount}/{name}")
        got = file.read()
    assert info.st_size == named.st_size == len(got), (name, info, named, len(got))
    assert (info.st_ino, info.st_dev, info.st_mtime_ns, info.st_blocks) == (named.st_ino, named.st_dev, named.st_mtime_ns, named.st_blocks)
    return got, info


def refused(what, name, why=errno.ESTALE):
    try:
        what(f"{mount}/{name}")
    except OSError as error:
        assert error.errno == why, (name, error)
    else:
        raise AssertionError(f"{name} is not refused")


before = os.stat(f"{mount}/small")
assert before.st_size == 100
assert read("held")[0] == version("held", 1, 5000)
held = open(f"{mount}/held", "rb", buffering=0)
together()
if node == 0:
    put("small", 2, 7000)
    put("held", 2, 50)
    put("large", 2, 9_000_001)
    put("empty", 2, 0)
    put("came/later", 2, 10)
together()

if option == "refuse":
    for name in ("small", "large", "empty"):
        refused(open, name)
        refused(open, name)
        refused(os.stat, name)
    assert held.read() == version("held", 1, 5000)
    sys.exit()

# Found out by reading, by both nodes at once.
for name, size in ("small", 7000), ("large", 9_000_001), ("empty", 0):
    got, info = read(name)
    assert got == version(name, 2, size), (name, len(got))
    assert os.stat(f"{mount}/{name}").st_size == size
now = os.stat(f"{mount}/small")
assert now.st_mtime_ns >= before.st_mtime_ns and now.st_ino == before.st_ino and now.st_mode == before.st_mode
together()
# Found out by comparing; what is open keeps its version, its size too.
if node == 0:
    subprocess.run([forebay, "refresh"], check=True, stdout=subprocess.DEVNULL)
together()
assert os.stat(f"{mount}/held").st_size == 50
assert sorted(os.listdir(mount)) == ["empty", "gone", "held", "large", "new-size", "small"]
assert os.stat(mount).st_size >= 0
assert read("held")[0] == version("held", 2, 50)
assert os.fstat(held.fileno()).st_size == 5000 and held.read() == version("held", 1, 5000)
second = open(f"{mount}/small", "rb", buffering=0)
together()
# It changes once more. One node has the version before; the other finds that it is gone, and then both have the last.
if node == 0:
    put("held", 3, 123_456)
    subprocess.run([forebay, "evict", f"{mount}/held"], stdout=subprocess.DEVNULL)
    put("new-size", 2, 400)
together()
assert read("new-size")[0] == version("new-size", 2, 400)
together()
if node == 0:
    put("new-size", 3, 600)
together()
# This node holds the second version of it and may go on with that; it is a whole one.
assert read("new-size")[0] in (version("new-size", 2, 400), version("new-size", 3, 600))
assert os.fstat(second.fileno()).st_size == 7000 and second.read() == version("small", 2, 7000)
together()
# What is gone.
if node == 0:
    endpoint, headers = fill_bucket.sign("DELETE", f"/changing/{option}/gone", b"")
    import http.client
    connection = http.client.HTTPConnection(endpoint.netloc)
    connection.request("DELETE", f"/changing/{option}/gone", headers=headers)
    assert connection.getresponse().status == 204
together()
refused(open, "gone")
refused(os.stat, "gone")
together()
CHANGES
"$python" "$FOREBAY_SOURCE/tests/s3/fill_bucket.py" changing
for option in refuse reread; do
  section "$option"
  "$python" - "$option" <<'PUT'
import os, sys
sys.path.insert(0, os.environ["FOREBAY_SOURCE"] + "/tests/s3")
import fill_bucket
for name, size in ("small", 100), ("held", 5000), ("large", 9_000_000), ("empty", 3), ("new-size", 10), ("gone", 10):
    fill_bucket.put(f"/changing/{sys.argv[1]}/{name}", (f"{name} 1 ".encode() * size)[:size])
PUT
  expect_exit "$option" 0 "$forebay" run --nodes 2 --per-node --changed-objects $option --stage "s3://changing/$option=$mount" --prefetch off \
    --buffer "$work/buffer" --report "$work/report" -- "$python" "$work/changes.py" "$mount" "$work" "$forebay" $option
  grep -q "changing/$option/small" "$work/output" || fail "$option: it is said" "$(cat "$work/output")"
done
expect_report "nothing else failed" "$work/report" "r['damaged'] == 0"

section "the next run has what was read anew"
expect_exit "the next run" 0 "$forebay" run --nodes 2 --stage "s3://changing/reread=$mount" --prefetch wait --buffer "$work/buffer" \
  --report "$work/report" -- cmp -n 9000001 "$mount/large" "$mount/large"
