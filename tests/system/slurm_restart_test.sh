#!/bin/bash
# Inside a real Slurm job of three nodes: a server dies, node 0's server dies, srun itself dies, a node loses its power. Each time
# `run` starts servers again on the nodes that are left, and the tasks of the job read the right bytes all the time.
here=$(dirname "$(readlink -f "$0")")
[ "$(id -u)" = 0 ] || exec "$here/../lab/as_root.sh" bash "$0"
source "$here/lib.sh"

start_slurm 3

tree=$work/tree copy=$work/copy
"$python" "$FOREBAY_SOURCE/tests/cli/restart_dataset.py" "$tree" "$copy" 600

# A reader on each node, by srun; that on fb2 will not come back.
cat >"$work/command" <<END
#!/bin/bash
srun --no-kill --kill-on-bad-exit=0 --ntasks=3 bash -c \
  'FOREBAY_NODE=\${SLURMD_NODENAME#fb} exec $python $FOREBAY_SOURCE/tests/cli/restart_reader.py $tree $copy $work' &
until [ -e $work/delays.0 ] && [ -e $work/delays.1 ]; do
  kill -0 \$! 2>/dev/null || exit 1
  sleep 0.1
done
kill -9 \$!
END
cat >"$work/job" <<END
#!/bin/bash
exec "$forebay" run --launcher srun --stage "$tree" --buffer "$FOREBAY_LAB/local/buffer" --server-timeout 3 \
  --report "$work/report.json" -- bash "$work/command"
END
run_output=$work/output
job=$(sbatch --parsable --no-kill --nodes=3 --output="$run_output" "$work/job")
wait_until 60 all_exist "$work"/running.{0,1,2} || { cat "$run_output"; exit 1; }

restarted() { [ "$(grep -c 'servers restarted after' "$run_output")" -ge "$1" ]; }

section "a server dies"
expect_that "there is one" [ -n "$(serving_on fb1)" ]
kill -9 $(serving_on fb1)
wait_until 30 restarted 1 || cat "$run_output"

section "node 0's server dies"
kill -9 $(serving_on fb0)
wait_until 30 restarted 2 || cat "$run_output"

section "srun dies"
expect_that "it is there" [ -n "$(serving_on fb0 srun)" ]
kill -9 $(serving_on fb0 srun)
wait_until 30 restarted 3 || cat "$run_output"
expect_equal "no node was lost" "" "$(grep 'lost:' "$run_output")"

section "a node loses its power"
"$lab/hosts.sh" off fb2
wait_until 60 restarted 4 || cat "$run_output"
expect_that "it is said" grep -q 'lost: fb2' "$run_output"
for host in fb0 fb1; do expect_that "a server is on $host" [ -n "$(serving_on $host)" ]; done

section "the end"
: >"$work/stop"
job_over() { [ -z "$(squeue -h -j "$job" -t pending,running,completing 2>/dev/null)" ]; }
run_over() { [ -e "$work/report.json" ]; }
wait_until 30 run_over || scancel --signal=KILL "$job"
cat "$run_output" "$work"/delays.*
expect_report "the report tells" "$work/report.json" \
  'r["restarts"]["count"] >= 4 and r["restarts"]["nodes_lost"] == ["fb2"] and "without_forebay" not in r and r["command_exit"] == 0'
for host in fb0 fb1; do
  expect_equal "$host keeps no session" "" "$(sessions_on $host)"
done
section "done"
