#!/bin/bash
# Four simulated nodes stage a real tree once. Then the origin is renamed away, and on every node unmodified programs list and
# read all of it, and say byte for byte what they said of the origin.
here=$(dirname "$(readlink -f "$0")")
source "$here/lib.sh"
source "$here/origin_away.sh"

make_tree_and_read_it 20000
run_with_origin_away 4 "$forebay" run --nodes 4 --per-node --prefetch wait --buffer "$work/buffer" \
  --report "$work/report.json" --stage "$tree"
compare_nodes 4 "$work/report.json"
