#!/bin/bash
# node_reads.sh TREE OUT SCRATCH FLAGS: what each node does: says that it is there, waits for the origin to be taken away, and
# reads everything. FLAGS is a directory of every node: ready.<node> is made, go is waited for.
set -euo pipefail
tree=$1
out=$2/node$FOREBAY_NODE
scratch=$3/node$FOREBAY_NODE
flags=$4
deadline=$((SECONDS + 120))

: >"$flags/ready.$FOREBAY_NODE"
until [ -e "$flags/go" ]; do
  if [ $SECONDS -ge $deadline ]; then
    echo "node $FOREBAY_NODE: nobody took the origin away" >&2
    exit 1
  fi
  sleep 0.05
done
mkdir -p "$out"
READ_TIMES=${READ_TIMES:+$READ_TIMES.$FOREBAY_NODE} exec bash "$(dirname "$(readlink -f "$0")")/read_everything.sh" \
  "$tree" "$out" "$scratch"
