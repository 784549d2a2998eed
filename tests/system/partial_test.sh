#!/bin/bash
# Large objects in partial mode: every way of reading gives the right bytes, with room and without, while stripes are evicted,
# with servers killed in the middle; and what is read again does not go to the origin.
here=$(dirname "$(readlink -f "$0")")
source "$here/lib.sh"

reader=$FOREBAY_BUILD/tests/system/partial_reader
tree=$scratch/tree
copies=$scratch/copies
mkdir "$tree" "$copies" "$scratch/nodes"
# Holes, data, a last stripe that is short.
head -c 40M /dev/urandom >"$tree/big"
truncate -s 52M "$tree/big"
head -c $((51 * 1024 * 1024 + 4321)) /dev/urandom >>"$tree/big"
fio --name=verified --verify_state_save=0 --filename="$tree/verified" --rw=write --bs=64k --size=24M --verify=crc32c --do_verify=0 \
  >"$work/output" 2>&1 || fail "fio cannot write" "$(cat "$work/output")"
head -c 100000 /dev/urandom >"$tree/small"
cp "$tree"/* "$copies"
file_bytes=$(stat -c %s "$tree/big")
run=("$forebay" run --nodes 2 --per-node --stripe 4M --materialise-max 16M --stage "$tree")

section "more than the buffers hold"
# Each node owns about 64 MiB and has room for one or two stripes more.
expect_exit "everything reads right while stripes come and go" 0 "${run[@]}" --prefetch wait --buffer "$scratch/tight" \
  --capacity 72M --report "$work/tight.json" -- bash "$here/partial_node.sh" "$reader" "$tree" "$copies" "$scratch/nodes"
expect_report "stripes were evicted" "$work/tight.json" 'r["evicted_stripes"] > 10'
expect_report "bytes came from the buffer" "$work/tight.json" 'r["partial_bytes"] > 200 << 20'
expect_report "no errors" "$work/tight.json" 'r["errors"] == 0 and r["damaged"] == 0'
echo "tight: $(number_in "$work/tight.json" \
  '"%d opens, %d MiB from the buffer, %d stripes evicted, %d MiB from peers, origin read ratio %.3f" % (
     r["partial_opens"], r["partial_bytes"] >> 20, r["evicted_stripes"], r["peer_bytes"] >> 20, r["origin_read_ratio"])')"
used=$(find "$scratch/tight" -path '*/objects/*' -type f -printf '%b\n' | awk '{ sum += $1 } END { print sum * 512 }')
expect_that "the buffers stay below their capacity ($used bytes)" [ "$used" -le $((2 * 72 << 20)) ]

section "with room"
expect_exit "read twice on two nodes" 0 "${run[@]}" --prefetch off --buffer "$scratch/roomy" --capacity 400M \
  --report "$work/roomy.json" -- bash -c '
    "$0" "$1/big" "$2/big" sequential >/dev/null && "$0" "$1/big" "$2/big" random $FOREBAY_NODE >/dev/null &&
      "$0" "$1/big" "$2/big" sequential >/dev/null' "$reader" "$tree" "$copies"
expect_report "each byte left the origin once" "$work/roomy.json" "r['origin_bytes_read'] == $file_bytes"
expect_report "all was read from the buffers" "$work/roomy.json" "r['partial_bytes'] >= 4 * $file_bytes"
expect_report "nothing was evicted" "$work/roomy.json" 'r["evicted_stripes"] == 0'
echo "roomy: $(number_in "$work/roomy.json" '"%d MiB from the buffer for %d MiB from the origin" % (
  r["partial_bytes"] >> 20, r["origin_bytes_read"] >> 20)')"

section "servers killed in the middle"
# shellcheck disable=SC2016
expect_exit "reads go on" 0 "${run[@]}" --prefetch off --buffer "$scratch/killed" --capacity 72M \
  --report "$work/killed.json" -- bash -c '
    set -e
    for round in 1 2 3; do
      "$0" "$1/big" "$2/big" sequential >/dev/null &
      first=$!
      "$0" "$1/big" "$2/big" random $round >/dev/null &
      second=$!
      if [ "$round$FOREBAY_NODE" = 20 ]; then
        for pid in $("$3" status --json | python3 -c "import json, sys
for node in json.load(sys.stdin)[\"nodes\"]: print(node[\"pid\"])"); do kill -9 "$pid"; done
      fi
      wait $first
      wait $second
    done
    [ "$FOREBAY_NODE" = 1 ] || "$0" "$1/verified" "$2/verified" changing' "$reader" "$tree" "$copies" "$forebay"
