# `forebay prefetch --standalone`: an MPI job that fills the buffers, all or what is named, and leaves.
. "$(dirname "$0")/lib.sh"
here=$(dirname "$(readlink -f "$0")")

set=$scratch/set
mkdir -p "$set/train" "$set/val"
for number in 1 2 3 4 5; do
  head -c 100000 /dev/urandom > "$set/train/$number"
  head -c 10000 /dev/urandom > "$set/val/$number"
done

prefetch() { # OPTION or PATH...
  bash "$here/../mpi_run.sh" "$FOREBAY_BUILD/tests/transport/mpi_setting_arguments" shm 2 \
    "$forebay" prefetch --standalone --simulated --stage "$set" "$@"
}
# counts WHAT BYTES BYTES_TOTAL FETCHED_BYTES: of the event that the last prefetch printed.
counts() {
  local got
  got=$(python3 -c 'import json, sys; e = json.load(open(sys.argv[1])); print(e["bytes"], e["bytes_total"], e["fetched_bytes"])' \
    "$scratch/out")
  [ "$got" = "$2 $3 $4" ] || fail "$1: $got instead of $2 $3 $4"
}

expect 0 "a dry run" prefetch --dry-run
counts "a dry run" 0 550000 0
expect 0 "a glob" prefetch "$set/val/*"
counts "a glob" 50000 50000 50000
expect 0 "everything" prefetch
counts "everything" 550000 550000 500000
expect 0 "again" prefetch
counts "again" 550000 550000 0
expect 1 "what is not there" prefetch "$set/none"
says "what is not there" "$scratch/err" "none is not in a staged dataset"

expect 0 "a run on these buffers" "$forebay" run --quiet --nodes 2 --report "$scratch/r.json" --stage "$set" -- cat "$set/train/1"
cmp -s "$scratch/out" "$set/train/1" || fail "the run read something else"
python3 -c 'import json, sys; assert json.load(open(sys.argv[1]))["origin_bytes_read"] == 0' "$scratch/r.json" ||
  fail "the run read from the origin what was staged before it"
becomes_true 10 nothing_runs || fail "left running: $(processes_left)"
finish
