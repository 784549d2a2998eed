#!/bin/bash
# Four simulated nodes stage a real tree once. Then the origin is renamed away, and on every node unmodified programs list and
# read all of it, and say byte for byte what they said of the origin.
# shellcheck source=tests/system/lib.sh
source "$(dirname "$(readlink -f "$0")")/lib.sh"

nodes=4
files=20000
tree=$work/data/tree

section "making a tree of more than $files files"
mkdir "$work/data"
bash "$here/make_tree.sh" "$tree" $files
objects=$(find "$tree" -type f -printf x | wc -c)
bytes=$(find "$tree" -type f -printf '%i %s\n' | sort -u | awk '{ sum += $2 } END { print sum }')
expect_that "the tree is large enough" [ "$objects" -ge $files ]

section "reading the origin, for comparison"
READ_TIMES=$work/times.origin bash "$here/read_everything.sh" "$tree" "$work/expected" "$scratch/origin"

section "staging $objects files, $bytes bytes on $nodes nodes"
mkdir "$work/flags" "$work/actual"
take_origin_away() {
  if wait_until 200 all_exist "$work"/flags/ready.{0..3}; then
    mv "$tree" "$work/data/away"
    : >"$work/flags/go"
  fi
}
take_origin_away &
READ_TIMES=$work/times.node expect_exit "the command's exit code" 0 \
  "$forebay" run --nodes $nodes --per-node --prefetch wait --buffer "$work/buffer" --report "$work/report.json" \
  --stage "$tree" -- bash "$here/node_reads.sh" "$tree" "$work/actual" "$scratch" "$work/flags"
cat "$work/output"
wait
expect_that "the origin was away while nodes read" [ ! -e "$tree" ]
mv "$work/data/away" "$tree"

section "comparing"
for ((node = 0; node < nodes; node++)); do
  expect_same "node $node reads what the origin holds" "$work/expected" "$work/actual/node$node"
done
report=$work/report.json
expect_report "each byte left the origin once" "$report" 'f"{r[\"origin_read_ratio\"]:.3f}" == "1.000"'
expect_report "the origin's bytes are the dataset's" "$report" 'r["origin_bytes_read"] == r["dataset_bytes"]'
expect_report "every file is in the dataset" "$report" "r['dataset_objects'] >= $files"
expect_report "no errors" "$report" 'r["errors"] == 0'
expect_report "the command's exit code is reported" "$report" 'r["command_exit"] == 0'
expect_report "every node reports" "$report" "len(r['nodes']) == $nodes"
expect_report "peers served each other" "$report" 'r["peer_bytes"] > 0 and r["hits"]["peer"] > 0'
head -n 30 "$work"/times.* | column -c 110
