# What forebay.h promises, from a C program without the interposer.
. "${FOREBAY_SOURCE:?}/tests/posix/tree.sh" || exit 1
PROBE=$FOREBAY_BUILD/tests/posix/c_api_probe
make_tree "$WORK/tree"
start_session api "$WORK/tree" "$WORK/tree" --absent dir/inner --absent dir/sub/deep --nowhere empty

said() { tr '\n' ' '; }
expect() {
  local expected=$1
  shift
  local got
  got=$("$PROBE" "$@" | said)
  [ "$got" = "$expected" ] || fail "said '$got', not '$expected'"
}
cd "$WORK"
expect "attach 0 where 1 where 1 where 1 where 2 where 3 where 3 where -20 where -40 where 0 counters 0 0 0 0 0 " "$SESSION" \
  tree/link tree tree/dirlink tree/dir/inner tree/empty tree/nope tree/plain/x tree/loop /etc/passwd
expect "attach 0 fetch 0 fetch 0 fetch -22 fetch -22 fetch -22 counters 0 1 0 0 0 " "$SESSION" -- \
  tree/dir/inner tree/plain tree/empty tree/nope /etc/passwd
expect "attach 0 where 1 counters 0 1 0 0 0 " "$SESSION" tree/dir/inner
expect "attach -2 where 0 fetch -22 counters -2 " /nonexistent tree/plain -- tree/plain
expect "attach -2 counters -2 " ""
got=$(FOREBAY_SESSION=$SESSION "$PROBE" "" tree/plain | said)
[ "$got" = "attach 0 where 1 counters 0 1 0 0 0 " ] || fail "from the environment: $got"
kill_server
finish
