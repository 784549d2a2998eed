#!/bin/bash
# A large object of a real S3 server, in partial mode on two nodes: every way of reading gives the right bytes, where a node's room is
# enough for what it owns, where nobody owns most of it, and while it is evicted; what cannot be read so is refused.
source "$(dirname "$(readlink -f "$0")")/../system/lib.sh"

export FOREBAY_LAB=$work/lab S3_PORT=$((20000 + $$ % 10000)) HOME=$work/home AWS_EC2_METADATA_DISABLED=true
on_exit+=("$lab/s3.sh down")
unset "${!AWS_@}"
mkdir "$HOME" "$scratch/copies"
reader=$FOREBAY_BUILD/tests/system/partial_reader
mount=$(mktemp -u -d /forebay-test-XXXXXX)
copies=$scratch/copies

section "a store with an object of 51 MiB and 30 of 1 MiB"
"$lab/s3.sh" up
eval "$("$lab/s3.sh" env)"
fill() { "$python" "$FOREBAY_SOURCE/tests/s3/fill_bucket.py" "$@"; }
fill large
head -c $((51 * 1024 * 1024 + 4321)) /dev/urandom >"$copies/big"
fill large "set/big=@$copies/big"
for k in $(seq -w 30); do
  head -c 1M /dev/urandom >"$copies/small.$k"
  fill large "set/small.$k=@$copies/small.$k"
done
file_bytes=$(stat -c %s "$copies/big")
run=("$forebay" run --nodes 2 --per-node --stripe 4M --materialise-max 16M --stage "s3://large/set=$mount")
export TMPDIR=$scratch

cat >"$work/node.sh" <<'NODE'
reader=$1 mount=$2 copies=$3
export TMPDIR=$4/node$FOREBAY_NODE
mkdir -p "$TMPDIR"
failures=0
attempt() {
  "$@" >"$TMPDIR/said" 2>&1 || { echo "node $FOREBAY_NODE: FAILED: $*: $(tail -n 5 "$TMPDIR/said")" >&2; failures=$((failures + 1)); }
}
same_through() { bash -c "$1" | cmp - "$copies/big"; }
for way in sequential vectors seeking sending splicing streams children sharing random refusing; do
  attempt "$reader" "$mount/big" "$copies/big" $way $((FOREBAY_NODE + 1))
done
attempt same_through "cat '$mount/big'"
attempt same_through "cat <'$mount/big'"
attempt same_through "cat /dev/stdin <'$mount/big'"
attempt same_through "exec 7<'$mount/big'; cat /proc/self/fd/7"
attempt same_through "dd if='$mount/big' bs=777777 status=none"
attempt same_through "tar -C '$mount' -cf - big | tar -xOf - big"
attempt grep -c . "$mount/big"
attempt cp "$mount/big" "$TMPDIR/copied"
attempt cmp "$TMPDIR/copied" "$copies/big"
rm -f "$TMPDIR/copied"
attempt /usr/bin/python3 -c '
import mmap, os, shutil, subprocess, sys
import numpy
mounted, copy, scratch = sys.argv[1:]
right = open(copy, "rb").read()
assert numpy.fromfile(mounted, dtype=numpy.uint8).tobytes() == right
assert numpy.fromfile(mounted, dtype=numpy.uint8, count=1000, offset=5_000_000).tobytes() == right[5_000_000:5_001_000]
shutil.copyfile(mounted, scratch)  # sendfile
assert open(scratch, "rb").read() == right
with open(mounted, "rb") as file:
    for at in (0, 4 << 20, (4 << 20) - 1, 30_000_001, 51 << 20):
        file.seek(at)
        assert file.read(5_000_000) == right[at:at + 5_000_000], at
    file.seek(1234)
    inherited = subprocess.run(["head", "-c", "100000"], stdin=file, stdout=subprocess.PIPE).stdout
    assert inherited == right[1234:101234]
    assert os.fstat(file.fileno()).st_size == os.path.getsize(mounted) == len(right)
    try:
        mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        raise SystemExit("mapped, where it does not fit")
    except OSError as refused:
        assert refused.errno == 19, refused  # ENODEV
