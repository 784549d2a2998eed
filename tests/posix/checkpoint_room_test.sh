# A full store: writers wait for room as long as a server can make some, or new files are made at the destination.
. "${FOREBAY_SOURCE:?}/tests/posix/checkpoint_tree.sh" || exit 1

# told WORD: the server has done what its standard input says.
set_full() {
  echo "full $1" >&"$SERVER_IN"
  local line=
  while [ "$line" != full ]; do read -r -t 60 line <&"$SERVER_OUT" || { fail "the server said nothing"; return; }; done
}
# The process that a background command has become.
leaf() {
  local child
  child=$(pgrep -P "$1" | head -1)
  [ -z "$child" ] && echo "$1" || leaf "$child"
}
# Whether a process sleeps in poll, each time for a moment: seen 20 times.
waits() {
  local seen=0 deadline=$((SECONDS + 60)) call
  while [ "$seen" -lt 20 ]; do
    [ "$SECONDS" -lt "$deadline" ] && kill -0 "$1" 2> /dev/null || return 1
    read -r call _ 2> /dev/null < "/proc/$(leaf "$1")/syscall"
    case $call in 271 | 73) seen=$((seen + 1)) ;; esac  # ppoll
    read -r -t 0.01 <&9
  done
  return 0
}
mkfifo "$WORK/nothing"
exec 9<> "$WORK/nothing"

start_checkpoint waits
ours dd if=/dev/zero of="$MOUNT/before" bs=1k count=1 status=none
set_full 1
ours dd if=/dev/zero of="$MOUNT/new" bs=1k count=1 status=none &
WRITER=$!
waits "$WRITER" || fail "a new file did not wait for room"
[ ! -e "$STORE/tree/new" ] || fail "a new file was made in a full store"
ours cat "$MOUNT/before" > "$WORK/got" || fail "reading in a full store"
set_full 0
wait "$WRITER" || fail "the writer failed"
[ "$(ours stat -c %s "$MOUNT/new")" = 1024 ] || fail "the writer wrote something else"

# One that has its file open already.
mkfifo "$WORK/go"
exec 8<> "$WORK/go"
ours python3 -c "
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
print('open', flush=True)
open(sys.argv[2]).readline()
os.write(fd, b'more')
" "$MOUNT/open" "$WORK/go" > "$WORK/said" &
WRITER=$!
until grep -q open "$WORK/said"; do read -r -t 0.01 <&9; done
set_full 1
echo go >&8
waits "$WRITER" || fail "a write did not wait for room"
kill_server
wait "$WRITER" || fail "the writer failed"
[ "$(ours cat "$MOUNT/open")" = more ] || fail "what was written without a server"

start_checkpoint direct --when-full 1
ours sh -c "echo old > $MOUNT/old"
set_full 1
ours python3 -c "
import os, sys
os.makedirs(sys.argv[1] + '/a/b', exist_ok=True)
with open(sys.argv[1] + '/a/b/direct', 'w') as file:
  file.write('text')
  file.flush()
  assert os.path.exists(sys.argv[1] + '/a/b/direct')
assert open(sys.argv[1] + '/a/b/direct').read() == 'text'
assert os.stat(sys.argv[1] + '/a/b/direct').st_size == 4
assert os.listdir(sys.argv[1] + '/a/b') == ['direct']
with open(sys.argv[1] + '/old', 'a') as file:
  file.write('longer')
" "$MOUNT" || fail "new files in a full store"
same "the destination has the new file" text "$(cat "$DESTINATION/a/b/direct")"
same "the store has the old one" "$(printf 'old\nlonger')" "$(cat "$STORE/tree/old")"
requests
case $ASKED in *"look a/b/direct"*) ;; *) fail "the server was not told of the new file: $ASKED" ;; esac
stop_session

# Files become placeholders again while a program changes them by name: it never changes what stands for them.
start_checkpoint going
seq 1000 > "$DESTINATION/file"
ours cat "$MOUNT/file" > /dev/null
same "a placeholder" 3400 "$(stat -c %a "$STORE/tree/file")"
cp "$STORE/tree/file" "$WORK/placeholder"
rm -f "$WORK/over"
python3 -c "
import fcntl, os, sys
store, over, placeholder = sys.argv[1:]
with open(placeholder, 'rb') as file:
  placeholder = file.read()
times = 0
while not os.path.exists(over):
  with open(store + '/journal', 'ab') as journal:
    fcntl.flock(journal, fcntl.LOCK_EX)
    if os.stat(store + '/tree/file').st_mode & 0o7777 != 0o3400:
      with open(store + '/tmp/going', 'wb') as file:
        file.write(placeholder)
      os.chmod(store + '/tmp/going', 0o3400)
      os.rename(store + '/tmp/going', store + '/tree/file')
      times += 1
assert times > 20, times
" "$STORE" "$WORK/over" "$WORK/placeholder" &
GOING=$!
ours python3 -c "
import os, sys
name = sys.argv[1] + '/file'
right = ''.join(f'{number}\\n' for number in range(1, 1001))
failed = 0
for turn in range(200):
  try:
    os.chmod(name, 0o600 + turn % 64)
    os.truncate(name, len(right))
    os.link(name, name + str(turn))
  except OSError as error:  # Brought and gone again each time: nothing was changed.
    assert error.errno == 5, error
    failed += 1
  with open(name) as file:
    assert file.read() == right, turn
  if os.path.exists(name + str(turn)):
    with open(name + str(turn)) as file:
      assert file.read() == right, turn
assert failed < 200, failed
" "$MOUNT" || fail "a file that comes and goes"
touch "$WORK/over"
wait $GOING || fail "the file did not go"
stop_session

# A file system that is full, until somebody makes room.
if mkdir "$WORK/small" && mount -t tmpfs -o size=2m none "$WORK/small" 2> /dev/null; then
  trap 'stop_session; umount -l "$WORK/small"; chmod -R u+rwx "$WORK"; rm -rf "$WORK" "$SESSIONS"' EXIT
  DESTINATION=$WORK/small.destination MOUNT=$WORK/small.mount STORE=$WORK/small/store
  mkdir "$DESTINATION"
  restart_checkpoint small
  head -c 1M /dev/zero > "$WORK/small/filler"
  ours dd if=/dev/zero of="$MOUNT/big" bs=64k count=24 status=none 2> "$WORK/said" &
  WRITER=$!
  waits "$WRITER" || fail "a write to a full file system did not wait: $(cat "$WORK/said")"
  rm "$WORK/small/filler"
  wait "$WRITER" || fail "the writer failed: $(cat "$WORK/said")"
  same "all is written" $((1536 * 1024)) "$(ours stat -c %s "$MOUNT/big")"
  # Full again, and nothing can be drained.
  head -c 1M /dev/zero > "$WORK/small/filler" 2> /dev/null
  kill_server
  ours dd if=/dev/zero of="$MOUNT/more" bs=64k count=24 status=none 2> "$WORK/said" && fail "a full file system took it"
  grep -q 'No space left' "$WORK/said" || fail "without a server: $(cat "$WORK/said")"
fi
finish
