# Sourced by the interposer's tests of checkpoints, in place of tree.sh, which it sources: a destination, and a session that
# keeps a checkpoint of it.
#
# `start_checkpoint NAME [fixture options]` makes $DESTINATION (unless it is there), $MOUNT and $STORE and starts the session;
# `journal` prints the store's journal. `restart_checkpoint NAME [...]` is another run with the same store.

. "${FOREBAY_SOURCE:?}/tests/posix/tree.sh" || exit 1

start_checkpoint() {
  DESTINATION=$WORK/$1.d/destination
  MOUNT=${MOUNT_AT:-$WORK/$1.d/mount}
  STORE=$WORK/$1.d/store
  mkdir -p "$DESTINATION"
  restart_checkpoint "$@"
}

restart_checkpoint() {
  SESSION=$SESSIONS/$1.$((++STARTS))
  shift
  coproc SERVER { exec "$FOREBAY_BUILD/tests/posix/checkpoint_session" "$DESTINATION" "$MOUNT" "$SESSION" "$STORE" "$@"; }
  SERVER_PROCESS=$SERVER_PID
  SERVER_IN=${SERVER[1]}
  SERVER_OUT=${SERVER[0]}
  local line=
  read -r -t 60 line <&"$SERVER_OUT"
  [ "$line" = ready ] || { echo "no session: $line" >&2; exit 1; }
}
STARTS=0

journal() {
  "$FOREBAY_BUILD/tests/posix/checkpoint_session" journal "$STORE"
}

# same WHAT EXPECTED GOT: compares two texts.
same() {
  [ "$2" = "$3" ] || { fail "$1"; diff <(printf '%s\n' "$2") <(printf '%s\n' "$3") | head -20 >&2; }
}
