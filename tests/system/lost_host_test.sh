#!/bin/bash
# A host hangs, comes back, and another loses its power: servers are started again on the hosts that are left each time, a host
# that is back is taken in again, and whoever reads on a host that lives reads the right bytes all the time.
here=$(dirname "$(readlink -f "$0")")
[ "$(id -u)" = 0 ] || exec "$here/../lab/as_root.sh" bash "$0"
source "$here/lib.sh"

start_hosts 3

tree=$work/tree copy=$work/copy
"$python" "$FOREBAY_SOURCE/tests/cli/restart_dataset.py" "$tree" "$copy" 900

reader=$FOREBAY_SOURCE/tests/cli/restart_reader.py
run_output=$work/output
# Node 0's command is a reader; those of the others join its session.
"$lab/hosts.sh" exec fb0 env "OMPI_MCA_plm_rsh_agent=$lab/hosts.sh rsh" "$forebay" run --hostfile "$work/hostfile" \
  --buffer "$FOREBAY_LAB/local/buffer" --stage "$tree" --server-timeout 3 --report "$work/report.json" \
  -- "$python" "$reader" "$tree" "$copy" "$work" >"$run_output" 2>&1 &
run=$!
wait_until 90 all_exist "$work/running.0" || { cat "$run_output"; exit 1; }
readers=()
for host in fb1 fb2; do
  "$lab/hosts.sh" exec $host env FOREBAY_NODE=${host#fb} "$forebay" exec --require -- \
    env FOREBAY_NODE=${host#fb} "$python" "$reader" "$tree" "$copy" "$work" >"$work/reader.$host" 2>&1 &
  readers+=($!)
done
wait_until 60 all_exist "$work"/running.{1,2} || { cat "$work"/reader.*; exit 1; }

restarted() { [ "$(grep -c 'servers restarted after' "$run_output")" -ge "$1" ]; }

section "a server dies"
kill -9 "$(serving_on fb2)"
wait_until 60 restarted 1 || cat "$run_output"
expect_equal "no host is lost" "" "$(grep 'lost:' "$run_output")"

section "a host hangs: no packet comes from it"
"$lab/hosts.sh" freeze fb1
wait_until 60 restarted 2 || cat "$run_output"
expect_that "it is said" grep -q 'lost: fb1' "$run_output"

section "it is back, and taken in when servers are started again"
"$lab/hosts.sh" thaw fb1
kill -9 "$(serving_on fb2)"
wait_until 60 restarted 3 || cat "$run_output"
expect_that "it is said" grep -q 'back: fb1' "$run_output"
expect_that "its reader lives" kill -0 "${readers[0]}"

section "a host loses its power"
"$lab/hosts.sh" off fb2
wait_until 60 restarted 4 || cat "$run_output"
expect_that "it is said" grep -q 'lost: fb2' "$run_output"

section "the end"
: >"$work/stop"
wait $run && code=0 || code=$?
expect_equal "the command did not notice" 0 $code
wait "${readers[0]}" && code=0 || code=$?
expect_equal "nor did the reader on the host that hung: $(cat "$work/reader.fb1")" 0 $code
wait "${readers[1]}" || true  # It went with its host.
cat "$run_output" "$work"/delays.*
expect_report "the report tells" "$work/report.json" \
  'r["restarts"]["count"] >= 4 and r["restarts"]["nodes_lost"] == ["fb1", "fb2"] and "without_forebay" not in r'
for host in fb0 fb1; do
  expect_equal "$host keeps no session" "" "$(sessions_on $host)"
done
