#!/bin/bash
# However a run ends, its processes, sockets and shared memory are gone soon after, and its buffer stays.
here=$(dirname "$(readlink -f "$0")")
source "$here/lib.sh"

tree=$work/tree
mkdir "$tree"
for number in $(seq 50); do echo "file $number" >"$tree/$number"; done
gone_s=20

# Processes that carry this mark in their environment are of the run under test.
processes_marked() { # MARK
  local process
  for process in /proc/[0-9]*; do
    if grep -qsz "^TEST_MARK=$1\$" "$process/environ" && ! is_gone "${process#/proc/}"; then
      echo "${process#/proc/} $(tr '\0' ' ' <"$process/cmdline" 2>/dev/null)"
    fi
  done
}
nothing_marked() { [ -z "$(processes_marked "$1")" ]; }

# What the command does: says where its session is and that it runs, and lasts.
cat >"$work/command.sh" <<'END'
echo "$FOREBAY_SESSION" >"$1/session.$FOREBAY_NODE"
cat "$2"/* >"$1/read.$FOREBAY_NODE"
trap 'echo TERM >"$1/signal.$FOREBAY_NODE"; exit 42' TERM
trap 'echo INT >"$1/signal.$FOREBAY_NODE"' INT
: >"$1/running.$FOREBAY_NODE"
while :; do sleep 0.1; done
END

start_run() { # MARK: in $work/MARK; its process is $run. (A shell's background jobs ignore SIGINT.)
  mkdir "$work/$1"
  TEST_MARK=$work/$1 setsid env --default-signal=INT "$forebay" run --nodes 2 --per-node --prefetch wait --buffer "$work/buffer" \
    --stage "$tree" -- bash "$work/command.sh" "$work/$1" "$tree" >"$work/$1/output" 2>&1 &
  run=$!
  wait_until 60 all_exist "$work/$1"/running.{0,1} || { cat "$work/$1/output"; exit 1; }
}

expect_nothing_left() { # MARK
  local session
  wait_until $gone_s nothing_marked "$work/$1" || processes_marked "$work/$1" >&2
  for session in "$work/$1"/session.*; do
    session=$(cat "$session")
    expect_that "session $session has a real place" [ "${session#/dev/shm/forebay-}" != "$session" ]
    expect_that "$1: the session is gone" [ ! -e "$session" ]
    expect_that "$1: MPI's shared memory is gone" [ ! -e "${session%.*}.mpi" ]
  done
  expect_that "$1: the buffer stays" [ -n "$(find "$work/buffer" -type f -size +0 -print -quit)" ]
}

exit_code_of() { # PID
  local code=0
  wait "$1" || code=$?
  echo $code
}

section "the command ends"
mkdir "$work/ends"
# shellcheck disable=SC2016
expect_exit "its exit code is the run's" 7 env TEST_MARK="$work/ends" "$forebay" run --nodes 2 --per-node --buffer "$work/buffer" \
  --stage "$tree" -- sh -c 'echo $FOREBAY_SESSION >"$0/session.$FOREBAY_NODE"; exit 7' "$work/ends"
expect_nothing_left ends

section "the command cannot be started"
expect_exit "as a shell says it" 127 "$forebay" run --nodes 2 --buffer "$work/buffer" --stage "$tree" -- no-such-command

section "SIGTERM"
start_run term
kill -TERM $run
wait $run && code=0 || code=$?
expect_equal "the command's exit code" 42 "$code"
expect_equal "the command got the signal" TERM "$(cat "$work/term/signal.0")"
expect_nothing_left term

section "Ctrl-C twice"
start_run interrupt
kill -INT $run
wait_until 10 all_exist "$work/interrupt"/signal.{0,1}
kill -INT $run
wait $run && code=0 || code=$?
expect_that "it is not reported as success" [ "$code" != 0 ]
expect_nothing_left interrupt

section "SIGKILL of run"
start_run kill
kill -KILL $run
wait $run 2>/dev/null || true
expect_nothing_left kill

section "SIGKILL of everything at once"
start_run everything
# Those that end with the ones before them are gone when it is their turn.
processes_marked "$work/everything" | cut -d ' ' -f 1 | xargs kill -KILL 2>/dev/null || true
wait $run 2>/dev/null || true
wait_until $gone_s nothing_marked "$work/everything"
# Nobody was left to remove the session; the next run does.
expect_exit "the next run works" 0 "$forebay" run --nodes 2 --buffer "$work/buffer" --stage "$tree" -- true
for session in "$work/everything"/session.*; do
  expect_that "the next run removed what was left" [ ! -e "$(cat "$session")" ]
done

section "a server dies while the command reads"
mkdir "$work/server"
cat >"$work/reads.sh" <<'END'
echo "$FOREBAY_SESSION" >"$1/session.$FOREBAY_NODE"
cat "$2"/* | md5sum >"$1/before.$FOREBAY_NODE"
: >"$1/running.$FOREBAY_NODE"
until [ -e "$1/go" ]; do sleep 0.05; done
cat "$2"/* | md5sum >"$1/after.$FOREBAY_NODE"
find "$2" | wc -l >"$1/listed.$FOREBAY_NODE"
END
TEST_MARK=$work/server "$forebay" run --nodes 2 --per-node --prefetch off --buffer "$work/buffer2" --stage "$tree" \
  -- bash "$work/reads.sh" "$work/server" "$tree" >"$work/server/output" 2>&1 &
run=$!
wait_until 60 all_exist "$work/server"/running.{0,1} || cat "$work/server/output"
processes_marked "$work/server" | awk '/ serve / { print $1; exit }' | xargs kill -KILL
: >"$work/server/go"
wait $run && code=0 || code=$?
expect_equal "the command did not notice" 0 "$code"
for node in 0 1; do
  expect_same "the right bytes before" <(cat "$tree"/* | md5sum) "$work/server/before.$node"
  expect_same "the right bytes after" <(cat "$tree"/* | md5sum) "$work/server/after.$node"
  expect_equal "the right listing after" 51 "$(cat "$work/server/listed.$node")"
done
wait_until $gone_s nothing_marked "$work/server" || processes_marked "$work/server" >&2
