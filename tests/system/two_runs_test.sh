#!/bin/bash
# Two runs of one user on one machine, a run inside another's command, and runs with several datasets: nested mounts, one
# origin under two mounts, a mount inside another dataset's origin.
here=$(dirname "$(readlink -f "$0")")
source "$here/lib.sh"

mkdir -p "$work"/{a,b}/sub "$work/flags"
for tree in a b; do
  for number in $(seq 30); do echo "$tree $number" >"$work/$tree/$number"; done
  echo "$tree's own" >"$work/$tree/sub/x"
done
echo top >"$work/a/top"
ln -s sub/x "$work/a/link"
ln -s "$work/m/sub/x" "$work/a/far"
mkdir "$work/a/dir"
cat "$work"/a/{1..30} >"$work/expected.a"
cat "$work"/b/{1..30} >"$work/expected.b"

section "two runs at once"
# One ends while the other goes on.
start() { # NAME: the command reads, meets the other, and reads again once it may go on.
  # shellcheck disable=SC2016
  "$forebay" run --nodes 2 --prefetch wait --buffer "$work/buffer.$1" --report "$work/report.$1" --stage "$work/a" -- sh -c '
    cat "$0"/a/[0-9]* >/dev/null && echo "$FOREBAY_SESSION" >"$0/flags/$1"
    until [ -e "$0/flags/go.$1" ]; do sleep 0.05; done
    for number in $(seq 30); do cat "$0/a/$number"; done >"$0/actual.$1"' "$work" "$1" >"$work/said.$1" 2>&1 &
}
start one
one=$!
start two
two=$!
wait_until 120 all_exist "$work/flags/one" "$work/flags/two" || { cat "$work"/said.*; exit 1; }
expect_that "each has its session" [ "$(cat "$work/flags/one")" != "$(cat "$work/flags/two")" ]
: >"$work/flags/go.one"
wait $one || fail "the first run's exit code" "$(cat "$work/said.one")"
expect_that "its session is gone" [ ! -e "$(cat "$work/flags/one")" ]
expect_that "the other's is not" [ -e "$(cat "$work/flags/two")/control" ]
: >"$work/flags/go.two"
wait $two || fail "the second run's exit code" "$(cat "$work/said.two")"
for name in one two; do
  expect_same "$name reads the right bytes" "$work/expected.a" "$work/actual.$name"
  expect_report "$name is served to its end, once from the origin" "$work/report.$name" \
    'r["origin_read_ratio"] == 1.0 and r["failures"] == 0 and r["hits"]["local"] >= 60 - r["hits"]["peer"] and r["errors"] == 0'
done

