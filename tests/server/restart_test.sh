#!/bin/bash
# Servers that are killed, with mpirun, and started again for the same session: they go on in the same files, scan and
# stage nothing again, put together what was marked bypassed meanwhile, and a process that had mapped the session sees
# them come back. Without the session of one node, that one takes the others' catalog.
set -euo pipefail
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
scratch=$(mktemp -d /tmp/forebay-restart.XXXXXX)
sessions=$(mktemp -d /dev/shm/forebay-restart.XXXXXX)
export TMPDIR=$scratch
job=
watcher=
cleanup() {
  [ -z "$watcher" ] || kill "$watcher" 2>/dev/null || true
  kill_all
  rm -rf "$scratch" "$sessions"
}
trap cleanup EXIT
serve=$FOREBAY_BUILD/tests/server/serve_main

fail() {
  echo "FAILED: $*" >&2
  tail -n 20 "$scratch"/log.* >&2 || true
  exit 1
}
# Ends when FILE has PATTERN, or fails when PROCESS ends before.
await() { # PATTERN FILE PROCESS
  grep -q -m1 "$1" < <(timeout 60 tail -n +1 -f --pid="$3" "$2") || fail "no $1 in $2: $(tail -n 5 "$2")"
}
start_servers() { # RANKS RESTART
  : >"$scratch/out"
  mpirun -np "$1" --mca pml ob1 --mca btl vader,self --mca osc rdma,pt2pt --mca btl_vader_backing_directory "$scratch" \
    --oversubscribe --bind-to none "$serve" "$sessions/s" "$scratch/buffer" "$scratch/tree" simulate=1 supervised=1 \
    stripe=4194304 restart="$2" <"$scratch/in" >"$scratch/out" 2>"$scratch/log.$2" &
  job=$!
  exec 7>"$scratch/in"
  await '"staged"' "$scratch/out" "$job"
}
server_pids() {
  local control
  for control in "$sessions"/s.*/control; do
    [ -e "$control" ] || continue
    python3 -c 'import struct, sys; print(struct.unpack_from("I", open(sys.argv[1], "rb").read(64), 28)[0])' "$control"
  done
}
kill_all() { # mpirun first, so that it tells nobody anything
  [ -n "$job" ] || return 0
  # shellcheck disable=SC2046
  kill -KILL "$job" $(server_pids) 2>/dev/null || true
  wait "$job" 2>/dev/null || true
  job=
  exec 7>&- || true
}
stop_servers() {
  exec 7>&-
  timeout 60 tail -f /dev/null --pid="$job" || fail "the servers did not stop"
  wait "$job" || fail "the servers did not stop well"
  job=
}
origin_bytes() { # read since this start
  echo '{"command":"report"}' >&7
  await '"report"' "$scratch/out" "$job"
  grep '"report"' "$scratch/out" | python3 -c 'import json, sys; print(json.loads(sys.stdin.readline())["origin_bytes_read"])'
}
assigned_to() { # NODE
  grep '"plan"' "$scratch/out" | python3 -c 'import json, sys; print(json.loads(sys.stdin.readline())["nodes"][int(sys.argv[1])]["assigned_bytes"])' "$1"
}
number() { # NAME
  grep '"staged"' "$scratch/out" | grep -o "\"$1\":[0-9]*" | head -1 | cut -d: -f2
}
inodes() { # NODE
  stat -c '%n %i' "$sessions/s.$1"/{control,catalog.0,state.0,tree.0,tree.0/deep}
}

mkdir -p "$scratch/tree/deep"
for i in $(seq 100); do head -c $((i * 1000)) /dev/urandom >"$scratch/tree/deep/$i"; done
head -c 9000000 /dev/urandom >"$scratch/tree/large"
mkfifo "$scratch/in"

start_servers 3 0
[ "$(number errors)" = 0 ] || fail "errors at first"
for node in 0 1 2; do inodes $node; done >"$scratch/before"

