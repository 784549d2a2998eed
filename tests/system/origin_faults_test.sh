#!/bin/bash
# The origin fails or hangs: programs get its own errno or the staged bytes, what passes is tried again, and what is staged is
# served as if nothing were. The origin is a file system of ours that fails as it is told (tests/origin/failing_origin.c).
here=$(dirname "$(readlink -f "$0")")
[ "$(id -u)" = 0 ] || exec "$here/../lab/as_root.sh" bash "$0"
source "$here/lib.sh"

backing=$work/backing
tree=$work/origin
rules=$work/rules
log=$work/log
mkdir -p "$backing"/{good,worse,shy,ahead} "$tree" "$work/flags"
for number in $(seq 40); do echo "good $number" >"$backing/good/$number"; done
for number in $(seq 200); do echo "ahead $number" >"$backing/ahead/$number"; done
head -c 9000000 /dev/urandom >"$backing/good/large"
ln "$backing/good/1" "$backing/good/linked"
ln -s 1 "$backing/good/link"
for name in read_passes stale_open stale_read read_fails open_fails forbidden; do echo $name >"$backing/worse/$name"; done
echo shy >"$backing/shy/1"

mount_origin() { # its process is $origin
  "$FOREBAY_BUILD/tests/origin/failing_origin" "$backing" "$rules" "$log" "$tree" &
  origin=$!
  disown  # finish() would wait for it while it hangs.
  wait_until 30 mountpoint -q "$tree"
}
end_origin() {
  kill -CONT $origin && kill $origin
  wait_until 30 is_gone $origin
}
on_exit+=(end_origin)
: >"$rules"
mount_origin

# Errno numbers are this machine's, as every Linux's.
eio=5 eacces=13 estale=116

