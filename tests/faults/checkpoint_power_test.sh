#!/bin/bash
# Power cuts under destinations and buffers of checkpoints, and calls that fail there (checkpoint_power.py). Needs root: its
# mounts end with it. A night plays more: FAULT_ROUNDS=100 FAULT_SEED=$RANDOM (without FAULT_ROUNDS it is brief), and
# checkpoint_power.py --full.
here=$(dirname "$(readlink -f "$0")")
[ "$(id -u)" = 0 ] || exec "$here/../lab/as_root.sh" bash "$0"
[ -n "${FAULT_ROUNDS:-}" ] || set -- --brief "$@"
exec unshare --mount --propagation private -- /usr/bin/python3 -B "$here/checkpoint_power.py" --rounds "${FAULT_ROUNDS:-2}" \
  --seed "${FAULT_SEED:-1}" "$@"
