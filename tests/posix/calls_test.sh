# Calls besides opening and examining: what programs get through the interposer is what they get without it. Executing and
# spawning in every way, walks, patterns, calls by number, paths through /proc, bad pointers, odd flags, libraries, watches,
# other roots and users; by this glibc's functions, by those that old programs call, and by those of fortified programs.
. "${FOREBAY_SOURCE:?}/tests/posix/tree.sh" || exit 1
HERE=$FOREBAY_BUILD/tests/posix

mkdir "$WORK/home" "$WORK/other"
make_tree "$WORK/home/tree"
T=$WORK/home/tree
cp "$HERE/calls_tool" "$T/tool"
cp "$HERE/calls_tool" "$T/dir/tool"
printf '#!/bin/sh\necho script "$0" "$@"; cat inner 2> /dev/null; exit 7\n' > "$T/tool.sh"
printf 'echo no interpreter named "$0" "$@"; exit 8\n' > "$T/plain.script"
chmod 755 "$T/tool" "$T/tool.sh" "$T/plain.script"
cp "$HERE/libcalls_library.so" "$T/libhere.so"
mkdir -p "$T/libs" "$T/one/sub/two/three"
cp "$HERE/libcalls_other.so" "$T/libs/libother.so"
for t in "$T" "$WORK/other/tree"; do
  mkdir -p "$WORK/jail$t" && echo "the file of another root" > "$WORK/jail$t/plain"
done
BUSYBOX=$(command -v busybox) || { echo "busybox is missing" >&2; exit 1; }

# The directory above the mount is nobody's, and of the mount's own place nothing is known.
ABOVE=$(stat -c %i "$WORK/home")
OTHER=$(stat -c %i "$WORK/other")
comparable() {
  sed -E -e "s/ino ($ABOVE|$OTHER) .*/above/" -e "s,$WORK/(home|other),ABOVE,g" "$1"
}
compare() {
  comparable "$WORK/plain.out" > "$WORK/expected"
  comparable "$1" > "$WORK/got"
  cmp -s "$WORK/expected" "$WORK/got" || {
    fail "$2"
    diff -a "$WORK/expected" "$WORK/got" | cut -c1-220 | head -30 >&2
  }
}

# run_all PROGRAM LINES ARGUMENT...: plainly, without a session, at the origin's own path, and at a mount that exists nowhere.
run_all() {
  local program=$1 lines=$2
  shift 2
  "$HERE/$program" "$T" "$@" > "$WORK/plain.out" 2>&1 < /dev/null || fail "$program itself"
  [ "$(wc -l < "$WORK/plain.out")" -gt "$lines" ] || fail "$program says too little"
  SESSION=/nonexistent ours "$HERE/$program" "$T" "$@" > "$WORK/none.out" 2>&1 < /dev/null || fail "$program without a session"
  compare "$WORK/none.out" "$program: without a session"
  start_session "same.$program" "$T" "$T"
  ours "$HERE/$program" "$T" "$@" > "$WORK/same.out" 2>&1 < /dev/null || fail "$program at the origin's path"
  compare "$WORK/same.out" "$program: mounted at the origin's path"
  stop_session
  start_session "other.$program" "$T" "$WORK/other/tree"
  ours "$HERE/$program" "$WORK/other/tree" "$@" > "$WORK/other.out" 2>&1 < /dev/null || fail "$program at another mount"
  compare "$WORK/other.out" "$program: mounted elsewhere"
  [ ! -e "$WORK/other/tree" ] || fail "something was made at the mount"
  stop_session
}

run_all calls 3000 "$BUSYBOX" "$WORK/jail"
[ "$(uname -m)" != x86_64 ] || run_all calls_old 60
run_all calls_fortified 30
finish
