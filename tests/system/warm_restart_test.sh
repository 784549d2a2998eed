#!/bin/bash
# A later run takes up what is in the buffers: the same nodes stage nothing, other nodes only what moved to them, and a changed
# file is staged again.
here=$(dirname "$(readlink -f "$0")")
source "$here/lib.sh"

tree=$work/tree
bash "$here/make_tree.sh" "$tree" 2000
export tree

run_on() { # NODES REPORT
  find "$tree" -type f -print0 | sort -z | xargs -0 md5sum >"$work/expected"
  # shellcheck disable=SC2016
  expect_exit "a run on $1 nodes" 0 "$forebay" run --nodes "$1" --per-node --prefetch wait --buffer "$work/buffer" \
    --report "$2" --stage "$tree" -- sh -c \
    'find "$tree" -type f -print0 | sort -z | xargs -0 md5sum >"$0.$FOREBAY_NODE"' "$work/sums"
  local node
  for ((node = 0; node < $1; node++)); do
    expect_same "node $node of $1 reads the right bytes" "$work/expected" "$work/sums.$node"
  done
}

section "a cold run on 4 nodes"
run_on 4 "$work/cold.json"
expect_report "a cold run reads each byte once" "$work/cold.json" 'r["origin_bytes_read"] == r["dataset_bytes"]'

section "the same again"
run_on 4 "$work/warm.json"
expect_report "a warm run reads nothing" "$work/warm.json" 'r["origin_bytes_read"] == 0 and r["origin_read_ratio"] == 0'

section "a node less"
run_on 3 "$work/fewer.json"
expect_report "only what the lost node had is missing" "$work/fewer.json" 'r["origin_read_ratio"] < 0.40'

section "a node more than at first"
run_on 5 "$work/more.json"
expect_report "only what moved to the new node is missing" "$work/more.json" 'r["origin_read_ratio"] < 0.30'

section "the first nodes again"
run_on 4 "$work/again.json"
expect_report "what they owned is still there" "$work/again.json" 'r["origin_bytes_read"] == 0'

section "two files have changed"
printf 'longer than before, and other bytes' >>"$tree/made/sizes/4096"
changed=$(stat -c %s "$tree/made/sizes/4096")
# Same size: only its times tell.
printf 'X' | dd of="$tree/made/sizes/4097" conv=notrunc status=none
run_on 4 "$work/changed.json"
expect_report "only the changed files are read" "$work/changed.json" "r['origin_bytes_read'] == $changed + 4097"
