# What the command-line tests share. Source it; it makes a scratch directory and leaves nothing behind.
set -uo pipefail
forebay=${FOREBAY:-$FOREBAY_BUILD/src/cli/forebay}
scratch=$(mktemp -d)
export XDG_CACHE_HOME=$scratch/cache XDG_CONFIG_HOME=$scratch/config FOREBAY_BUFFER=$scratch/buffer
unset FOREBAY_CONFIG FOREBAY_SESSION FOREBAY_NODE FOREBAY_NODES
failures=0
trap 'rm -rf "$scratch"' EXIT

fail() {
  echo "FAILED: $*" >&2
  failures=$((failures + 1))
}

# expect CODE WHAT COMMAND...: its exit code; output in $scratch/out and $scratch/err.
expect() {
  local code=$1 what=$2 got=0
  shift 2
  "$@" > "$scratch/out" 2> "$scratch/err" < /dev/null || got=$?
  if [ "$got" != "$code" ]; then
    fail "$what: exit code $got instead of $code"
    cat "$scratch/err" >&2
  fi
}

# says WHAT FILE PATTERN
says() {
  grep -qE -- "$3" "$2" || { fail "$1: no /$3/ in"; cat "$2" >&2; }
}

# becomes_true SECONDS COMMAND...: polls.
becomes_true() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $deadline ] || return 1
    sleep 0.05
  done
}

# Live processes (zombies are gone) whose command line or environment names our scratch directory.
processes_left() {
  local pid
  for pid in /proc/[0-9]*; do
    [ "${pid#/proc/}" = $$ ] && continue
    grep -q '^State:.[ZX]' "$pid/status" 2> /dev/null && continue
    { tr '\0' '\n' < "$pid/cmdline"; } 2> /dev/null | grep -qF -- "$scratch" && echo "${pid#/proc/}"
  done
}
nothing_runs() { [ -z "$(processes_left)" ]; }
sessions() { ls "/dev/shm/forebay-$(id -u)" 2> /dev/null || true; }
gone() { ! ls -d "$@" > /dev/null 2>&1; }

finish() {
  [ "$failures" = 0 ] && echo "all well"
  exit $((failures > 0))
}