' "$mount/big" "$copies/big" "$TMPDIR/copied"
rm -f "$TMPDIR/copied"
for file in "$copies"/small.*; do
  attempt cmp "$file" "$mount/${file##*/}"
done
pids=()
for way in sequential random vectors sending; do
  "$reader" "$mount/big" "$copies/big" $way $RANDOM >/dev/null &
  pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || failures=$((failures + 1)); done
[ $failures = 0 ]
NODE

section "more than the buffers hold"
# 48 MiB for 81: most of it nobody's, and all of it comes and goes.
expect_exit "everything reads right while it comes and goes" 0 "${run[@]}" --prefetch wait --buffer "$scratch/tiny" --capacity 24M \
  --report "$work/tiny.json" -- bash "$work/node.sh" "$reader" "$mount" "$copies" "$scratch"
expect_report "stripes were evicted, and read again" "$work/tiny.json" 'r["evicted_stripes"] > 10 and r["origin_read_ratio"] > 1'
expect_report "no errors" "$work/tiny.json" 'r["errors"] == 0 and r["damaged"] == 0'
echo "tiny: $(number_in "$work/tiny.json" \
  '"%d opens, %d MiB from the buffer, %d stripes evicted, origin read ratio %.3f" % (
     r["partial_opens"], r["partial_bytes"] >> 20, r["evicted_stripes"], r["origin_read_ratio"])')"
used=$(find "$scratch/tiny" -path '*/objects/*' -type f -printf '%b\n' | awk '{ sum += $1 } END { print sum * 512 }')
expect_that "the buffers stay below their capacity ($used bytes)" [ "$used" -le $((2 * 24 << 20)) ]

section "with room"
expect_exit "read twice on two nodes, and mapped" 0 "${run[@]}" --prefetch off --buffer "$scratch/roomy" --capacity 400M \
  --report "$work/roomy.json" -- bash -c '
    "$0" "$1/big" "$2/big" sequential >/dev/null && "$0" "$1/big" "$2/big" random $FOREBAY_NODE >/dev/null &&
      "$0" "$1/big" "$2/big" sequential >/dev/null && "$0" "$1/big" "$2/big" mapping' "$reader" "$mount" "$copies"
expect_report "each byte left the store once" "$work/roomy.json" "r['origin_bytes_read'] == $file_bytes and r['store']['repeated'] == 0"

section "no room for a stripe"
expect_exit "the reader's errno" 0 "${run[@]}" --prefetch off --buffer "$scratch/none" --capacity 1M -- bash -c '
  cat "$0/big" 2>&1 >"$1/nothing.$FOREBAY_NODE" | grep -q "Input/output error" && [ ! -s "$1/nothing.$FOREBAY_NODE" ]' "$mount" "$work"
grep -qE "s3://large/set/big cannot be read \(" "$work/output" || fail "it is said" "$(cat "$work/output")"

section "changed while it is read"
head -c $((51 * 1024 * 1024 + 4321)) /dev/urandom >"$scratch/new"
# shellcheck disable=SC2016
expect_exit "the old version, or an error" 0 "$forebay" run --nodes 2 --stripe 4M --materialise-max 16M --stage "s3://large/set=$mount" \
  --prefetch off --buffer "$scratch/changing" --capacity 24M -- bash -c '
    exec 7<"$0/big"
    head -c 5000000 <&7 >"$1/first" && "$2" "$3/tests/s3/fill_bucket.py" large "set/big=@$1/new" && ! cat <&7 >"$1/rest" 2>"$1/why" &&
      grep -q "Stale file handle" "$1/why" && cat "$1/first" "$1/rest" | cmp -n "$(cat "$1/first" "$1/rest" | wc -c)" - "$1/copies/big"' \
  "$mount" "$scratch" "$python" "$FOREBAY_SOURCE"
