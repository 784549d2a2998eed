# Reading with the origin taken away; sourced after lib.sh. What every program says of the origin is kept in $work/expected,
# what it says on node N in $work/actual/nodeN.
# shellcheck shell=bash disable=SC2154

make_tree_and_read_it() { # FILES: the tree is $tree
  tree=$work/data/tree
  section "making a tree of more than $1 files"
  mkdir "$work/data"
  bash "$here/make_tree.sh" "$tree" "$1"
  objects=$(find "$tree" -type f -printf x | wc -c)
  expect_that "the tree is large enough" [ "$objects" -ge "$1" ]

  section "reading the origin, for comparison"
  READ_TIMES=$work/times.origin bash "$here/read_everything.sh" "$tree" "$work/expected" "$scratch/origin"
}

take_origin_away() { # NODES
  local node ready=()
  for ((node = 0; node < $1; node++)); do ready+=("$work/flags/ready.$node"); done
  if wait_until 200 all_exist "${ready[@]}"; then
    mv "$tree" "$work/data/away"
    : >"$work/flags/go"
  fi
}

# run_with_origin_away NODES CMD...: CMD is a `forebay run` without its command.
run_with_origin_away() {
  section "reading $objects files on $1 nodes, the origin away"
  mkdir "$work/flags" "$work/actual"
  take_origin_away "$1" &
  READ_TIMES=$work/times.node expect_exit "the command's exit code" 0 \
    "${@:2}" -- bash "$here/node_reads.sh" "$tree" "$work/actual" "$scratch" "$work/flags"
  cat "$work/output"
  kill $! 2>/dev/null || true
  wait
  expect_that "the origin was away while nodes read" [ ! -e "$tree" ]
  [ ! -e "$work/data/away" ] || mv "$work/data/away" "$tree"
}

compare_nodes() { # NODES REPORT
  local node
  section "comparing"
  for ((node = 0; node < $1; node++)); do
    expect_same "node $node reads what the origin holds" "$work/expected" "$work/actual/node$node"
  done
  expect_report "each byte left the origin once" "$2" 'round(r["origin_read_ratio"], 3) == 1.000'
  expect_report "the origin's bytes are the dataset's" "$2" 'r["origin_bytes_read"] == r["dataset_bytes"]'
  expect_report "every file is in the dataset" "$2" "r['dataset_objects'] <= $objects + 100 and r['dataset_objects'] > $objects - 100"
  expect_report "no errors" "$2" 'r["errors"] == 0'
  expect_report "the command's exit code is reported" "$2" 'r["command_exit"] == 0'
  expect_report "every node reports" "$2" "len(r['nodes']) == $1"
  expect_report "peers served each other" "$2" 'r["peer_bytes"] > 0 and r["hits"]["peer"] > 0'
  tail -n +1 "$work"/times.*
}