section "failures while the origin is scanned and staged"
cat >"$rules" <<RULES
readdir $eio -1 /shy
read $eio 3 /worse/read_passes
open $estale 2 /worse/stale_open
read $estale 2 /worse/stale_read
read $eio -1 /worse/read_fails
open $eio -1 /worse/open_fails
open $eacces -1 /worse/forbidden
RULES
# shellcheck disable=SC2016
expect_exit "the run" 0 "$forebay" run --nodes 2 --per-node --prefetch wait --buffer "$work/buffer.failing" --report "$work/report.failing" \
  --stage "$tree" -- sh -c '
    for name in read_passes stale_open stale_read read_fails open_fails forbidden; do
      cat "$0/worse/$name" 2>&1 | sed "s/^cat: .*: //"
    done >"$1/failing.$FOREBAY_NODE"
    ls "$0/shy" 2>&1 | sed "s/^ls: .*: //" >>"$1/failing.$FOREBAY_NODE"
    cat "$0"/good/* | cmp - "$1/good" >>"$1/failing.$FOREBAY_NODE"' "$tree" "$work" <<<"$(cat "$backing"/good/* >"$work/good")"
cat >"$work/expected" <<'SAID'
read_passes
stale_open
stale_read
Input/output error
Input/output error
Permission denied
Input/output error
SAID
for node in 0 1; do expect_same "what node $node reads" "$work/expected" "$work/failing.$node"; done
expect_report "what failed is counted, what is forbidden is left to the origin" "$work/report.failing" \
  'r["errors"] >= 2 and r["left_to_origin"] >= 1'
expect_that "what passes was tried again" [ "$(grep -c '^open /worse/stale_open$' "$log")" -ge 3 ]

section "an origin that comes back"
: >"$rules"
cat >"$rules" <<RULES
read $eio -1 /worse/read_fails
RULES
# shellcheck disable=SC2016
expect_exit "a file that failed is staged when it is opened again" 0 "$forebay" run --nodes 2 --prefetch wait \
  --buffer "$work/buffer.back" --report "$work/report.back" --stage "$tree" -- sh -c '
    ! cat "$0/worse/read_fails" 2>/dev/null || exit 1
    : >"$1"
    cat "$0/worse/read_fails" && cat "$0/worse/read_fails"' "$tree" "$rules"
expect_report "the second time from the buffer" "$work/report.back" 'r["hits"]["local"] >= 1 and sum(node["bypassed"] for node in r["nodes"]) == 0'

section "an origin that hangs"
: >"$rules"
# What a node says of what is staged, by every way to ask. Nothing of it may reach the origin.
cat >"$work/read_staged.sh" <<'READ'
cd / && exec 2>&1
good=$1/good
cat "$good"/{1..40} "$good/large" | md5sum
"$2" "$3" "$good" | sed 's/  *$//'
ls -l --time-style=full-iso "$good" && stat -f -c %T "$good" && readlink "$good/link" "$good/../good/link"
realpath "$good/link" && find "$good" -type f -size +1k && du -s --apparent-size "$good"
(cd "$good" && cat link ../good/2 ./3 && pwd && ls ..)
cp -a "$good/large" "$4" && cmp "$good/large" "$4" && rm "$4"
test -r "$good/1"; tar -C "$1" -cf - good | tar -tf - | sort
"$2" -c 'import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
print(len(mmap.mmap(fd, 0, prot=mmap.PROT_READ)[:]), os.fstat(fd).st_size, os.statvfs(sys.argv[1]).f_bsize)' "$good/large"
READ
cat >"$work/hang.sh" <<'HANG'
# Runs on each node: reads what is staged, first from peers, while the origin hangs.
set -u
tree=$1 work=$2 python=$3 here=$4 forebay=$5
echo "$FOREBAY_SESSION" >"$work/flags/session.$FOREBAY_NODE"
[ "$FOREBAY_NODE" != 0 ] || "$forebay" prefetch --wait "$tree/good"
: >"$work/flags/staged.$FOREBAY_NODE"
until [ -e "$work/flags/hangs" ]; do sleep 0.05; done
# What is not staged waits, many a node; also for what others own.
for number in $(seq 200); do
  cat "$tree/ahead/$number" >/dev/null 2>&1 &
done
timeout 100 bash "$work/read_staged.sh" "$tree" "$python" "$here/manifest.py" "$work/copy.$FOREBAY_NODE" >"$work/hung.$FOREBAY_NODE"
echo "exit code $?" >>"$work/hung.$FOREBAY_NODE"
if [ "$FOREBAY_NODE" = 1 ]; then
  "$forebay" refresh "$tree/ahead" >/dev/null 2>&1 &
  for verb in "status" "check $tree/good" "check --verify $tree/good" "locate $tree/good/large" "evict $tree/good/7"; do
    timeout 60 "$forebay" $verb >/dev/null 2>"$work/verb" || echo "WRONG: $verb: $? $(cat "$work/verb")"
  done >>"$work/hung.1"
fi
: >"$work/flags/done.$FOREBAY_NODE"
until [ -e "$work/flags/end" ]; do sleep 0.05; done
kill $(jobs -p) 2>/dev/null
exit 0
HANG
bash "$work/read_staged.sh" "$tree" "$python" "$here/manifest.py" "$work/copy" >"$work/calm"
echo "exit code 0" >>"$work/calm"
"$forebay" run --nodes 3 --per-node --prefetch off --buffer "$work/buffer.hangs" --report "$work/report.hangs" --stage "$tree" -- \
  bash "$work/hang.sh" "$tree" "$work" "$python" "$here" "$forebay" >"$work/said" 2>&1 &
run=$!
wait_until 120 all_exist "$work"/flags/staged.{0,1,2} || { cat "$work/said"; exit 1; }
kill -STOP $origin
: >"$work/flags/hangs"
wait_until 200 all_exist "$work"/flags/done.{0,1,2} || cat "$work/said"
for node in 0 1 2; do expect_same "node $node reads what is staged" "$work/calm" "$work/hung.$node"; done
: >"$work/flags/end"
began=$SECONDS
wait_until 60 is_gone $run || cat "$work/said"
echo "the run ended in $((SECONDS - began)) s, its origin still hanging"
kill -CONT $origin
wait $run && code=0 || code=$?
expect_equal "the run's exit code" 0 $code
expect_equal "nothing is left in /dev/shm" "" "$(ls -d "$(cat "$work/flags/session.0")" 2>/dev/null)"
