# Servers that die or hang are started again while the command reads on; when they cannot be kept, the command goes on without.
. "$(dirname "$0")/lib.sh"
here=$(dirname "$(readlink -f "$0")")

python3 "$here/restart_dataset.py" "$scratch/set" "$scratch/copy" 600

# server RANK: its process.
server() {
  local pid
  for pid in $(processes_left); do
    grep -qsz '^serve$' "/proc/$pid/cmdline" && grep -qsz "^OMPI_COMM_WORLD_RANK=$1\$" "/proc/$pid/environ" && echo "$pid"
  done
}
has_server() { [ -n "$(server "$1")" ]; }
launcher() {
  local pid
  for pid in $(processes_left); do [ "$(cat "/proc/$pid/comm" 2> /dev/null)" = mpirun ] && echo "$pid"; done
}
restarts() { grep -c "servers restarted after" "$out/err"; }
restarted() { [ "$(restarts)" -ge "$1" ]; }
read_by_all() { ls "$out"/running.{0..3} > /dev/null 2>&1; }

# start NAME OPTIONS...: readers on four nodes; their run is $run, what they and it say is in $out.
start() {
  out=$scratch/$1
  mkdir "$out"
  "$forebay" run --nodes 4 --per-node --buffer "$scratch/buffer.$1" --stage "$scratch/set" --report "$out/report" "${@:2}" -- \
    python3 "$here/restart_reader.py" "$scratch/set" "$scratch/copy" "$out" > "$out/err" 2>&1 < /dev/null &
  run=$!
}
# ends WHAT: the readers saw nothing but right bytes, and nothing is left.
ends() {
  touch "$out/stop"
  wait $run || { fail "$1: the readers failed, or run did: exit code $?"; cat "$out/err" >&2; }
  becomes_true 20 nothing_runs || fail "$1: processes are left: $(processes_left)"
  [ -z "$(grep -l "$scratch" /dev/shm/forebay-"$(id -u)"/*/control 2> /dev/null)" ] || fail "$1: sessions are left"
  cat "$out"/delays.* 2> /dev/null
  grep -hE "hangs|sign of life|again|servers restarted" "$out/err"
}
reported() { # WHAT EXPRESSION of the report r
  python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); sys.exit(not eval(sys.argv[2]))' "$out/report" "$2" ||
    { fail "$1: not so: $2"; cat "$out/report" >&2; }
}

echo "== each server is killed in turn"
start killed --prefetch background
becomes_true 60 read_by_all || { fail "no reader runs"; cat "$out/err" >&2; }
for rank in 0 1 2 3; do
  becomes_true 30 has_server $rank || fail "rank $rank does not run"
  kill -9 "$(server $rank)"
  becomes_true 60 restarted $((rank + 1)) || { fail "rank $rank: not restarted"; cat "$out/err" >&2; }
done
session=$(tr '\0' '\n' < "/proc/$(server 0)/cmdline" | grep -A1 -- --session-id | tail -n 1)
FOREBAY_SESSION=/dev/shm/forebay-$(id -u)/$session.2 expect 0 "status after the restarts" "$forebay" status --json
says "status after the restarts" "$scratch/out" '"node": *3'
ends "each server is killed"
reported "each server is killed" 'r["restarts"]["count"] == 4 and r["restarts"]["nodes_lost"] == []'
reported "each server is killed" 'r["restarts"]["seconds_without_servers"] > 0 and len(r["nodes"]) == 4 and "without_forebay" not in r'

echo "== servers and mpirun are stopped or killed"
start hung --prefetch background --server-timeout 3
becomes_true 60 read_by_all || { fail "no reader runs"; cat "$out/err" >&2; }
kill -STOP "$(server 2)"
becomes_true 60 restarted 1 || { fail "a stopped server: not restarted"; cat "$out/err" >&2; }
kill -STOP "$(server 0)"
becomes_true 60 restarted 2 || { fail "a stopped rank 0: not restarted"; cat "$out/err" >&2; }
kill -9 "$(launcher)"
becomes_true 60 restarted 3 || { fail "mpirun killed: not restarted"; cat "$out/err" >&2; }
ends "stopped and killed"
reported "stopped and killed" 'r["restarts"]["count"] >= 3 and "without_forebay" not in r'

echo "== a server stops while MPI starts: not waited for as long as for one that is slow"
start beginning --prefetch background --start-timeout 3600
stopped=$(python3 "$here/restart_stop_early.py" "$scratch" 2) || { fail "rank 2 does not run"; cat "$out/err" >&2; }
grep -q "ready after" "$out/err" && fail "rank 2 was stopped too late"
becomes_true 100 read_by_all || { fail "the command was not started"; cat "$out/err" >&2; }
[ "$(server 2)" != "$stopped" ] || fail "the stopped server is still there"
ends "stopped while MPI starts"
reported "stopped while MPI starts" '"without_forebay" not in r and len(r["nodes"]) == 4'

echo "== servers are killed while they stage, before the command"
start staging --prefetch wait --bandwidth 1M
becomes_true 60 grep -q "ready after" "$out/err" || fail "no servers"
kill -9 "$(server 1)"
becomes_true 60 restarted 1 || { fail "while staging: not restarted"; cat "$out/err" >&2; }
kill -9 "$(server 0)"
becomes_true 60 restarted 2 || { fail "while staging: rank 0 not restarted"; cat "$out/err" >&2; }
becomes_true 60 read_by_all || { fail "the command was not started"; cat "$out/err" >&2; }
[ "$(grep -oE "restarted|staged [0-9]+ objects" "$out/err" | paste -sd ,)" = "restarted,restarted,staged 600 objects" ] ||
  { fail "the command did not wait until all was staged by restarted servers"; cat "$out/err" >&2; }
ends "while staging"
reported "while staging" 'r["restarts"]["count"] == 2 and r["command_exit"] == 0'

echo "== servers are killed again and again: the command goes on without them"
start again --prefetch background --restarts 2
becomes_true 60 read_by_all || { fail "no reader runs"; cat "$out/err" >&2; }
for number in 1 2 3; do
  becomes_true 30 has_server 3 || fail "rank 3 does not run"
  kill -9 "$(server 3)"
  [ $number = 3 ] || becomes_true 60 restarted $number || { fail "not restarted a ${number}th time"; cat "$out/err" >&2; }
done
becomes_true 60 grep -q "not started again after 2 restarts in a row; the command goes on" "$out/err" || { fail "not given up"; cat "$out/err" >&2; }
[ "$(grep -c "the command goes on" "$out/err")" = 1 ] || fail "it is said more than once that servers are given up"
has_server 0 && fail "servers were given up and run"
ends "again and again"
reported "again and again" 'r["restarts"]["count"] == 2 and "ended" in r["without_forebay"]'

echo "== no restarts are wanted"
start none --restarts 0
becomes_true 60 read_by_all || { fail "no reader runs"; cat "$out/err" >&2; }
kill -9 "$(server 1)"
becomes_true 60 grep -q "the command goes on" "$out/err" || { fail "dead servers were not reported"; cat "$out/err" >&2; }
ends "no restarts"
reported "no restarts" 'r["restarts"]["count"] == 0'
finish
