#!/bin/bash
# Buffers smaller than the dataset: plan and run say so up front, everything still reads right, and no buffer grows past its
# capacity.
here=$(dirname "$(readlink -f "$0")")
source "$here/lib.sh"

tree=$work/tree
nodes=2
capacity_mib=24
mkdir "$tree"
for number in $(seq 400); do head -c $((number * 1021 % 400000 + 1)) /dev/urandom >"$tree/$number"; done
head -c 20M /dev/urandom >"$tree/large"
head -c 40M /dev/urandom >"$tree/larger_than_a_buffer"
export tree

section "plan"
expect_exit "plan says that it does not fit" 3 "$forebay" plan "$tree" --nodes $nodes --capacity ${capacity_mib}M
expect_exit "plan says that it fits" 0 "$forebay" plan "$tree" --nodes $nodes --capacity 1G

section "run"
find "$tree" -type f -print0 | sort -z | xargs -0 md5sum >"$work/expected"
# Twice, so that replicas have come and gone. The buffers are looked at while they are in use.
# shellcheck disable=SC2016
expect_exit "a run that does not fit" 0 "$forebay" run --nodes $nodes --per-node --prefetch wait --buffer "$work/buffer" \
  --capacity ${capacity_mib}M --report "$work/report.json" --stage "$tree" -- sh -c '
    for round in 1 2; do
      find "$tree" -type f -print0 | sort -z | xargs -0 md5sum >"$0/sums.$FOREBAY_NODE.$round"
      find "$0/buffer" -path "*/objects/*" -type f -printf "%s\n" | awk "{ sum += \$1 } END { print sum }" \
        >"$0/used.$FOREBAY_NODE.$round"
    done' "$work"
expect_that "run says that it does not fit" grep -q 'does not fit' "$work/output"
for node in 0 1; do
  for round in 1 2; do
    expect_same "node $node reads the right bytes, round $round" "$work/expected" "$work/sums.$node.$round"
    used=$(cat "$work/used.$node.$round")
    expect_that "buffers stay below their capacity ($used bytes used)" [ "$used" -le $((nodes * capacity_mib << 20)) ]
    expect_that "buffers are used ($used bytes)" [ "$used" -ge $((nodes * capacity_mib << 19)) ]
  done
done
expect_report "some of it was kept" "$work/report.json" 'r["hits"]["local"] + r["hits"]["peer"] > 0'
expect_report "no errors" "$work/report.json" 'r["errors"] == 0'
