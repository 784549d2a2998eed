#!/bin/bash
# Servers under mpirun at 1, 2, 3 and 4 ranks: each byte is staged once, a second start stages nothing, the end of the
# supervisor's input or a signal ends all of them, and no session stays behind.
set -euo pipefail
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
scratch=$(mktemp -d /tmp/forebay-serve.XXXXXX)
sessions=$(mktemp -d /dev/shm/forebay-serve.XXXXXX)
export TMPDIR=$scratch
trap 'rm -rf "$scratch" "$sessions"' EXIT
serve=$FOREBAY_BUILD/tests/server/serve_main

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
servers() {  # RANKS BUFFER [ARGUMENT...]
  local ranks=$1 buffer=$2
  shift 2
  exec mpirun -np "$ranks" --mca pml ob1 --mca btl vader,self --mca osc rdma,pt2pt --oversubscribe --bind-to none \
    --mca odls_base_sigkill_timeout 8 "$serve" "$sessions/s" "$buffer" "$scratch/tree" simulate=1 "$@"
}
field() {  # NAME FILE
  grep -o "\"$1\":[0-9]*" "$2" | head -1 | cut -d: -f2
}
# Ends when FILE has PATTERN, or fails when PROCESS ends before.
await() {  # PATTERN FILE PROCESS
  grep -q -m1 "$1" < <(timeout 60 tail -n +1 -f --pid="$3" "$2") || fail "no $1 in $2"
}

mkdir -p "$scratch/tree/deep/er"
for i in $(seq 300); do
  head -c $((i * 100)) /dev/urandom >"$scratch/tree/deep/$i"
done
head -c 9000000 /dev/urandom >"$scratch/tree/deep/er/large"
bytes=$(find "$scratch/tree" -type f -printf '%s\n' | awk '{s += $1} END {print s}')

for ranks in 1 2 3 4; do
  (servers "$ranks" "$scratch/buffer$ranks" standalone=1 stripe=4194304) >"$scratch/out" </dev/null
  [ "$(field fetched_bytes "$scratch/out")" = "$bytes" ] || fail "$ranks ranks staged $(cat "$scratch/out"), not $bytes"
  [ "$(field errors "$scratch/out")" = 0 ] || fail "$ranks ranks had errors"
done
(servers 4 "$scratch/buffer4" standalone=1 stripe=4194304) >"$scratch/out" </dev/null
[ "$(field fetched_bytes "$scratch/out")" = 0 ] || fail "a second start staged again: $(cat "$scratch/out")"
[ "$(field bytes "$scratch/out")" = "$bytes" ] || fail "a second start found $(cat "$scratch/out")"

# The supervisor goes away.
mkfifo "$scratch/in"
: >"$scratch/out"
(servers 3 "$scratch/buffer3" supervised=1 stripe=4194304) <"$scratch/in" >"$scratch/out" &
job=$!
exec 7>"$scratch/in"
await '"staged"' "$scratch/out" "$job"
exec 7>&-
wait "$job" || fail "servers did not end well at the end of their input"
grep -q '"event":"report"' "$scratch/out" || fail "no report"

# A signal to mpirun reaches all ranks, and all end in good order.
: >"$scratch/err"
(servers 2 "$scratch/buffer2" stripe=4194304) </dev/null 2>"$scratch/err" &
job=$!
await ': staged ' "$scratch/err" "$job"
kill -TERM "$job"
wait "$job" || true
left=$(ls "$sessions")
[ -z "$left" ] || fail "left behind: $left"
echo "served at 1, 2, 3 and 4 ranks"
