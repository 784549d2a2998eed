# Checkpoints written by plain programs on 3 simulated nodes: seen on all of them, the destination is right at the end; what a
# destination refuses, and what a killed run left, is kept, listed and finished later.
here=$(dirname "$(readlink -f "$0")")
[ -n "${OWN_MOUNTS:-}" ] || exec env OWN_MOUNTS=1 "$here/../lab/as_root.sh" unshare --mount --propagation private bash "$0"
. "$here/lib.sh"
trap 'umount -l "$scratch/small" 2> /dev/null; rm -rf "$scratch"' EXIT

# What a node of a job does below $1; of the other nodes it waits for files with sums, and compares.
cat > "$scratch/save" << 'EOS'
set -e
ckpt=$1 together=$2 node=${FOREBAY_NODE:-0} nodes=${FOREBAY_NODES:-1}
fail() { echo "node $node: $*" >&2; exit 9; }
cd "$ckpt"
for step in 1 2 3; do
  mkdir -p step-$step
  seq $node $((node + 20000 * step)) > step-$step/rank$node.tmp
  mv step-$step/rank$node.tmp step-$step/rank$node
  cp -p step-$step/rank$node step-$step/copy$node
  chmod 640 step-$step/copy$node
  printf 'appended\n' >> step-$step/copy$node
  ln -sf rank$node step-$step/link$node
  md5sum < step-$step/rank$node > "$together/sum.$step.$node.new"
  mv "$together/sum.$step.$node.new" "$together/sum.$step.$node"
  other=$(((node + 1) % nodes))
  for _ in $(seq 600); do [ ! -e "$together/sum.$step.$other" ] || break; sleep 0.05; done
  md5sum < step-$step/rank$other | cmp -s - "$together/sum.$step.$other" || fail "step $step of node $other is another"
  ls step-$step | grep -qx rank$other || fail "step $step of node $other is not listed"
done
rm step-1/copy$node
mkdir -p parts.$node/deep && seq 100 > parts.$node/deep/x && mv parts.$node whole.$node
[ "$(cat whole.$node/deep/x | wc -l)" = 100 ] || fail "a renamed directory reads otherwise"
EOS
listing() { (cd "$1" && find . \( -type d -printf '%p %m\n' \) -o \( -type l -printf '%p -> %l\n' \) -o -printf '%p %m %s\n' | LC_ALL=C sort); }
same_trees() { # WHAT EXPECTED ACTUAL
  diff -r "$2" "$3" > "$scratch/diff" || { fail "$1: other contents"; head -n 20 "$scratch/diff" >&2; }
  diff <(listing "$2") <(listing "$3") > "$scratch/diff" || { fail "$1: other names or modes"; head -n 20 "$scratch/diff" >&2; }
}
mkdir "$scratch/expected" "$scratch/alone"
for node in 0 1 2; do
  FOREBAY_NODE=$node FOREBAY_NODES=1 bash -c 'sed "s/^  other=.*/  other=\$node/" "$0" | bash -s "$1" "$2"' "$scratch/save" \
    "$scratch/expected" "$scratch/alone" || fail "the script fails without forebay"
done

echo "== three nodes, the destination's own path"
mkdir "$scratch/together"
expect 0 "three nodes" "$forebay" run --nodes 3 --per-node --checkpoint "$scratch/dest" --report "$scratch/r.json" -- \
  bash "$scratch/save" "$scratch/dest" "$scratch/together"
same_trees "three nodes" "$scratch/expected" "$scratch/dest"
says "three nodes" "$scratch/r.json" '"not_durable_files": 0'

echo "== another mount, the command's own exit code, and what was there before"
rm -rf "$scratch/together" && mkdir "$scratch/together"
expect 7 "a mount elsewhere" "$forebay" run --nodes 3 --per-node --checkpoint "$scratch/dest=/forebay-none/ckpt" -- \
  bash -c 'cd /forebay-none/ckpt && cmp step-3/rank0 "$1/step-3/rank0" && echo $FOREBAY_NODE > later.$FOREBAY_NODE &&
    rm step-1/link$FOREBAY_NODE && rm -r whole.$FOREBAY_NODE && : > "$2/over.$FOREBAY_NODE"
    for _ in $(seq 600); do [ "$(ls "$2" | grep -c over)" != 3 ] || exit 7; sleep 0.05; done' sh "$scratch/expected" "$scratch/together"
