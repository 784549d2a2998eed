# Sourced by the interposer's tests: a small tree with everything a tree can hold, and a session over it.
#
# After `make_tree DIR` and `start_session NAME ORIGIN MOUNT [fixture options]`, `ours CMD...` runs a command with the
# interposer. `stop_session` ends it. Everything lies below $WORK, which is removed at exit.

set -u
INTERPOSER=${FOREBAY_BUILD:?}/src/posix/libforebay_posix.so
WORK=$(mktemp -d) || exit 1
chmod 777 "$WORK"
SESSIONS=$(mktemp -d /dev/shm/forebay-test.XXXXXX) || exit 1
chmod 777 "$SESSIONS"
AS=  # The user to run as: `AS="setpriv ..."`.
FAILURES=0
trap 'stop_session; chmod -R u+rwx "$WORK"; rm -rf "$WORK" "$SESSIONS"' EXIT

fail() {
  echo "FAILED: $*" >&2
  FAILURES=$((FAILURES + 1))
}

make_tree() {
  local t=$1
  mkdir -p "$t/dir/sub" "$t/emptydir" "$t/sp ace" "$t/closed"
  echo plain file > "$t/plain"
  echo inner file > "$t/dir/inner"
  echo deep file > "$t/dir/sub/deep"
  echo odd bytes > "$t/sp ace/"$'\xff\xfe'
  echo hidden > "$t/.hidden"
  echo odd > "$t/..odd"
  : > "$t/empty"
  ln "$t/plain" "$t/hard"
  ln -s plain "$t/link"
  ln -s dir "$t/dirlink"
  ln -s nowhere "$t/dangling"
  ln -s loop "$t/loop"
  ln -s /etc "$t/absolute"
  ln -s dirlink/sub/../inner "$t/chain"
  ln -s "../$(basename "$t")" "$t/up"
  mkfifo "$t/fifo"
  echo secret > "$t/unreadable"
  chmod 000 "$t/unreadable"
  echo inside > "$t/closed/inside"
  touch -d '1969-12-31 23:59:58.25 UTC' "$t/empty"
  touch -d '2001-02-03 04:05:06.789 UTC' "$t/dir/inner"
  chmod 000 "$t/closed"
}

start_session() {
  SESSION=$SESSIONS/$1
  local origin=$2 mount=$3
  shift 3
  coproc SERVER { exec $AS "$FOREBAY_BUILD/tests/posix/fixture_session" "$origin" "$mount" "$SESSION" "$WORK/buffer.${SESSION##*/}" "$@"; }
  # Bash takes its own variables back as soon as it notices that the process ended.
  SERVER_PROCESS=$SERVER_PID
  SERVER_IN=${SERVER[1]}
  SERVER_OUT=${SERVER[0]}
  local line=
  read -r -t 60 line <&"$SERVER_OUT"
  [ "$line" = ready ] || { echo "no session: $line" >&2; exit 1; }
}

# Puts into $ASKED what the server was asked since the last call, sorted. It prints before it answers: all is there.
requests() {
  local line lines=()
  while read -r -t 0 -u "$SERVER_OUT" && read -r -u "$SERVER_OUT" line; do lines+=("$line"); done
  ASKED=$([ ${#lines[@]} = 0 ] || printf '%s\n' "${lines[@]}" | sort)
}

stop_session() {
  [ -n "${SERVER_IN:-}" ] || return 0
  exec {SERVER_IN}>&-
  wait "$SERVER_PROCESS" 2> /dev/null
  SERVER_IN=
}

# As a crash would: the session stays.
kill_server() {
  kill -9 "$SERVER_PROCESS"
  wait "$SERVER_PROCESS" 2> /dev/null
  SERVER_IN=
}

ours() {
  FOREBAY_SESSION=$SESSION $AS env LD_PRELOAD="$INTERPOSER" "$@"
}

finish() {
  [ "$FAILURES" = 0 ] || { echo "$FAILURES failed" >&2; exit 1; }
}
