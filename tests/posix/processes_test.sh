# What processes do to themselves: fork, vfork, exec, threads, closing all descriptors, another user, a cleared environment,
# being killed in the middle of a request; and programs that run without the interposer: static ones, setuid ones, those whose
# environment was taken away. All read what the origin has, and nothing stays behind in a server.
. "${FOREBAY_SOURCE:?}/tests/posix/tree.sh" || exit 1
make_tree "$WORK/tree"
T=$WORK/tree
BUSYBOX=$(command -v busybox) || { echo "busybox is missing" >&2; exit 1; }
for i in $(seq 100); do echo "file $i" > "$T/dir/$i"; done

start_session processes "$T" "$T" --absent '*' --log off

# A working directory and descriptors that stand in for the origin's are real to who has no interposer.
(cd "$T/dir" && ls) > "$WORK/expected"
for way in "$BUSYBOX ls" "env -i ls" "env -u LD_PRELOAD ls" "env -u FOREBAY_SESSION ls" "$BUSYBOX sh -c ls" "setsid ls" "nice ls" \
  "sh -c ls" "timeout 60 $BUSYBOX ls" "xargs -a /dev/null $BUSYBOX ls" "nohup $BUSYBOX ls"; do
  (ours bash -c "cd $T/dir && $way") > "$WORK/got" 2> /dev/null < /dev/null
  cmp -s "$WORK/expected" "$WORK/got" || fail "in a directory of the mount: $way: $(head -3 "$WORK/got")"
done
(ours bash -c "exec 9< $T/dir; $BUSYBOX ls /proc/self/fd/9/") > "$WORK/got"
cmp -s "$WORK/expected" "$WORK/got" || fail "an inherited directory: $(head -3 "$WORK/got")"
[ "$(ours bash -c "$BUSYBOX cat < $T/dir/inner; $BUSYBOX cat $T/plain")" = "$(cat "$T/dir/inner" "$T/plain")" ] || fail "static cat"

# A setuid program: the loader preloads nothing.
if [ "$(id -u)" = 0 ] && ! findmnt -no OPTIONS -T "$WORK" | grep -q nosuid; then
  cp /bin/ls "$WORK/setuid"
  chown 65534 "$WORK/setuid"
  chmod 4755 "$WORK/setuid"
  (ours bash -c "cd $T/dir && $WORK/setuid") > "$WORK/got"
  cmp -s "$WORK/expected" "$WORK/got" || fail "a setuid program: $(head -3 "$WORK/got")"
fi

cat > "$WORK/lives.py" << 'PY'
import ctypes, os, signal, subprocess, sys, threading
root = sys.argv[1]
def text(name): return open(f"{root}/dir/{name}").read()
# Threads that meet the session at once.
failed = []
barrier = threading.Barrier(16)
def first(k):
    barrier.wait()
    for i in range(1, 101):
        if text((i + k) % 100 + 1) != f"file {(i + k) % 100 + 1}\n":
            failed.append(i)
threads = [threading.Thread(target=first, args=(k,)) for k in range(16)]
[t.start() for t in threads]; [t.join() for t in threads]
assert not failed, failed
# A fork, in which all descriptors are closed and the environment goes.
def in_child(do):
    child = os.fork()
    if child == 0:
        try:
            do()
            os._exit(0)
        except BaseException as error:
            print(error, file=sys.stderr, flush=True)
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0, do
def closes():
    os.closerange(3, 65536)
    assert text(7) == "file 7\n"
def clears():
    ctypes.CDLL(None).clearenv()
    assert text(8) == "file 8\n"
    os.chdir(root + "/dir")
    # Without an environment there is no interposer there, and no stand-in either.
    out = subprocess.run(["/bin/ls"], env={}, capture_output=True).stdout.split()
    assert len(out) == 102, len(out)
    assert os.path.realpath(".") == root + "/dir" and os.getcwd() == root + "/dir"
def forks():
    os.chdir(root)
    in_child(lambda: in_child(lambda: [os.chdir("dir"), open("9").read()]))
    assert os.getcwd() == root
for do in (closes, clears, forks):
    in_child(do)
# Signals that interrupt, again and again, while objects are asked for.
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
for _ in range(20):
    assert [text(i) for i in range(1, 101)] == [f"file {i}\n" for i in range(1, 101)]
    assert len(os.listdir(root + "/dir")) == 102
signal.setitimer(signal.ITIMER_REAL, 0)
print("lived")
PY
[ "$(ours timeout 120 python3 "$WORK/lives.py" "$T")" = lived ] || fail "a process with many lives"
stop_session

# Killed while they ask: the server loses nothing by it, and goes on.
start_session killed "$T" "$T" --absent '*' --log off
descriptors() { ls "/proc/$SERVER_PROCESS/fd" | wc -l; }
before=$(descriptors)
for round in $(seq 20); do
  env FOREBAY_SESSION="$SESSION" LD_PRELOAD="$INTERPOSER" python3 -c '
import os, sys
while True:
    for i in range(1, 101):
        os.close(os.open(f"{sys.argv[1]}/dir/{i}", os.O_RDONLY))
        os.utime(f"{sys.argv[1]}/emptydir")
    print("round", flush=True)
' "$T" > "$WORK/rounds" &
  victim=$!
  for _ in $(seq 600); do [ -s "$WORK/rounds" ] || [ "$round" -gt 10 ] && break; sleep 0.05; done
  kill -9 "$victim"
  wait "$victim" 2> /dev/null
  : > "$WORK/rounds"
done
[ "$(ours cat "$T/dir/5")" = "file 5" ] || fail "after kills"
[ "$(descriptors)" -le "$((before + 1))" ] || fail "the server keeps descriptors of the dead: $before, $(descriptors)"
stop_session

# A session that comes, goes and comes again while programs start: each reads the right bytes, with it or without.
: > "$WORK/races"
for _ in $(seq 4); do
  while [ ! -e "$WORK/stop" ]; do
    SESSION=$SESSIONS/race ours sh -c "cat $T/dir/5 $T/dir/6; ls $T/dir | wc -l" >> "$WORK/races" 2>&1 || echo failed >> "$WORK/races"
  done &
  readers="${readers:-} $!"
done
for round in $(seq 6); do
  start_session race "$T" "$T" --absent 'dir/5' --log off
  if [ "$((round % 2))" = 0 ]; then kill_server; else stop_session; fi
  rm -rf "$SESSIONS/race" "$WORK/buffer.race"
done
touch "$WORK/stop"
# shellcheck disable=SC2086
wait $readers
sort "$WORK/races" | uniq -c > "$WORK/said"
[ "$(awk '{$1 = ""; print}' "$WORK/said")" = "$(printf ' 102\n file 5\n file 6')" ] || fail "races: $(cat "$WORK/said")"
finish
