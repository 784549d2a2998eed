#!/bin/bash
# The same on three hosts over TCP, with the destination as the mount.
here=$(dirname "$(readlink -f "$0")")
[ "$(id -u)" = 0 ] || exec "$here/../lab/as_root.sh" bash "$0"
source "$here/lib.sh"
source "$here/checkpoint_programs.sh"

start_hosts 3
prepare_destination
write_observed "$destination" "$lab/hosts.sh" exec fb0 env "OMPI_MCA_plm_rsh_agent=$lab/hosts.sh rsh" "$forebay" run \
  --hostfile "$work/hostfile" --per-node --buffer "$FOREBAY_LAB/local/buffer" --report "$work/report.json" \
  --checkpoint "$destination"
for host in fb0 fb1 fb2; do
  expect_equal "$host keeps no session" "" "$(sessions_on $host)"
done
