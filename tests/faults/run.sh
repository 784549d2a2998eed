#!/bin/bash
# run.sh [--rounds N] [--seed S] [--nodes simulated|hosts] [--only GROUP] [--first N] [--json FILE] [--keep]: seeded faults
# (servers, launcher, hosts, buffers, origin, clients) under readers on every node that compare each byte and attribute with an
# independent copy. A round fails when a reader saw a difference or an error, hung for a minute, or when nothing was injected.
# The same seed plays the same faults; --first N --rounds 1 plays round N alone. GROUP may also be the name of one fault.
#
# Needs root: file systems of its own, in mounts of its own, which end with it.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
: "${FOREBAY_BUILD:?the build tree}"
export FOREBAY_SOURCE=${FOREBAY_SOURCE:-$(readlink -f "$here/../..")}
[ "$(id -u)" = 0 ] || exec "$here/../lab/as_root.sh" bash "$0" "$@"
exec unshare --mount --propagation private -- /usr/bin/python3 -B "$here/harness.py" "$@"
