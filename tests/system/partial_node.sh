#!/bin/bash
# partial_node.sh READER TREE COPIES SCRATCH: what one node does with files in partial mode: reads them in every way, several at
# once, and compares every byte.
set -euo pipefail
reader=$1
tree=$2
copies=$3
scratch=$4/node$FOREBAY_NODE
mkdir -p "$scratch"
export TMPDIR=$scratch
failures=0

attempt() { # CMD...
  if ! "$@" >"$scratch/said" 2>&1; then
    echo "node $FOREBAY_NODE: FAILED: $*" >&2
    tail -n 5 "$scratch/said" >&2
    failures=$((failures + 1))
  fi
}
same_through() { # COMMAND: what it prints is the file
  bash -c "$1" 2>"$scratch/said" | cmp - "$copies/big"
}

for way in sequential vectors seeking sending splicing streams children raw mapping sharing random; do
  attempt "$reader" "$tree/big" "$copies/big" $way "$((FOREBAY_NODE + 1))"
done
attempt same_through "cat '$tree/big'"
attempt same_through "cat <'$tree/big'"
attempt same_through "dd if='$tree/big' bs=777777 status=none"
attempt same_through "head -c 1000000000 '$tree/big'"
attempt same_through "tar -C '$tree' -cf - big | tar -xOf - big"
attempt same_through "python3 -c 'import sys, shutil; shutil.copyfileobj(open(sys.argv[1], \"rb\"), sys.stdout.buffer)' '$tree/big'"
cp "$tree/big" "$scratch/copied"
attempt cmp "$scratch/copied" "$copies/big"
attempt python3 -c '
import os, shutil, sys
mounted, copy, scratch = sys.argv[1:]
shutil.copyfile(mounted, scratch)  # sendfile
assert open(scratch, "rb").read() == open(copy, "rb").read()
with open(mounted, "rb") as a, open(copy, "rb") as b:
    for at in (0, 4 << 20, (4 << 20) - 1, 50_000_001, 99 << 20):
        a.seek(at), b.seek(at)
        assert a.read(5_000_000) == b.read(5_000_000), at
' "$tree/big" "$copies/big" "$scratch/copied"
rm "$scratch/copied"
for engine in psync sync pvsync pvsync2 mmap libaio io_uring; do
  attempt fio --name=verified --verify_state_save=0 --filename="$tree/verified" --readonly --rw=read --bs=64k --size=24M --verify=crc32c \
    --ioengine=$engine
done
for engine in psync libaio; do
  attempt fio --name=verified --verify_state_save=0 --filename="$tree/verified" --readonly --rw=read --bs=64k --size=24M --verify=crc32c \
    --direct=1 --ioengine=$engine
done
# Several at once, while stripes come and go.
pids=()
for way in sequential random vectors sending sequential random; do
  "$reader" "$tree/big" "$copies/big" $way "$((RANDOM))" >/dev/null &
  pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || failures=$((failures + 1)); done
[ $failures = 0 ]
