# Checkpoints without a server, with one that hangs or refuses, without a store, and with a journal that cannot be written:
# what is here works on, the rest is the destination's, and nothing is changed that is not written down.
. "${FOREBAY_SOURCE:?}/tests/posix/checkpoint_tree.sh" || exit 1
BUSYBOX=$(command -v busybox) || { echo "busybox is missing" >&2; exit 1; }

# A store with a listed root: `here` is written and pending, `old` is the destination's and not listed.
prepare() {
  start_checkpoint "$@"
  mkdir "$DESTINATION/old"
  echo content > "$DESTINATION/old/file"
  echo top > "$DESTINATION/top"
  ours sh -c "echo pending > $MOUNT/here" || fail "$1: preparing"
  stop_session
}
# errno_of PYTHON: the error's name, or what is printed.
errno_of() {
  ours python3 -c "
import errno, os, sys
try:
  $1
except OSError as e:
  print(errno.errorcode[e.errno])
" 2>&1 | tail -1
}

for how in none hang refuse; do
  prepare "$how"
  restart_checkpoint "$how" --behave "$how"
  same "$how: what is here" pending "$(ours cat "$MOUNT/here")"
  same "$how: the destination's, by its placeholder" top "$(ours cat "$MOUNT/top")"
  same "$how: in a directory that is not listed" content "$(ours cat "$MOUNT/old/file")"
  same "$how: the directory" file "$(ours ls "$MOUNT/old")"
  same "$how: a name that is nowhere" ENOENT "$(errno_of "os.stat('$MOUNT/old/missing')")"
  ours sh -c "echo new > $MOUNT/new" || fail "$how: a new file"
  same "$how: it is here" new "$(cat "$STORE/tree/new")"
  ours sh -c "echo new > $MOUNT/old/new" || fail "$how: a new file in a directory that is not listed"
  same "$how: it is at the destination" new "$(cat "$DESTINATION/old/new")"
  ours mv "$MOUNT/here" "$MOUNT/there" || fail "$how: rename"
  same "$how: fsync" None "$(errno_of "print(os.fsync(os.open('$MOUNT/there', os.O_RDONLY)))")"
  same "$how: writing what is at the destination" EIO "$(errno_of "open('$MOUNT/top', 'a')" | sed 's/EACCES/EIO/')"
  same "$how: it is unchanged" top "$(cat "$DESTINATION/top")"
  stop_session
done

prepare in_a_store --holder none
restart_checkpoint in_a_store --holder none --behave none
same "a store that cannot be asked: what is here" pending "$(ours cat "$MOUNT/here")"
same "a store that cannot be asked: what is not" EIO "$(errno_of "open('$MOUNT/top')")"
same "a store that cannot be asked: its attributes" 4 "$(ours stat -c %s "$MOUNT/top")"
same "a store that cannot be asked: what is not listed" EIO "$(errno_of "os.stat('$MOUNT/old/file')")"
same "a store that cannot be asked: its directory" EIO "$(errno_of "os.listdir('$MOUNT/old')")"
stop_session

# What only a server can do waits for one that is started again.
prepare restarted --holder other
restart_checkpoint restarted --holder other --behave none --restartable 1
ours sh -c "echo asked > $WORK/asked; cat $MOUNT/top" > "$WORK/got" &
READER=$!
until [ -s "$WORK/asked" ]; do :; done
same "without a server, nothing is brought" "" "$(cat "$WORK/got")"
echo serve >&"$SERVER_IN"
wait "$READER" || fail "reading when a server came back"
same "what the server brought" top "$(cat "$WORK/got")"
stop_session

# fsync waits for what was asked for, and says when it cannot be had.
for mode in 1 2; do
  prepare "fsync$mode" --fsync "$mode"
  restart_checkpoint "fsync$mode" --fsync "$mode"
  requests
  same "fsync" None "$(errno_of "print(os.fsync(os.open('$MOUNT/here', os.O_RDWR)), os.fsync(os.open('$MOUNT', os.O_RDONLY)))" | sed 's/None None/None/')"
  requests
  same "what the server was asked" "$(printf 'sync\nsync here')" "$(grep sync <<< "$ASKED")"
  stop_session
  restart_checkpoint "fsync$mode" --fsync "$mode" --behave refuse
  same "fsync, refused" EDQUOT "$(errno_of "os.fsync(os.open('$MOUNT/here', os.O_RDWR))")"
  kill_server
  same "fsync without a server" EIO "$(errno_of "os.fsync(os.open('$MOUNT/here', os.O_RDWR))")"
done

# Nothing is changed that the journal does not have.
prepare journal
restart_checkpoint journal
mv "$STORE/journal" "$STORE/moved"
for call in "os.mkdir('$MOUNT/d')" "os.rename('$MOUNT/here', '$MOUNT/there')" "os.unlink('$MOUNT/here')" \
  "os.link('$MOUNT/here', '$MOUNT/there')" "os.symlink('x', '$MOUNT/there')" "open('$MOUNT/new', 'w')" \
  "os.truncate('$MOUNT/here', 0)" "os.chmod('$MOUNT/here', 0)" "os.utime('$MOUNT/here', (1, 1))"; do
  same "$call without a journal" ENOENT "$(errno_of "$call")"
done
same "nothing was changed" "$(printf 'here\nold\ntop')" "$(ls "$STORE/tree")"
same "nothing was written" pending "$(ours cat "$MOUNT/here")"
stop_session

# No store: the mount is the destination.
STORE=
restart_checkpoint passing
same "without a store" content "$(ours cat "$MOUNT/old/file")"
ours sh -c "cd $MOUNT/.. ; echo through > mount/through" || fail "writing without a store"
same "without a store, what is written" through "$(cat "$DESTINATION/through")"
stop_session

# A program that starts without us runs at the destination.
prepare static
restart_checkpoint static
mkdir "$DESTINATION/only-there"
same "a static program" "$(printf 'old\nonly-there\ntop')" "$(ours sh -c "cd $MOUNT && exec $BUSYBOX ls")"
same "and ours beside it" "$(printf 'here\nold\ntop')" "$(ours sh -c "cd $MOUNT && $BUSYBOX true; ls")"
stop_session
finish
