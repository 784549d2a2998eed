# What programs see through the interposer is what they see without it, errno included: by every call, with the origin
# away, at the origin's own path and at a mount that exists nowhere, for root and for another user.
. "${FOREBAY_SOURCE:?}/tests/posix/tree.sh" || exit 1
PROBE=$FOREBAY_BUILD/tests/posix/interposer_probe

mkdir "$WORK/home" "$WORK/other"
make_tree "$WORK/home/tree"

# The directory above the mount is nobody's, and shows what stands in for the origin. Left to the
# origin are the fifo and, for who may not list it, the closed directory.
ABOVE=$(stat -c %i "$WORK/home")
OTHER=$(stat -c %i "$WORK/other")
comparable() {
  sed -e "s/ino \($ABOVE\|$OTHER\) .*/above/" -e "s/^  \.\.\? \($ABOVE\|$OTHER\) /  dot above /" \
    -e "s,$WORK/\(home\|other\)$,ABOVE," "$1"
}
without_origin() { comparable "$1" | grep -av -e fifo -e closed -e '^  tree '; }
compare() {
  local filter=$1 got=$2 what=$3
  "$filter" "$WORK/plain.out" > "$WORK/expected"
  "$filter" "$got" > "$WORK/got"
  cmp -s "$WORK/expected" "$WORK/got" || {
    fail "$what"
    diff -a "$WORK/expected" "$WORK/got" | cut -c1-200 | head -20 >&2
  }
}

# run_all WHO: without a session, and the three ways a program may meet a mount, as the user $AS makes it.
run_all() {
  local who=$1
  $AS "$PROBE" "$WORK/home/tree" > "$WORK/plain.out" || fail "the probe itself"
  [ "$(wc -l < "$WORK/plain.out")" -gt 5000 ] || fail "the probe says too little"

  SESSION=/nonexistent ours "$PROBE" "$WORK/home/tree" > "$WORK/none.out" || fail "probe without a session"
  compare comparable "$WORK/none.out" "$who: without a session"

  start_session "same.$who" "$WORK/home/tree" "$WORK/home/tree"
  ours "$PROBE" "$WORK/home/tree" > "$WORK/same.out" || fail "probe at the origin's path"
  compare comparable "$WORK/same.out" "$who: mounted at the origin's path, origin there"
  stop_session

  start_session "other.$who" "$WORK/home/tree" "$WORK/other/tree"
  mkdir "$WORK/other/tree"
  ours "$PROBE" "$WORK/other/tree" > "$WORK/other.out" || fail "probe at another mount"
  rmdir "$WORK/other/tree" || fail "something was made at the mount"
  compare without_origin "$WORK/other.out" "$who: mounted elsewhere"
  stop_session

  # Last, because it changes the times of the origin.
  start_session "away.$who" "$WORK/home/tree" "$WORK/home/tree"
  mv "$WORK/home/tree" "$WORK/away"
  mkdir "$WORK/home/tree"
  ours "$PROBE" "$WORK/home/tree" > "$WORK/away.out" || fail "probe with the origin away"
  rmdir "$WORK/home/tree" || fail "something was made at the origin"
  mv "$WORK/away" "$WORK/home/tree"
  compare without_origin "$WORK/away.out" "$who: mounted at the origin's path, origin away"
  stop_session
}

run_all caller
if [ "$(id -u)" = 0 ]; then
  AS="setpriv --reuid=65534 --regid=65534 --clear-groups"
  run_all nobody
fi
finish
