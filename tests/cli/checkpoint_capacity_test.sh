# Real runs whose checkpoints are larger than what the buffer may have of them: programs wait or write to the destination, all
# that they wrote is at the destination in the end, and the buffer never had much more than it may.
. "$(dirname "$0")/lib.sh"
here=$(dirname "$(readlink -f "$0")")
export FOREBAY_MPI=shm
capacity=$((8 << 20))
file=$((2 << 20))

cat > "$scratch/save.py" << 'EOS'
"""Saves checkpoints below a mount, makes OVER, and reads what it saved: save.py MOUNT CHECKPOINTS FILE_BYTES OVER"""
import hashlib
import os
import sys
import time

mount, checkpoints, file_bytes, over = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]


def content(step, shard):
    seed = hashlib.sha256(b"%d %d" % (step, shard)).digest()
    return seed * (file_bytes // len(seed))


for step in range(checkpoints):
    os.mkdir(f"{mount}/step{step}.tmp")
    for shard in range(4):
        with open(f"{mount}/step{step}.tmp/shard{shard}", "wb", buffering=0) as out:
            data = content(step, shard)
            for at in range(0, len(data), 1 << 17):
                out.write(data[at : at + (1 << 17)])
    os.rename(f"{mount}/step{step}.tmp", f"{mount}/step{step}")
    time.sleep(0.5)  # What trains in between.
    with open(f"{mount}/latest", "w") as out:
        out.write(f"step{step}")
open(over, "w").close()
for step in range(checkpoints):
    for shard in range(4):
        with open(f"{mount}/step{step}/shard{shard}", "rb") as back:
            assert back.read() == content(step, shard), (step, shard)
for step in range(checkpoints):
    for shard in range(4):
        os.chmod(f"{mount}/step{step}/shard{shard}", 0o640)
assert open(f"{mount}/latest").read() == f"step{checkpoints - 1}"
EOS

# The most that the trees had, until all is written.
watch() {
  local most=0 now
  until [ -e "$scratch/over" ]; do
    now=$(du -s --block-size=1 "$scratch"/buffer/*/checkpoints/*/tree "$scratch"/buffer/*/*/checkpoints/*/tree 2> /dev/null |
      awk '{ sum += $1 } END { print sum + 0 }')
    [ "$now" -gt "$most" ] && most=$now && echo "$most" > "$scratch/most"
    sleep 0.05
  done
}
# saves WHAT [OPTION...]: six checkpoints of 8 MiB.
saves() {
  local what=$1
  shift
  rm -rf "$scratch/over" "$scratch/most" "$scratch/dest" "$scratch/buffer"
  watch &
  local watcher=$!
  expect 0 "$what" "$forebay" run --checkpoint "$scratch/dest=$scratch/mount" --checkpoint-capacity "$capacity" \
    --partners 0 "$@" -- python3 "$scratch/save.py" "$scratch/mount" 6 "$file" "$scratch/over"
  touch "$scratch/over"
  wait $watcher
  [ "$(find "$scratch/dest" -type f | wc -l)" = 25 ] || fail "$what: $(find "$scratch/dest" | sort)"
  [ "$(cat "$scratch/dest/latest")" = step5 ] || fail "$what: the marker is $(cat "$scratch/dest/latest")"
  python3 -c "
import os, sys
for step in range(6):
    for shard in range(4):
        found = os.stat(f'{sys.argv[1]}/step{step}/shard{shard}')
        assert (found.st_size, found.st_mode & 0o777) == ($file, 0o640), (step, shard, found)
" "$scratch/dest" || fail "$what: modes and sizes"
  ls -A "$scratch/dest" "$scratch/dest"/* | grep forebay && fail "$what: temporary names are left"
}

saves "writers wait"
says "writers wait" "$scratch/err" "checkpoints take .* of this node's 8.0 MiB: programs that write wait"
# Until it is noticed that it is full, some is written.
[ "$(cat "$scratch/most")" -lt $((4 * capacity)) ] || fail "the buffer had $(cat "$scratch/most") bytes"

saves "new files go to the destination" --checkpoint-full direct
says "new files go to the destination" "$scratch/err" "new files are made at the destination"

# One file is larger than all that may be there.
rm -rf "$scratch/dest" "$scratch/buffer"
expect 0 "a file larger than the capacity" "$forebay" run --checkpoint "$scratch/dest=$scratch/mount" \
  --checkpoint-capacity "$capacity" -- sh -c "head -c 24M /dev/zero | tr '\\0' x > '$scratch/mount/large' && echo ok > '$scratch/mount/small'"
[ "$(stat -c %s "$scratch/dest/large")" = $((24 << 20)) ] || fail "a file larger than the capacity: its size"
[ "$(tr -d x < "$scratch/dest/large" | wc -c)" = 0 ] || fail "a file larger than the capacity: its bytes"
[ "$(cat "$scratch/dest/small")" = ok ] || fail "the file behind one larger than the capacity"

becomes_true 20 nothing_runs || fail "left: $(processes_left)"
finish
