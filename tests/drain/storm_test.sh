#!/bin/bash
# A drainer under kills, power cuts and failing calls (storm_test.py). Needs root: its mounts end with it. A night plays more:
# FAULT_ROUNDS=500 FAULT_SEED=$RANDOM; without FAULT_ROUNDS it is brief.
here=$(dirname "$(readlink -f "$0")")
[ "$(id -u)" = 0 ] || exec "$here/../lab/as_root.sh" bash "$0"
[ -n "${FAULT_ROUNDS:-}" ] || set -- --brief "$@"
exec unshare --mount --propagation private -- /usr/bin/python3 -B "$here/storm_test.py" --rounds "${FAULT_ROUNDS:-6}" \
  --seed "${FAULT_SEED:-1}" "$@"
