# What `forebay run` and `drain --recover` do about checkpoints at signals and at the end, with servers that are played
# (fake_servers.py): what is asked of them when, deadlines, exit codes, and what people are told.
. "$(dirname "$0")/lib.sh"
here=$(dirname "$(readlink -f "$0")")

mkdir "$scratch/bin"
ln -s "$here/fake_servers.py" "$scratch/bin/mpirun"
export FAKE=$scratch/fake PATH=$scratch/bin:$PATH FOREBAY_MPI=shm
unset SLURM_JOB_ID SLURM_JOB_END_TIME

# play PENDING RATE: how servers behave from now on.
play() {
  rm -rf "$FAKE"
  mkdir "$FAKE"
  echo "$1" > "$FAKE/pending"
  echo "$2" > "$FAKE/rate"
}
asked() { grep -c '"drain"' "$FAKE/commands"; } # how often for a drain
run() { "$forebay" run --checkpoint "$scratch/ckpt" "$@"; }

play 30 10
expect 0 "all is drained at the end" run -- true
says "all is drained at the end" "$scratch/err" "checkpoints: .* files, .* MiB, drained in .*all is durable"
says "all is drained at the end" "$FAKE/commands" '"command": "drain", "id": 1, "newest_first": false}'
[ -d "$scratch/ckpt" ] || fail "the destination was not made"
expect 7 "the command's own exit code" run -- sh -c 'exit 7'

play 50 0
expect 4 "a deadline" run --drain-deadline 1 --report "$scratch/r.json" -- true
says "a deadline" "$scratch/err" "50 files cannot be drained now: no space left on device"
says "a deadline" "$scratch/err" "50 files are not durable; they are kept in .*/buffer"
says "a deadline" "$scratch/err" '^  /ckpt/a%b/19: failed \(no space left on device\)$'
says "a deadline" "$scratch/err" '^  and 30 more$'
[ "$(grep -c '^  /ckpt' "$scratch/err")" = 20 ] || fail "a deadline: not 20 names"
says "the report" "$scratch/r.json" '"not_durable_files": 50'
says "the report" "$scratch/r.json" '"command_exit": 0'
expect 7 "a deadline and a command that fails" run --drain-deadline 1 -- sh -c 'exit 7'

play 3 1
echo 1 > "$FAKE/mute"
expect 4 "servers that do not say what is left" run --drain-deadline 1 -- true
says "servers that do not say what is left" "$scratch/err" "do not say in time what is left"

cat > "$scratch/command" << 'EOS'
#!/bin/bash
# Says its process number, then waits; notes the signals it gets.
for signal in INT TERM USR1 USR2; do
  trap "echo $signal >> '$1/signals'; [ $signal = USR1 ] || exit 42" $signal
done
echo $$ > "$1/pid.tmp" && mv "$1/pid.tmp" "$1/pid"
exec 3<> <(:)
while :; do read -r -t 0.1 -u 3 || true; done
EOS
chmod +x "$scratch/command"
start() {
  rm -f "$scratch/pid" "$scratch/signals"
  "$forebay" run --checkpoint "$scratch/ckpt" "$@" -- "$scratch/command" "$scratch" 2> "$scratch/err" < /dev/null &
  run=$!
  becomes_true 30 test -e "$scratch/pid" || { fail "the command did not start"; cat "$scratch/err" >&2; }
}
ends() { # CODE WHAT
  local got=0
  wait $run || got=$?
  [ $got = "$1" ] || { fail "$2: exit code $got instead of $1"; cat "$scratch/err" >&2; }
}

play 20 10
start
kill -USR1 $run
becomes_true 10 grep -qs '"newest_first": false' "$FAKE/commands" || fail "USR1: no drain was asked for"
becomes_true 10 grep -q "is durable" "$scratch/err" || { fail "USR1: nobody was told of its end"; cat "$scratch/err" >&2; }
kill -USR2 $run
ends 42 USR2
[ "$(cat "$scratch/signals")" = USR2 ] || fail "USR1 reached the command, or USR2 did not: $(cat "$scratch/signals")"
[ "$(asked)" = 2 ] || fail "USR1: $(asked) drains were asked for"

