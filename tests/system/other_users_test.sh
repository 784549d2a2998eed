#!/bin/bash
# What other users of a machine prepare, guess or try: nothing of theirs is used, it is said in one line, and the command runs
# all the same, from the origin.
here=$(dirname "$(readlink -f "$0")")
[ "$(id -u)" = 0 ] || exec "$here/../lab/as_root.sh" bash "$0"
source "$here/lib.sh"

me=54321        # runs forebay
stranger=54322  # would like to harm it
shm=/dev/shm/forebay-$me
on_exit+=("rm -rf $shm")
rm -rf "$shm"

# A place that both reach, with programs that both may run.
chmod 755 "$work"
public=$work/public
mkdir -p "$public/cli" "$public/posix" "$public/sticky" "$public/open" "$work/mine" "$work/theirs"
cp "$forebay" "$public/cli/"
cp "$FOREBAY_BUILD/src/posix/libforebay_posix.so" "$public/posix/"
chmod 1777 "$public/sticky"
chmod 777 "$public/open"
chown $me:$me "$work/mine"
chown $stranger:$stranger "$work/theirs"
tree=$public/tree
mkdir "$tree"
for number in $(seq 20); do echo "file $number" >"$tree/$number"; done
cat "$tree"/* >"$work/expected"

as() { # UID CMD...
  setpriv --reuid="$1" --regid="$1" --clear-groups env HOME="$work/mine" TMPDIR="$work/mine" XDG_CACHE_HOME="$work/mine/cache" \
    XDG_CONFIG_HOME="$work/mine/config" "${@:2}"
}
run_as_me() { # ARGUMENTS OF run...
  as $me timeout 120 "$public/cli/forebay" run --nodes 1 --stage "$tree" "$@"
}

section "an undisturbed run"
as $me "$public/cli/forebay" run --nodes 1 --prefetch wait --stage "$tree" --buffer "$work/mine/buffer" --report "$work/mine/report.json" \
  -- sh -c 'cat "$0"/*' "$tree" >"$work/actual" 2>"$work/said" || fail "it ends well" "$(cat "$work/said")"
expect_same "its bytes" "$work/expected" "$work/actual"
expect_report "it was served" "$work/mine/report.json" 'r["hits"]["local"] == 20'

# refused WHAT WORDS ARGUMENTS OF run...: the command runs without servers, and one line says why.
refused() {
  local code=0
  run_as_me "${@:3}" -- sh -c 'cat "$0"/*' "$tree" >"$work/actual" 2>"$work/said" || code=$?
  expect_equal "$1: the command's exit code" 0 "$code"
  expect_same "$1: the command's bytes" "$work/expected" "$work/actual"
  expect_equal "$1: one line says so" 1 "$(grep -c 'the command runs without forebay' "$work/said")"
  expect_that "$1: it says why" grep -q -- "$2" "$work/said"
  [ $failures = 0 ] || { cat "$work/said" >&2; exit 1; }
}

section "the place of sessions is taken"
rm -r "$shm"
as $stranger mkdir -m 777 "$shm"
refused "a directory of another user" "$shm belongs to another user" --buffer "$work/mine/buffer"
expect_equal "nothing was put there" "" "$(ls -A "$shm")"
rm -r "$shm"
as $stranger mkdir -m 700 "$shm"
refused "a directory that cannot even be opened" "$shm" --buffer "$work/mine/buffer"
rm -r "$shm"
as $stranger sh -c ': >"$0"' "$shm"
refused "a file" "$shm" --buffer "$work/mine/buffer"
expect_that "the file is as it was" [ -f "$shm" -a ! -s "$shm" ]
rm "$shm"
as $stranger mkdir "$work/theirs/trap"
as $stranger chmod 777 "$work/theirs/trap"
as $stranger ln -s "$work/theirs/trap" "$shm"
refused "a link" "$shm" --buffer "$work/mine/buffer"
expect_equal "nothing was put behind it" "" "$(ls -A "$work/theirs/trap")"
rm "$shm"
as $stranger mkfifo -m 666 "$shm"
refused "a FIFO" "$shm" --buffer "$work/mine/buffer"
rm "$shm"

section "the place of the buffer is taken, or can be by anyone"
as $stranger mkdir -m 1777 "$public/sticky/theirs"
refused "a directory whose owner may do as he likes" "belongs to another user" --buffer "$public/sticky/theirs"
as $stranger mkdir -m 777 "$public/sticky/all"
refused "a directory without sticky bit" "no sticky bit" --buffer "$public/sticky/all"
as $me mkdir "$public/open/buffer"
refused "a directory below one without sticky bit" "no sticky bit" --buffer "$public/open/buffer"
as $stranger ln -s "$work/theirs/trap" "$public/sticky/link"
refused "a link of another user" "$work/theirs/trap" --buffer "$public/sticky/link"
as $stranger mkfifo -m 666 "$public/sticky/fifo"
refused "a FIFO" "$public/sticky/fifo" --buffer "$public/sticky/fifo"
mkdir -m 1777 "$public/sticky/shared"
as $stranger mkdir -m 755 "$public/sticky/shared/node0"
refused "another user's directory with our name" "$public/sticky/shared/node0" --buffer "$public/sticky/shared"
expect_equal "nothing was put there" "" "$(ls -A "$public/sticky/shared/node0")$(ls -A "$work/theirs/trap")"

section "the place of the report is a link, or another user's"
echo precious >"$work/mine/precious"
chown $me "$work/mine/precious"
as $stranger ln -s "$work/mine/precious" "$public/sticky/report.json"
run_as_me --buffer "$work/mine/buffer" --report "$public/sticky/report.json" -- true >"$work/said" 2>&1 || fail "its exit code" "$(cat "$work/said")"
expect_that "it is said" grep -q "cannot write report" "$work/said"
expect_equal "what the link leads to" precious "$(cat "$work/mine/precious")"
expect_equal "nothing else is left" "" "$(find "$public/sticky" -name '*.tmp')"

section "another user meets a session"
# shellcheck disable=SC2016
as $me "$public/cli/forebay" run --nodes 1 --prefetch wait --stage "$tree" --buffer "$work/mine/buffer" -- sh -c '
  echo "$FOREBAY_SESSION" >"$0/session.new"
  mv "$0/session.new" "$0/session"
  until [ -e "$0/go" ]; do sleep 0.05; done' "$work/mine" >"$work/said" 2>&1 &
run=$!
wait_until 60 all_exist "$work/mine/session" || { cat "$work/said"; exit 1; }
session=$(cat "$work/mine/session")
opens() { as $me "$public/cli/forebay" status --session "$session" --json >"$work/status" && number_in "$work/status" 'sum(r["hits"].values())'; }
before=$(opens)
cat >"$work/visit.py" <<'PY'
"""visit.py SOCKET VERSION: connects and asks for the status. Says what came of it."""
import socket
import struct
import sys

QUESTION = b'{"op":"status"}'
try:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(30)
        s.connect(sys.argv[1])
        s.send(struct.pack("<IHHII", 0x59424246, int(sys.argv[2]), 3, len(QUESTION), 0) + QUESTION)
        print("answered" if s.recv(65536) else "hung up")
except (PermissionError, BrokenPipeError, ConnectionResetError) as error:
    print(type(error).__name__)
PY
chmod 644 "$work/visit.py"
version=$(sed -nE 's/.*kMessageVersion = ([0-9]+);/\1/p' "$here/../../src/shared/messages.hpp")
expect_equal "its user is answered" answered "$(as $me "$python" "$work/visit.py" "$session/socket" "$version")"
expect_equal "another user does not reach the socket" PermissionError "$(as $stranger "$python" "$work/visit.py" "$session/socket" "$version")"
expect_that "root is not answered" grep -qE 'hung up|BrokenPipeError|ConnectionResetError' <<<"$("$python" "$work/visit.py" "$session/socket" "$version")"
expect_that "another user cannot list it" sh -c '! setpriv --reuid='$stranger' --clear-groups ls "$0" 2>/dev/null' "$session"
for uid in $stranger 0; do
  as $uid env LD_PRELOAD="$public/posix/libforebay_posix.so" FOREBAY_SESSION="$session" sh -c 'cat "$0"/*' "$tree" >"$work/actual"
  expect_same "uid $uid reads the origin in it" "$work/expected" "$work/actual"
done
expect_equal "and counts nothing" "$before" "$(opens)"

section "a session that another user made up"
cp -r "$session" "$work/theirs/session"
chown -R $stranger:$stranger "$work/theirs/session"
chmod 755 "$work/theirs" "$work/theirs/session"
chmod -R a+r "$work/theirs/session"
as $me env LD_PRELOAD="$public/posix/libforebay_posix.so" FOREBAY_SESSION="$work/theirs/session" sh -c 'cat "$0"/*' "$tree" >"$work/actual"
expect_same "the origin is read in it" "$work/expected" "$work/actual"
as $me timeout 60 "$public/cli/forebay" exec --session "$work/theirs/session" -- sh -c 'cat "$0"/*' "$tree" >"$work/actual" 2>"$work/said2"
expect_same "exec reads the origin" "$work/expected" "$work/actual"
expect_that "and says why" grep -q "not a regular file of this user" "$work/said2"
rm "$work/theirs/session/control"
as $stranger mkfifo -m 666 "$work/theirs/session/control"
expect_exit "a FIFO in it holds nobody up" 1 as $me timeout 60 "$public/cli/forebay" status --session "$work/theirs/session"

as $me touch "$work/mine/go"
wait $run || fail "the run's exit code" "$(cat "$work/said")"
expect_that "its session is gone" [ ! -e "$session" ]