section "a run inside another's command"
# The inner one takes the place of the outer one for its command, and its servers read the origin itself.
# shellcheck disable=SC2016
expect_exit "both end well" 0 "$forebay" run --nodes 1 --prefetch wait --buffer "$work/buffer.outer" --report "$work/report.outer" \
  --stage "$work/a" -- sh -c '
    cat "$0"/a/[0-9]* >/dev/null || exit 1
    outer=$FOREBAY_SESSION
    "$1" run --nodes 1 --prefetch wait --buffer "$0/buffer.inner" --report "$0/report.inner" --stage "$0/b" -- sh -c "
      [ \"\$FOREBAY_SESSION\" != \"\$1\" ] && cat \"\$0\"/a/[0-9]* >/dev/null &&
        for number in \$(seq 30); do cat \"\$0/b/\$number\"; done >\"\$0/actual.inner\"" "$0" "$outer" || exit 2
    for number in $(seq 30); do cat "$0/a/$number"; done >"$0/actual.outer"' "$work" "$forebay"
expect_same "the inner command's bytes" "$work/expected.b" "$work/actual.inner"
expect_same "the outer command's bytes" "$work/expected.a" "$work/actual.outer"
expect_report "the inner one's opens are its own" "$work/report.inner" 'r["hits"]["local"] == 30 and r["origin_read_ratio"] == 1.0'
expect_report "and the outer one's" "$work/report.outer" 'r["hits"]["local"] >= 60 and r["errors"] == 0'

section "a mount inside another: the deepest is meant"
# shellcheck disable=SC2016
expect_exit "whatever way leads there" 0 "$forebay" run --nodes 2 --per-node --prefetch wait --buffer "$work/buffer.nested" \
  --report "$work/report.nested" --stage "$work/a=$work/m" --stage "$work/b=$work/m/sub" --stage "$work/b=$work/m/unlisted" -- sh -c '
    m=$0/m out=$0/nested.$FOREBAY_NODE
    {
      cat $m/sub/sub/x $m/sub/1 $m/./sub//1 $m/dir/../sub/1 $m/unlisted/1 $m/sub/../top $m/1
      cat $m/link 2>&1 | sed "s/.*: //"
      cat $m/far 2>&1 | sed "s/.*: //"
      cd $m && cat sub/1 unlisted/1 && cd sub && cat 1 ../top ../1 ../../m/sub/1
      cd sub && cat x ../../link 2>&1 | sed "s/cat: .*: //"
      ls $m | tr "\n" " "
      ls $m/sub | wc -l
      find $m -name 1 | sed "s|^$m/||" | sort | tr "\n" " "
      "$1" -c "
import os, sys
d = os.open(sys.argv[1], os.O_RDONLY)
for name in (\"sub/1\", \"sub/../1\", \"unlisted/sub/x\"):
    print(os.read(os.open(name, os.O_RDONLY, dir_fd=d), 99))" $m
    } >$out' "$work" "$python"
cat >"$work/expected.nested" <<'EXPECTED'
b's own
b 1
b 1
b 1
b 1
top
a 1
No such file or directory
No such file or directory
b 1
b 1
b 1
top
a 1
b 1
b's own
No such file or directory
1 10 11 12 13 14 15 16 17 18 19 2 20 21 22 23 24 25 26 27 28 29 3 30 4 5 6 7 8 9 dir far link sub top 31
1 sub/1 b'b 1\n'
b'a 1\n'
b"b's own\n"
EXPECTED
for node in 0 1; do expect_same "node $node" "$work/expected.nested" "$work/nested.$node"; done
expect_report "no errors" "$work/report.nested" 'r["errors"] == 0 and r["failures"] == 0'

section "one origin under two mounts, and a mount inside another dataset's origin"
# What is written through one mount is seen through all.
# shellcheck disable=SC2016
expect_exit "a change under one mount" 0 "$forebay" run --nodes 2 --per-node --prefetch wait --buffer "$work/buffer.twins" \
  --report "$work/report.twins" --stage "$work/a=$work/m1" --stage "$work/a=$work/m2" --stage "$work/a/sub=$work/m3" \
  --stage "$work/b=$work/a/dir" -- sh -c '
    [ "$(cat "$0/m1/1" "$0/m2/1" "$0/m3/x" "$0/a/dir/1" | tr "\n" ,)" = "a 1,a 1,a'"'"'s own,b 1," ] || exit 1
    if [ "$FOREBAY_NODE" = 0 ]; then
      until [ -e "$0/flags/ready" ]; do sleep 0.05; done
      echo changed >"$0/m1/2" && echo changed >"$0/m3/x" && rm "$0/m2/3" && mv "$0/m2/sub" "$0/m2/moved" || exit 5
      : >"$0/flags/changed"
    else
      : >"$0/flags/ready"
      until [ -e "$0/flags/changed" ]; do sleep 0.05; done
    fi
    for mount in m1 m2; do
      [ "$(cat "$0/$mount/2" "$0/$mount/moved/x" | tr "\n" ,)" = "changed,changed," ] || exit 2
      [ ! -e "$0/$mount/3" ] && [ ! -e "$0/$mount/sub/x" ] || exit 3
      ! ls "$0/$mount" | grep -qx 3 || exit 3
    done
    [ ! -e "$0/m3/x" ] || exit 4' "$work"
expect_report "no errors" "$work/report.twins" 'r["errors"] == 0'
