#!/bin/bash
# Rounds of kills while checkpoints are written, and recovery (checkpoint_crash.py). A night plays more of them:
# FAULT_ROUNDS=200 FAULT_SEED=$RANDOM.
exec /usr/bin/python3 -B "$(dirname "$(readlink -f "$0")")/checkpoint_crash.py" --rounds "${FAULT_ROUNDS:-15}" --seed "${FAULT_SEED:-1}"
