# What programs do below a checkpoint mount comes out as in a plain directory, whoever has the files of the earlier job, and
# the journal has a mark for every name that changed.
. "${FOREBAY_SOURCE:?}/tests/posix/checkpoint_tree.sh" || exit 1
HERE=$FOREBAY_SOURCE/tests/posix

earlier_job() {
  mkdir -p "$1/old/deep"
  echo content > "$1/old/file"
  : > "$1/old/empty"
  echo deep > "$1/old/deep/x"
  ln -s old/file "$1/link"
  ln -s "../$(basename "$2")/old" "$1/up"
  ln -s "$2/old" "$1/inside"
  chmod 640 "$1/old/file"
  touch -d '2011-02-03 04:05:06.789 UTC' "$1/old/file"
}

# journal_has NAME: whether some record is about it.
all_marked() {
  local name
  journal > "$WORK/journal" || fail "$1: the journal is damaged"
  grep -q 'out of order' "$WORK/journal" && fail "$1: the journal's clock goes back"
  (cd "$STORE/tree" && find . -mindepth 1 \( -type d -perm -3000 -prune -o ! -perm 3400 -printf '%P\n' \)) |
    while read -r name; do
      case $name in old | old/* | link | up | inside) continue ;; esac
      grep -qF "<$name>" "$WORK/journal" || {
        # What came with a directory that was renamed is marked by that.
        grep -qF "<${name%%/*}>" "$WORK/journal" || echo "$name"
      }
    done > "$WORK/unmarked"
  [ ! -s "$WORK/unmarked" ] || fail "$1: no mark for $(tr '\n' ' ' < "$WORK/unmarked")"
}

# as_plainly NAME [fixture options]
as_plainly() {
  local name=$1
  mkdir -p "$WORK/$name.plain" "$WORK/$name.d/destination"
  mkdir "$WORK/$name.plain/mount"
  earlier_job "$WORK/$name.plain/mount" "$WORK/$name.plain/mount"
  python3 "$HERE/checkpoint_calls.py" "$WORK/$name.plain/mount" > "$WORK/expected" 2>&1 || fail "$name: the program itself: $(tail -3 "$WORK/expected")"
  earlier_job "$WORK/$name.d/destination" "$WORK/$name.d/mount"
  start_checkpoint "$@"
  ours python3 "$HERE/checkpoint_calls.py" "$MOUNT" > "$WORK/got" 2>&1 || fail "$name: the program"
  cmp -s "$WORK/expected" "$WORK/got" || { fail "$name: differs"; diff "$WORK/expected" "$WORK/got" | head -40 >&2; }
  [ ! -e "$MOUNT" ] || fail "$name: something was made at the mount"
  all_marked "$name"
  stop_session
}

as_plainly at_destination
as_plainly at_another_node --holder other
as_plainly in_a_store --holder none
as_plainly with_partners --fsync 1

# refused TEXT PYTHON: what cannot be drained, or not as one.
refused() {
  ours python3 -c "
import errno, os, socket
try:
  $2
except OSError as e:
  print(errno.errorcode[e.errno])
else:
  print('no error')
" > "$WORK/got" 2>&1
  [ "$(cat "$WORK/got")" = "$1" ] || fail "$2: $(tail -1 "$WORK/got")"
}
start_checkpoint refusals
ours mkdir "$MOUNT/d"
echo there > "$MOUNT.file"
ours cp "$MOUNT.file" "$MOUNT/file"
refused EXDEV "os.rename('$MOUNT/file', '$MOUNT.out')"
refused EXDEV "os.rename('$MOUNT.file', '$MOUNT/in')"
refused EXDEV "os.link('$MOUNT/file', '$MOUNT.out')"
refused EXDEV "os.link('$MOUNT.file', '$MOUNT/in')"
refused ENOENT "os.rename('$MOUNT/missing', '$MOUNT.out')"
refused EBUSY "os.rmdir('$MOUNT')"
refused EBUSY "os.rename('$MOUNT', '$MOUNT/d/x')"
refused EPERM "os.mkfifo('$MOUNT/fifo')"
refused EEXIST "os.mkfifo('$MOUNT/file')"
refused EPERM "os.mknod('$MOUNT/node')"
refused EPERM "socket.socket(socket.AF_UNIX).bind('$MOUNT/s')"
ours chmod 3755 "$MOUNT/d"
same "setgid and sticky together" 755 "$(ours stat -c %a "$MOUNT/d")"
stop_session
finish
