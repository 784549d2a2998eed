# However `forebay run` ends, signals reach the command and nothing stays behind.
. "$(dirname "$0")/lib.sh"

mkdir "$scratch/set"
head -c 100000 /dev/urandom > "$scratch/set/a"
command=$scratch/command
cat > "$command" << 'EOS'
#!/bin/bash
# Says its process number, then waits; notes the signals it gets.
for signal in INT TERM HUP USR1 USR2 QUIT; do
  trap "echo $signal >> '$1/signals'; [ $signal = USR1 ] || exit 42" $signal
done
echo $$ > "$1/pid.tmp" && mv "$1/pid.tmp" "$1/pid"
exec 3<> <(:)
while :; do read -r -t 1 -u 3 || true; done
EOS
chmod +x "$command"

start() {
  rm -f "$scratch/pid" "$scratch/signals"
  "$forebay" run --nodes 2 --stage "$scratch/set" "$@" -- "$command" "$scratch" 2> "$scratch/err" < /dev/null &
  run=$!
  becomes_true 30 test -e "$scratch/pid" || { fail "the command did not start"; cat "$scratch/err" >&2; }
  session=$("$forebay" status --json > /dev/null 2>&1; tr '\0' '\n' < "/proc/$(cat "$scratch/pid")/environ" | sed -n 's/^FOREBAY_SESSION=//p')
}
nothing_left() {
  becomes_true 15 nothing_runs || { fail "$1: processes are left: $(processes_left)"; }
  becomes_true 15 gone "${session%.*}".* || fail "$1: sessions are left: $(ls -d "${session%.*}".*)"
}

# (A shell starts its background jobs with INT and QUIT ignored: Ctrl-C is tried on a terminal, below.)
for signal in TERM HUP USR2; do
  start
  kill -$signal $run
  wait $run
  [ $? = 42 ] || fail "$signal: the exit code is not the command's"
  [ "$(cat "$scratch/signals")" = $signal ] || fail "$signal did not reach the command once: $(cat "$scratch/signals")"
  nothing_left $signal
done

start
kill -USR1 $run
becomes_true 10 grep -qs USR1 "$scratch/signals" || fail "USR1 did not reach the command"
kill -9 $run
wait $run 2> /dev/null
becomes_true 10 grep -qs TERM "$scratch/signals" || fail "the command was not told that run was killed"
nothing_left "run killed"

# What the command started in the background, deaf to SIGTERM, goes with it, and goes on where run ends by itself.
cat > "$scratch/parent" << 'EOS'
#!/bin/bash
(trap '' TERM; exec sleep 1000) &
echo $! > "$1/orphan"
[ "$2" = leave ] || wait
EOS
chmod +x "$scratch/parent"
orphan_gone() { ! grep -qs '^State:.[^ZX]' "/proc/$(cat "$scratch/orphan")/status"; }
"$forebay" run --stage "$scratch/set" -- "$scratch/parent" "$scratch" wait 2> /dev/null &
run=$!
becomes_true 30 test -s "$scratch/orphan" || fail "the command with a child did not start"
kill -9 $run
becomes_true 15 orphan_gone || fail "run killed: what the command started is left"
expect 0 "a command that leaves a process" "$forebay" run --stage "$scratch/set" -- "$scratch/parent" "$scratch" leave
! orphan_gone || fail "what a command left running on purpose was ended"
kill -9 "$(cat "$scratch/orphan")"

# Servers that die are no reason for the command to, and where they are not started again (cli/restart) it is said.
start --restarts 0
servers=$(processes_left | while read -r pid; do grep -qsz '^serve$' "/proc/$pid/cmdline" && echo "$pid"; done)
kill -9 $servers
becomes_true 20 grep -q "the command goes on" "$scratch/err" || { fail "dead servers were not reported"; cat "$scratch/err" >&2; }
kill -0 "$(cat "$scratch/pid")" || fail "the command died with the servers"
cmp -s "$scratch/set/a" "$scratch/set/a" || fail "the origin cannot be read"
kill -TERM $run
wait $run
[ $? = 42 ] || fail "with dead servers the exit code is not the command's"
nothing_left "servers killed"

# A terminal's Ctrl-C reaches the command once; a second one ends everything, even what ignores it.
python3 - "$forebay" "$scratch" "$command" << 'EOS' || fail "Ctrl-C"
import os, pty, select, signal, sys, time
forebay, scratch, command = sys.argv[1:]

def wait_for(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "too late"
        select.select([], [], [], 0.02)

def run(script):
    for name in ("pid", "signals"):
        if os.path.exists(f"{scratch}/{name}"):
            os.unlink(f"{scratch}/{name}")
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(forebay, [forebay, "run", "--quiet", "--nodes", "2", "--stage", f"{scratch}/set", "--"] + script)
    wait_for(lambda: os.path.exists(f"{scratch}/pid"))
    return pid, terminal

def ended(pid):
    deadline = time.monotonic() + 20
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        assert time.monotonic() < deadline, "run does not end"
        select.select([], [], [], 0.02)

pid, terminal = run([command, scratch])
os.write(terminal, b"\x03")
assert ended(pid) == 42
assert open(f"{scratch}/signals").read() == "INT\n", open(f"{scratch}/signals").read()

def interrupt_is_pending(pid):
    """Whether `pid` has not yet read a SIGINT it was sent: the kernel would merge the next one with it."""
    with open(f"/proc/{pid}/status") as status:
        (pending,) = (line.split()[1] for line in status if line.startswith("ShdPnd:"))
    return int(pending, 16) >> (signal.SIGINT - 1) & 1

stubborn = "exec 3<> <(:); trap 'echo INT >> $0/signals' INT; echo $$ > $0/pid; while :; do read -r -t 1 -u 3; done"
pid, terminal = run(["bash", "-c", stubborn, scratch])
os.write(terminal, b"\x03")
wait_for(lambda: os.path.exists(f"{scratch}/signals"))
wait_for(lambda: not interrupt_is_pending(pid))
os.write(terminal, b"\x03")
code = ended(pid)
assert code == 137, code
EOS
becomes_true 15 nothing_runs || fail "Ctrl-C: processes are left: $(processes_left)"

# While servers start, a signal ends run before the command was started.
mkdir "$scratch/bin"
printf '#!/bin/bash\ntouch "%s/launched"; exec 3<> <(:); while :; do read -r -t 1 -u 3; done\n' "$scratch" > "$scratch/bin/mpirun"
chmod +x "$scratch/bin/mpirun"
PATH=$scratch/bin:$PATH "$forebay" run --nodes 2 --stage "$scratch/set" -- touch "$scratch/ran" 2> "$scratch/err" &
run=$!
becomes_true 10 test -e "$scratch/launched" || fail "no launch"
kill -TERM $run
wait $run
[ $? = 143 ] || fail "a signal before the command: not 128 + 15"
[ ! -e "$scratch/ran" ] || fail "the command was run although a signal came first"
becomes_true 15 nothing_runs || fail "before the command: processes are left: $(processes_left)"
finish
