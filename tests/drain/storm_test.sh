#!/bin/bash
# A drainer under kills, power cuts and failing calls (storm_test.py). Needs root: its mounts end with it. A night plays more:
# FAULT_ROUNDS=500 FAULT_SEED=$RANDOM.
here=$(dirname "$(readlink -f "$0")")
[ "$(id -u)" = 0 ] || exec "$here/../lab/as_root.sh" bash "$0"
exec unshare --mount --propagation private -- /usr/bin/python3 -B "$here/storm_test.py" --rounds "${FAULT_ROUNDS:-20}" \
  --seed "${FAULT_SEED:-1}" "$@"
