#!/bin/bash
# A fixed seed's first rounds of faults on simulated nodes; FAULT_ROUNDS and FAULT_SEED choose others.
exec "$(dirname "$(readlink -f "$0")")/run.sh" --nodes simulated --rounds "${FAULT_ROUNDS:-22}" --seed "${FAULT_SEED:-1}"