# What a client does: it has the control page mapped, and looks.
cat >"$scratch/client.py" <<'END'
import mmap, struct, sys, time
file = open(sys.argv[1], "rb")
page = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
first = struct.unpack_from("Q", page, 32)[0]
print("mapped", flush=True)
deadline = time.monotonic() + 120
while time.monotonic() < deadline:
    generation, phase, beat = struct.unpack_from("I", page, 60)[0], struct.unpack_from("I", page, 16)[0], struct.unpack_from("Q", page, 32)[0]
    if phase != 1:
        sys.exit(f"phase {phase}")
    if generation == 1 and time.monotonic_ns() - beat < 1_000_000_000:
        print("served again", flush=True)
        sys.exit(0)
    time.sleep(0.01)
sys.exit("never served again")
END
: >"$scratch/client"
python3 "$scratch/client.py" "$sessions/s.1/control" >"$scratch/client" 2>&1 &
watcher=$!
await mapped "$scratch/client" "$watcher"
kill_all

# Nobody scans: this is not seen. A client marks an entry on one node while no server lives.
echo new >"$scratch/tree/deep/new"
python3 - "$sessions/s.1/state.0" 5 <<'END'
import mmap, struct, sys
file = open(sys.argv[1], "r+b")
page = mmap.mmap(file.fileno(), 0)
at = struct.unpack_from("Q", page, 24)[0] + 8 * int(sys.argv[2])
struct.pack_into("Q", page, at, struct.unpack_from("Q", page, at)[0] | 1 << 63)
END
marked() { # NODE: whether the entry is bypassed there
  python3 - "$sessions/s.$1/state.0" 5 <<'END'
import struct, sys
page = open(sys.argv[1], "rb").read()
sys.exit(0 if struct.unpack_from("Q", page, struct.unpack_from("Q", page, 24)[0] + 8 * int(sys.argv[2]))[0] >> 63 else 1)
END
}
marked 1 || fail "the test marks nothing"

start_servers 3 1
wait "$watcher" || fail "the client: $(cat "$scratch/client")"
watcher=
for node in 0 1 2; do inodes $node; done >"$scratch/after"
diff "$scratch/before" "$scratch/after" || fail "the servers did not go on in the same files"
[ "$(number fetched_bytes)" = 0 ] || fail "staged again: $(number fetched_bytes) bytes"
[ "$(number errors)" = 0 ] || fail "errors after the restart"
for node in 0 1 2; do marked $node || fail "node $node does not know what was marked on node 1"; done

# One node has lost its session, as a host that comes back has: it takes the catalog of another.
kill_all
rm -rf "$sessions/s.0"
start_servers 3 2
[ "$(number fetched_bytes)" = 0 ] || fail "staged again without the session of node 0: $(number fetched_bytes) bytes"
cmp "$sessions/s.0/catalog.0" "$sessions/s.1/catalog.0" || fail "node 0 has another catalog"
marked 0 || fail "node 0 forgot what was marked"

# A node fewer: its stripes are staged again, and no others.
lost=$(assigned_to 2)
kill_all
rm -rf "$sessions/s.2" "$scratch/buffer/node2"
start_servers 2 3
again=$(origin_bytes)
[ "$again" -gt 0 ] && [ "$again" -le "$lost" ] || fail "$again bytes were staged again for a lost node that had $lost"

# A signal leaves the session for the next; an end of the input without one is the end.
kill -TERM "$job"
wait "$job" || true
exec 7>&-
job=
[ -e "$sessions/s.0/control" ] && [ -e "$sessions/s.1/control" ] || fail "a signal removed the sessions"
start_servers 2 4
[ "$(number fetched_bytes)" = 0 ] || fail "staged again after a signal"
stop_servers
left=$(ls "$sessions")
[ -z "$left" ] || fail "left behind: $left"
echo "taken up in place, with the marks of all nodes; $again bytes staged again for a lost node that had $lost"
