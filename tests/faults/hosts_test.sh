#!/bin/bash
# The same on three hosts of namespaces, over TCP.
exec "$(dirname "$(readlink -f "$0")")/run.sh" --nodes hosts --rounds "${FAULT_ROUNDS:-8}" --seed "${FAULT_SEED:-1}"
