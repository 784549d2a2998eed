#!/bin/bash
# as_root.sh CMD...: runs CMD as root: directly, through sudo where that asks no password, or else in a user namespace
# with its own network, mounts and processes, where hosts.sh works too (slurm.sh does not) and all ends with CMD.
set -euo pipefail
if [ "$(id -u)" = 0 ]; then
  exec "$@"
fi
if sudo -n true 2>/dev/null; then
  exec sudo -n -E "$@"
fi
FOREBAY_LAB=$(mktemp -d)
export FOREBAY_LAB OMPI_MCA_orte_tmpdir_base=$FOREBAY_LAB
code=0
unshare --user --map-root-user --net --mount --pid --fork --kill-child --mount-proc -- "$@" || code=$?
rm -rf "$FOREBAY_LAB"
exit $code