rm -r "$scratch"/expected/step-1/link* "$scratch"/expected/whole.*
for node in 0 1 2; do echo $node > "$scratch/expected/later.$node"; done
same_trees "a mount elsewhere" "$scratch/expected" "$scratch/dest"

echo "== verbs while it runs"
expect 0 "verbs" "$forebay" run --nodes 2 --checkpoint "$scratch/verbs" -- bash -c '
  set -e
  mkdir "$1/step-9" && seq 1000 > "$1/step-9/a" && seq 10 > "$1/step-9/b"
  "$0" drain --wait "$1/step-9" | grep -qE "^([0-9]+) of \1 files.* durable"
  cmp "$1/step-9/a" <("$0" exec --off -- cat "$1/step-9/a")
  "$0" checkpoints | grep -qE "step-9 +2 .* durable"
  "$0" checkpoints --json | grep -q "\"state\": \"durable\""
  "$0" drain --wait --json | grep -q "\"left\": 0"
  exec 5> "$1/step-9/open" && echo x >&5
  "$0" checkpoints | grep -q writing
' "$forebay" "$scratch/verbs"
cmp -s <(echo x) "$scratch/verbs/step-9/open" || fail "verbs: what was open at the end is not there"

echo "== a destination that is full"
mkdir "$scratch/small"
mount -t tmpfs -o size=256k tmpfs "$scratch/small"
expect 4 "a full destination" "$forebay" run --nodes 2 --checkpoint "$scratch/small" --drain-deadline 3 -- \
  bash -c 'mkdir "$0/s" && head -c 1000000 /dev/zero > "$0/s/big" && echo 1 > "$0/s/small" && cat "$0/s/big" | wc -c | grep -qx 1000000' "$scratch/small"
says "a full destination" "$scratch/err" "s/big: failed \(.*[Nn]o space"
[ ! -e "$scratch/small/s/big" ] || fail "a full destination: a part has the final name"
expect 4 "recovery while it is full" "$forebay" drain --recover --nodes 2 --checkpoint "$scratch/small" --deadline 2
mount -o remount,size=8m "$scratch/small"
expect 0 "recovery" "$forebay" drain --recover --nodes 2 --checkpoint "$scratch/small"
[ "$(wc -c < "$scratch/small/s/big")" = 1000000 ] || fail "recovery: it is not there"
[ "$(find "$scratch/small" | wc -l)" = 4 ] || { fail "recovery: something else is there"; find "$scratch/small" >&2; }

echo "== a run that is killed: the next one finishes"
rm -f "$scratch/written"
"$forebay" run --nodes 2 --checkpoint "$scratch/killed" --drain-bandwidth 1K -- \
  bash -c 'mkdir "$0/s" && seq 100000 > "$0/s/a" && touch "$1" && exec sleep 1000' "$scratch/killed" "$scratch/written" 2> /dev/null &
run=$!
becomes_true 60 test -e "$scratch/written" || fail "nothing was written"
kill -9 $run
wait $run 2> /dev/null
becomes_true 30 nothing_runs || fail "processes are left: $(processes_left)"
[ ! -e "$scratch/killed/s/a" ] || fail "it was drained too soon for this test"
expect 0 "the run after a killed one" "$forebay" run --nodes 2 --checkpoint "$scratch/killed" -- \
  bash -c 'cmp <(seq 100000) "$0/s/a"' "$scratch/killed"
cmp -s <(seq 100000) "$scratch/killed/s/a" || fail "the next run did not finish what a killed one left"

becomes_true 10 nothing_runs || fail "processes are left: $(processes_left)"
finish
