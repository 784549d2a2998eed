# `forebay run` and `exec`: the command reads through the servers, its exit code is run's, the report says what was read.
. "$(dirname "$0")/lib.sh"

set=$scratch/"a set"
mkdir -p "$set/d"
head -c 300000 /dev/urandom > "$set/d/plain"
head -c 70000 /dev/urandom > "$set/"$'odd\nname \xff=%'
: > "$set/empty"
before=$(sessions)

expect 7 "the command's exit code" "$forebay" run --nodes 2 --prefetch wait --report "$scratch/r.json" --stage "$set" -- \
  sh -c 'cd "$0" && mv d d.away 2>/dev/null; cat "$0/empty" "$0"/odd* > /dev/null && exit 7' "$set"
[ -d "$set/d.away" ] && mv "$set/d.away" "$set/d"
python3 - "$scratch/r.json" << 'EOS' || fail "the report"
import json, sys
r = json.load(open(sys.argv[1]))
assert r["command_exit"] == 7 and r["dataset_objects"] == 3 and r["dataset_bytes"] == 370000, r
assert r["origin_bytes_read"] == 370000 and r["origin_read_ratio"] == 1.0 and r["errors"] == 0, r
assert {"local", "peer", "origin"} <= set(r["hits"]) and r["elapsed_s"] > 0 and len(r["nodes"]) == 2, r
assert "peer_bytes" in r and "event" not in r and "without_forebay" not in r, r
EOS
[ -z "$(ls "$scratch" | grep '\.tmp$')" ] || fail "a temporary report is left"

expect 0 "a mount elsewhere" "$forebay" run --prefetch wait --stage "$set=/forebay test/mount" -- \
  cmp "/forebay test/mount/d/plain" "$set/d/plain"

expect 0 "a mount that exists nowhere, and its parent" "$forebay" run --prefetch wait --stage "$set=/forebay-none/mount" -- \
  sh -c 'cd /forebay-none/mount && ls -la . .. > /dev/null && cd -P .. && [ "$(pwd -P)" = /forebay-none/mount ] && cmp d/plain ../d/plain'

expect 0 "each node" "$forebay" run --nodes 3 --per-node --stage "$set" -- \
  sh -c 'md5sum "$1"/d/plain > "$2/sum.$FOREBAY_NODE"; echo "$FOREBAY_NODES" >> "$2/sum.$FOREBAY_NODE"' sh "$set" "$scratch"
for node in 0 1 2; do
  cmp -s "$scratch/sum.0" "$scratch/sum.$node" || fail "node $node read something else"
done
expect 5 "a failing node's exit code" "$forebay" run --nodes 2 --per-node --stage "$set" -- \
  sh -c '[ "$FOREBAY_NODE" = 0 ] || exit 5'
expect 127 "no such command" "$forebay" run --stage "$set" -- "$scratch/none"
expect 126 "no program" "$forebay" run --stage "$set" -- "$set/d/plain"
expect 143 "a command ended by a signal" "$forebay" run --stage "$set" -- sh -c 'kill -TERM $$'

expect 0 "inside a session" "$forebay" run --nodes 2 --prefetch wait --stage "$set" -- sh -c '
  set -e
  [ "$FOREBAY_NODE $FOREBAY_NODES" = "0 2" ]
  "$0" check "$1" | grep -q "3 objects, .*(100.0 %) present"
  "$0" status --json | grep -q "\"dataset_objects\": 3"
  "$0" locate "$1/d/plain" | grep -q "^ *0 .*node"
  "$0" exec -- sh -c "[ -n \"\$FOREBAY_SESSION\" ] && cmp \"\$0\" \"\$0\"" "$1/d/plain"
  "$0" exec --off -- sh -c "[ -z \"\$FOREBAY_SESSION\$LD_PRELOAD\" ]"
  "$0" evict "$1/d" | grep -q "1 objects"
  "$0" check "$1/d" && exit 1 || [ $? = 4 ]
  "$0" prefetch --wait "$1/d/p*" | grep -q fetched
  "$0" check --verify "$1" > /dev/null
  "$0" status --watch --interval 0.1 | { read -r line; [ -n "$line" ]; }
' "$forebay" "$set"

expect 3 "exec without a session" env HOME="$scratch" "$forebay" exec --session "$scratch/none" -- sh -c 'exit 3'
says "exec without a session" "$scratch/err" "without forebay"
expect 1 "exec --require without a session" "$forebay" exec --require --session "$scratch/none" -- true

expect 0 "too little capacity" "$forebay" run --nodes 2 --capacity 1K --prefetch wait --stage "$set" -- \
  cmp "$set/d/plain" "$set/d/plain"
says "too little capacity" "$scratch/err" "does not fit"

# Without servers the command runs all the same.
mkdir "$scratch/bin"
printf '#!/bin/sh\nexit 1\n' > "$scratch/bin/mpirun"
chmod +x "$scratch/bin/mpirun"
expect 9 "a broken MPI" env PATH="$scratch/bin:$PATH" XDG_CACHE_HOME="$scratch/empty" "$forebay" run --nodes 2 \
  --report "$scratch/r.json" --stage "$set" -- sh -c 'cat "$0/d/plain" > /dev/null && exit 9' "$set"
says "a broken MPI" "$scratch/err" "runs without forebay"
says "a broken MPI" "$scratch/r.json" '"command_exit": 9'
says "a broken MPI" "$scratch/r.json" '"without_forebay"'
expect 9 "an unusable buffer" "$forebay" run --buffer /proc/none --stage "$set" -- sh -c 'exit 9'
says "an unusable buffer" "$scratch/err" "runs without forebay"

becomes_true 10 nothing_runs || fail "processes are left: $(processes_left)"
for session in $(sessions); do
  grep -qxF -- "$session" <<< "$before" && continue
  ! grep -qs "$scratch" "/dev/shm/forebay-$(id -u)/$session/control" || fail "session $session is left"
done
finish
