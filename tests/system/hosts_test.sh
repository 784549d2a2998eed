#!/bin/bash
# The same on three hosts with their own networks, names, memory and disks: over TCP, launched by mpirun, which finds its MPI
# settings by itself. The bytes that crossed the wire are those that the report counts.
here=$(dirname "$(readlink -f "$0")")
[ "$(id -u)" = 0 ] || exec "$here/../lab/as_root.sh" bash "$0"
source "$here/lib.sh"
source "$here/origin_away.sh"

start_hosts 3

bytes_sent() {
  local host
  for host in fb0 fb1 fb2; do "$lab/hosts.sh" bytes $host; done | awk '{ sum += $2 } END { print sum }'
}

run_on_hosts() { # OPTIONS... [-- COMMAND...]
  "$lab/hosts.sh" exec fb0 env "OMPI_MCA_plm_rsh_agent=$lab/hosts.sh rsh" "$forebay" run --hostfile "$work/hostfile" \
    --per-node --prefetch wait "$@"
}

make_tree_and_read_it 20000
section "a first run finds MPI settings, which later runs remember: trying them takes traffic too"
expect_exit "the first run" 0 run_on_hosts --stage "$tree/made/links" --buffer "$FOREBAY_LAB/local/first" -- true
cat "$work/output"
before=$(bytes_sent)
run_with_origin_away 3 run_on_hosts --stage "$tree" --buffer "$FOREBAY_LAB/local/buffer" --report "$work/report.json"
sent=$(($(bytes_sent) - before))
compare_nodes 3 "$work/report.json"
expect_report "the wire carried what peers got, and little else ($sent bytes)" "$work/report.json" \
  "r['peer_bytes'] <= $sent <= 1.25 * r['peer_bytes'] + (32 << 20)"
for host in fb0 fb1 fb2; do
  expect_equal "$host keeps no session" "" "$(sessions_on $host)"
done
