# Whatever the server does, an open gives the right bytes, leaks no descriptor, and ends.
. "${FOREBAY_SOURCE:?}/tests/posix/tree.sh" || exit 1
make_tree "$WORK/tree"

READER='
import os, sys
root, times = sys.argv[1], int(sys.argv[2])
before = set(os.listdir("/proc/self/fd"))
lowest = os.dup(0)
os.close(lowest)
for i in range(times):
    for name in ("plain", "dir/inner", "dir/sub/deep", "empty"):
        fd = os.open(root + "/" + name, os.O_RDONLY)
        # The lowest number free, as open promises.
        assert fd == lowest, fd
        info = os.fstat(fd)
        assert info == os.stat(root + "/" + name), name
        sys.stdout.write(os.read(fd, 100).decode())
        os.close(fd)
assert set(os.listdir("/proc/self/fd")) == before
'
reads_all() {
  local name=$1 times=$2
  ours timeout 60 python3 -c "$READER" "$WORK/tree" "$times" > "$WORK/got" || fail "$name: the reader"
  for _ in $(seq "$times"); do cat "$WORK"/tree/{plain,dir/inner,dir/sub/deep,empty}; done > "$WORK/expected"
  cmp -s "$WORK/expected" "$WORK/got" || fail "$name: contents"
}

# Brought in once, then local.
start_session serve "$WORK/tree" "$WORK/tree" --absent '*'
reads_all serve 3
requests
[ "$ASKED" = "$(printf 'materialise %s\n' dir/inner dir/sub/deep empty hard)" ] || fail "serve: not asked once an object"
mv "$WORK/tree" "$WORK/away"
[ "$(ours cat "$WORK/tree/plain")" = "plain file" ] || fail "serve: not local afterwards"
mv "$WORK/away" "$WORK/tree"
stop_session

# What fits nowhere is nobody's to ask for.
start_session nowhere "$WORK/tree" "$WORK/tree" --nowhere plain --nowhere dir/inner
reads_all nowhere 2
requests
[ -z "$ASKED" ] || fail "nowhere: the server was asked"
stop_session

# No help: each costs at most the silence that messages.hpp allows.
for how in garbage close refuse two wrong none; do
  start_session "$how" "$WORK/tree" "$WORK/tree" --absent '*' --behave "$how"
  reads_all "$how" 5
  stop_session
done
for how in hang silent; do
  start_session "$how" "$WORK/tree" "$WORK/tree" --absent plain --behave "$how"
  reads_all "$how" 1
  stop_session
done

# No room here for what other nodes have: the origin at once, and only if it is away is room waited for, not for long.
start_session crowded "$WORK/tree" "$WORK/tree" --absent '*' --behave crowded
reads_all crowded 1
requests
[ "$ASKED" = "$(printf 'materialise %s\n' dir/inner dir/sub/deep empty hard)" ] || fail "crowded: asked again with the origin there"
mv "$WORK/tree" "$WORK/away"
[ "$(ours cat "$WORK/tree/plain")" = "plain file" ] || fail "crowded: no room was waited for"
mv "$WORK/away" "$WORK/tree"
stop_session
start_session full "$WORK/tree" "$WORK/tree" --absent '*' --behave full
reads_all full 1
mv "$WORK/tree" "$WORK/away"
ours timeout 20 cat "$WORK/tree/plain" 2> "$WORK/said" && fail "full: read what is nowhere"
grep -q "No such file" "$WORK/said" || fail "full: $(cat "$WORK/said")"
mv "$WORK/away" "$WORK/tree"
stop_session

# A dead server: what is local stays so, the rest is the origin's at once.
start_session dead "$WORK/tree" "$WORK/tree" --absent plain
kill_server
reads_all dead 5

# Sessions that are not what they should be are no session.
for spoil in 'chmod 755 .' 'rm control' 'rm catalog.0' 'truncate -s 100 state.0' 'truncate -s 64 control' \
  'dd if=/dev/zero of=control bs=8 count=1 conv=notrunc' 'mv catalog.0 c && ln -s c catalog.0'; do
  start_session spoiled "$WORK/tree" "$WORK/tree" --absent '*'
  (cd "${SESSION:?}" && sh -c "$spoil" 2> /dev/null)
  reads_all "$spoil" 1
  requests
  [ -z "$ASKED" ] || fail "$spoil: the session was used"
  chmod 700 "$SESSION"
  stop_session
  rm -rf "$SESSION" "$WORK/buffer.spoiled"
done
SESSION=relative/path reads_all "relative session" 1
SESSION=/nonexistent reads_all "missing session" 1
finish
