#!/bin/bash
# A real sbatch of the shipped job script on three nodes: servers started by srun and by mpirun, the command by srun and by
# mpirun. Every node reads the right bytes with the origin away, and each byte left it once.
here=$(dirname "$(readlink -f "$0")")
[ "$(id -u)" = 0 ] || exec "$here/../lab/as_root.sh" bash "$0"
source "$here/lib.sh"

start_slurm 3
export PATH=$(dirname "$forebay"):$PATH

tree=$work/tree
bash "$here/make_tree.sh" "$tree" 1500
find "$tree" -printf '%p %i %m %s %T@ %l %D\0' | sort -z >"$work/expected.listing"
find "$tree" -type f -print0 | sort -z | xargs -0 md5sum >"$work/expected.sums"

# What every task does. Only names and attributes that forebay answers for are read after the origin is gone.
cat >"$work/task.sh" <<'END'
out=$1
tree=$2
node=$(hostname)
: >"$out/ready.$node"
for _ in $(seq 1200); do [ ! -e "$out/go" ] || break; sleep 0.05; done
find "$tree" -printf '%p %i %m %s %T@ %l %D\0' | sort -z >"$out/$node.listing"
find "$tree" -type f -print0 | sort -z | xargs -0 md5sum >"$out/$node.sums"
END

job_over() { [ -z "$(squeue -h -j "$1" 2>/dev/null)" ]; }

# run_job NAME LAUNCHER COMMAND...: submits, takes the origin away when all tasks are there, and compares.
run_job() {
  local out=$work/$1 job host
  section "servers by $2, the command by $3"
  mkdir "$out"
  job=$(DATASET=$tree BUFFER=$FOREBAY_LAB/local/$1 REPORT=$out/report.json FOREBAY_LAUNCHER=$2 FOREBAY_PREFETCH=wait \
    sbatch --parsable --nodes=3 --output="$out/output" "$FOREBAY_SOURCE/jobscripts/forebay.sbatch" \
    "${@:3}" bash "$work/task.sh" "$out" "$tree")
  if wait_until 120 all_exist "$out"/ready.fb{0..2}; then
    mv "$tree" "$work/away"
    : >"$out/go"
  fi
  wait_until 120 job_over "$job" || scancel --signal=KILL "$job"
  [ ! -e "$work/away" ] || mv "$work/away" "$tree"
  cat "$out/output"
  expect_that "the job has ended well" grep -q 'JobState=COMPLETED' <(scontrol show job "$job")
  for host in fb0 fb1 fb2; do
    expect_same "$host lists what the origin holds" "$work/expected.listing" "$out/$host.listing"
    expect_same "$host reads what the origin holds" "$work/expected.sums" "$out/$host.sums"
    expect_equal "$host keeps no session" "" "$(sessions_on $host)"
  done
  expect_report "each byte left the origin once" "$out/report.json" 'r["origin_bytes_read"] == r["dataset_bytes"] > 0'
  expect_report "three nodes served" "$out/report.json" 'len(r["nodes"]) == 3 and r["errors"] == 0'
}

run_job by_srun srun srun
# mpirun does not carry LD_PRELOAD to other nodes: `forebay exec` finds the node's session for each task.
run_job by_mpirun mpirun mpirun --map-by ppr:1:node forebay exec --
