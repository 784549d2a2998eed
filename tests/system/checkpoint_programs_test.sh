#!/bin/bash
# On three simulated nodes real programs write checkpoints in eight manners (checkpoint_writer.py). Each node reads back at once
# what any has written, and lists buffer and destination as one tree; the destination has all of it in the end, and at no moment
# anything incomplete or out of order.
here=$(dirname "$(readlink -f "$0")")
source "$here/lib.sh"
source "$here/checkpoint_programs.sh"

prepare_destination
write_observed "$work/mount" "$forebay" run --nodes 3 --per-node --buffer "$work/buffer" --report "$work/report.json" \
  --checkpoint "$destination=$work/mount"
