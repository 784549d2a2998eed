# What the system tests share; sourced. Gives $forebay, an empty $work (on disk) and $scratch (in memory where that is large
# enough), both removed at the end with every process that the test started, and assertions that show what they compared.
# shellcheck shell=bash
set -euo pipefail

: "${FOREBAY_BUILD:?the build tree}" "${FOREBAY_SOURCE:?the source tree}"
forebay=$FOREBAY_BUILD/src/cli/forebay
lab=$FOREBAY_SOURCE/tests/lab
here=$FOREBAY_SOURCE/tests/system
python=/usr/bin/python3  # Debian's, which sees Debian's packages
scratch_kib=$((4 * 1024 * 1024))

work=$(mktemp -d "${TMPDIR:-/var/tmp}/forebay-test.XXXXXX")
scratch=$work/scratch
if [ "$(df --output=avail /dev/shm | tail -n 1)" -gt $scratch_kib ]; then
  scratch=$(mktemp -d /dev/shm/test-of-forebay.XXXXXX)
fi
mkdir -p "$scratch"
# Runs of this test keep what they learn of MPI here, and find no settings of the user's.
export XDG_CACHE_HOME=$work/cache XDG_CONFIG_HOME=$work/config
# shellcheck disable=SC2046
unset $(env | sed -n 's/^\(FOREBAY_[A-Z_]*\)=.*/\1/p' | grep -vE '^FOREBAY_(BUILD|SOURCE|LAB)$')

failures=0
on_exit=()  # commands, run last to first

finish() {
  local code=$? index pid
  trap - EXIT
  for pid in $(jobs -p); do kill -TERM "$pid" 2>/dev/null || true; done
  wait
  for ((index = ${#on_exit[@]} - 1; index >= 0; index--)); do ${on_exit[index]} || true; done
  chmod -R u+rwX "$work" 2>/dev/null || true
  rm -rf "$work" "$scratch"
  if [ "$code" = 0 ] && [ $failures -gt 0 ]; then code=1; fi
  [ "$code" = 0 ] || echo "FAILED: $failures assertions, exit code $code" >&2
  exit "$code"
}
trap finish EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

section() { printf '\n== %s (%s s)\n' "$*" $SECONDS; }

fail() { # WHAT DETAIL...
  failures=$((failures + 1))
  printf 'FAIL: %s\n' "$1" >&2
  [ $# = 1 ] || printf '      %s\n' "${@:2}" >&2
}

expect_equal() { # WHAT EXPECTED ACTUAL
  [ "$2" = "$3" ] || fail "$1" "expected: $2" "actual:   $3"
}

expect_that() { # WHAT CMD...
  "${@:2}" || fail "$1" "does not hold: ${*:2}"
}

# Also of two directories.
expect_same() { # WHAT EXPECTED ACTUAL
  local difference
  # Of what a program printed, the first lines say enough; names may be any bytes.
  if ! difference=$(diff -ra "$2" "$3" | tr '\0' '\n' | head -c 3000); then :; fi
  [ -z "$difference" ] || fail "$1" "< $2  > $3" "$difference"
}

# expect_exit WHAT CODE CMD...: standard output and error go to $work/output.
expect_exit() {
  local code=0
  "${@:3}" >"$work/output" 2>&1 || code=$?
  [ "$code" = "$2" ] || fail "$1" "expected exit code: $2" "actual:             $code" "command: ${*:3}" \
    "$(tail -n 30 "$work/output")"
}

# number_in FILE EXPRESSION: of a JSON document r, for instance 'r["hits"]["peer"]'.
number_in() {
  "$python" -c 'import json, sys; r = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$1" "$2"
}

expect_report() { # WHAT FILE EXPRESSION: true of the JSON document r
  local actual
  actual=$(number_in "$2" "$3" 2>&1) || true
  [ "$actual" = True ] || fail "$1" "expected: $3" "actual:   $actual" "report:   $(head -c 3000 "$2" 2>&1)"
}

# wait_until SECONDS CMD...: fails when CMD is still false after that long.
wait_until() {
  local deadline=$((SECONDS + $1))
  until "${@:2}"; do
    if [ $SECONDS -ge $deadline ]; then
      fail "not in $1 s: ${*:2}"
      return 1
    fi
    sleep 0.05
  done
}

all_exist() {
  local file
  for file in "$@"; do [ -e "$file" ] || return 1; done
}

# is_gone PID: zombies are gone too.
is_gone() { ! grep -qs '^State:[[:space:]]*[^Z[:space:]]' "/proc/$1/status"; }

# The laboratory (tests/lab), of which nothing stays behind the test. Its hosts are fb0, fb1, ...

start_hosts() { # COUNT: their names stand in $work/hostfile, too
  export FOREBAY_LAB=$work/lab
  on_exit+=("$lab/hosts.sh down")
  "$lab/hosts.sh" up "$1"
  seq -f 'fb%g' 0 $(($1 - 1)) >"$work/hostfile"
}

start_slurm() { # COUNT: nodes of a Slurm
  export FOREBAY_LAB=$work/lab OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  on_exit+=("$lab/slurm.sh down")
  "$lab/slurm.sh" up "$1"
  eval "$("$lab/slurm.sh" env)"
}

# serving_on HOST [PROGRAM]: its processes of this program (forebay itself) that have the word `serve` among their arguments.
serving_on() {
  local process network program=${2:-$forebay}
  network=$(readlink "/proc/$(cat "$FOREBAY_LAB/hosts/$1.pid")/ns/net")
  for process in /proc/[0-9]*; do
    if [ "$(readlink "$process/ns/net")" = "$network" ] && [ "$(tr '\0' '\n' <"$process/cmdline" | head -n 1)" = "$program" ] &&
      grep -qsz '^serve$' "$process/cmdline"; then
      echo "${process#/proc/}"
    fi
  done 2>/dev/null
}

sessions_on() { "$lab/hosts.sh" exec "$1" sh -c 'ls /dev/shm/forebay-*/ 2>/dev/null'; } # HOST: what is there of any