play 40 0
start --drain-deadline 2
kill -TERM $run
ends 42 TERM
[ "$(cat "$scratch/signals")" = TERM ] || fail "TERM did not reach the command once"
says "TERM" "$FAKE/commands" '"deadline_s": (2|1\.9).*"newest_first": true'
says "TERM" "$scratch/err" "40 files are not durable"

play 30 0
start
kill -TERM $run
becomes_true 10 grep -qs '"id": 1, "newest_first": true' "$FAKE/commands" || fail "TERM without deadline: it was asked with one"
becomes_true 10 test -e "$scratch/signals" || fail "TERM without deadline: the command was not told"
# The command is over: two end the wait, but the kernel may put two into one.
while kill -TERM $run 2> /dev/null; do sleep 0.2; done
ends 42 "a second TERM"
says "a second TERM" "$scratch/err" "30 files are not durable"

play 20 10
echo 2 > "$FAKE/die"
expect 0 "servers that die while they drain" run -- true
says "servers that die while they drain" "$scratch/err" "servers restarted after"
[ "$(asked)" = 3 ] || fail "restarted servers were not asked again"
play 20 10
echo 9 > "$FAKE/die"
expect 4 "servers that are given up" run --restarts 1 -- true
says "servers that are given up" "$scratch/err" "checkpoints: the servers are gone"

# Slurm says how much time there is.
cat > "$scratch/bin/squeue" << 'EOS'
#!/bin/sh
cat "$FAKE/squeue"
EOS
printf '#!/bin/sh\necho "KillWait                = 4 sec"\n' > "$scratch/bin/scontrol"
chmod +x "$scratch/bin/squeue" "$scratch/bin/scontrol"
slurm() { SLURM_JOB_ID=1 run --launcher simulate "$@"; }
play 5 0
echo "RUNNING 0:04" > "$FAKE/squeue"
expect 4 "a job whose time is over" slurm -- true
says "a job whose time is over" "$FAKE/commands" '"deadline_s": (3|2\.9).*"newest_first": false'
play 5 0
echo "COMPLETING 9:58" > "$FAKE/squeue"
export SLURM_JOB_ID=1
start --launcher simulate
unset SLURM_JOB_ID
kill -TERM $run
ends 42 "a cancelled job"
says "a cancelled job" "$FAKE/commands" '"deadline_s": 2\..*"newest_first": true'
says "a cancelled job" "$scratch/err" "5 files are not durable"
play 20 10
echo "RUNNING UNLIMITED" > "$FAKE/squeue"
expect 0 "a job without limit" slurm -- true

# What an ended run left, without a command.
play 30 10
expect 0 "recovery" "$forebay" drain --recover --checkpoint "$scratch/ckpt"
says "recovery" "$scratch/err" "files, .*drained in .*all is durable"
play 30 0
expect 4 "recovery with a deadline" "$forebay" drain --recover --checkpoint "$scratch/ckpt" --deadline 1
says "recovery with a deadline" "$scratch/err" "30 files are not durable"

# Without servers.
printf '#!/bin/sh\nexit 1\n' > "$scratch/bin/mpirun.new"
chmod +x "$scratch/bin/mpirun.new"
mv "$scratch/bin/mpirun.new" "$scratch/bin/mpirun"
expect 0 "no servers" run -- sh -c 'echo x > "$0/ckpt/x"' "$scratch"
says "no servers" "$scratch/err" "checkpoints go straight to their destination"
[ "$(cat "$scratch/ckpt/x")" = x ] || fail "no servers: nothing was written"
expect 1 "no servers and another mount" "$forebay" run --checkpoint "$scratch/ckpt=/ckpt" -- touch "$scratch/ran"
says "no servers and another mount" "$scratch/err" "not started: nothing else would bring checkpoints from /ckpt to"
[ ! -e "$scratch/ran" ] || fail "the command was started all the same"
expect 1 "recovery without servers" "$forebay" drain --recover --checkpoint "$scratch/ckpt"
becomes_true 10 nothing_runs || fail "processes are left: $(processes_left)"
finish
