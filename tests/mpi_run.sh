#!/bin/bash
# mpi_run.sh ARGUMENTS_PROGRAM SETTING RANKS PROGRAM [ARG...]: runs PROGRAM under mpirun with one of our MPI settings.
set -euo pipefail
printer=$1 setting=$2 ranks=$3
shift 3
arguments=$("$printer" "$setting")
mapfile -t arguments <<<"$arguments"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# mpirun's own session directories end with it, also when the test is killed for its time.
TMPDIR=$(mktemp -d /tmp/forebay-mpi.XXXXXX)
export TMPDIR
mpirun "${arguments[@]}" -np "$ranks" "$@" &
mpirun=$!
trap 'kill -TERM "$mpirun" 2>/dev/null || true' TERM INT
trap 'rm -rf "$TMPDIR"' EXIT
status=0
wait "$mpirun" || status=$?
if kill -0 "$mpirun" 2>/dev/null; then  # A signal ended the wait.
  wait "$mpirun" || status=$?
fi
exit "$status"
