#!/bin/bash
# Checkpoints in a real Slurm whose jobs come to their end: `sbatch --signal` with 30 s left, `scancel` with Slurm's 5 s, and a
# destination that has room for one checkpoint alone: the rest is listed and kept, and the next job brings it.
here=$(dirname "$(readlink -f "$0")")
[ "$(id -u)" = 0 ] || exec "$here/../lab/as_root.sh" bash "$0"
source "$here/lib.sh"

# Before the hosts are there, so that all of them see it.
small=$work/small
mkdir "$small"
mount -t tmpfs -o size=20m tmpfs "$small"
on_exit+=("umount -l $small")
start_slurm 3
export PATH=$(dirname "$forebay"):$PATH
mkdir -p "$work/set" "$work/out"
echo x >"$work/set/x"

# A training: each task saves two steps, says so, and saves a third when it is told to end (by SIGUSR2: srun passes that on, but at
# SIGTERM it kills its tasks).
cat >"$work/train.py" <<'END'
import os, signal, sys, time
ckpt, ready, mib, last = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
rank = os.environ["SLURM_PROCID"]
def save(step):
    os.makedirs(f"{ckpt}/step-{step}", exist_ok=True)
    name = f"{ckpt}/step-{step}/rank{rank}"
    with open(name + ".tmp", "wb") as file:
        file.write(bytes([step]) * (mib << 20))
        os.fsync(file.fileno())
    os.rename(name + ".tmp", name)
ends = False
def end(*_):
    global ends
    ends = True
signal.signal(signal.SIGUSR2, end)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
save(1); save(2)
open(f"{ready}.{rank}", "w").close()
while not ends:
    time.sleep(0.05)
if last == "saves":
    save(3)
END

job_over() { [ -z "$(squeue -h -j "$1" 2>/dev/null)" ]; }
# submit NAME DESTINATION MIB LAST SBATCH-OPTIONS...: $job, once all tasks have saved.
submit() {
  out=$work/out/$1
  mkdir "$out"
  job=$(DATASET=$work/set CHECKPOINT=$2 BUFFER=$FOREBAY_LAB/local/$1 REPORT=$out/report.json FOREBAY_DRAIN_BANDWIDTH=1K \
    sbatch --parsable --nodes=3 --output="$out/output" "${@:5}" "$FOREBAY_SOURCE/jobscripts/forebay.sbatch" \
    srun python3 "$work/train.py" "$2" "$out/ready" "$3" "$4")
  wait_until 120 all_exist "$out"/ready.{0..2} || cat "$out/output"
}
expect_step() { # WHAT DESTINATION STEP MIB
  local rank
  for rank in 0 1 2; do
    expect_equal "$1: rank $rank of step $3" "$(($4 << 20))" "$(tr -cd "\\00$3" <"$2/step-$3/rank$rank" | wc -c)"
  done
}

section "--signal with half a minute left: the training saves and ends"
submit saves "$work/ckpt1" 8 saves --time=1 --signal=B:USR2@30
wait_until 120 job_over "$job" || scancel --signal=KILL "$job"
cat "$out/output"
for step in 1 2 3; do expect_step "--signal" "$work/ckpt1" $step 8; done
expect_report "--signal: all is durable" "$out/report.json" 'r["checkpoints"]["not_durable_files"] == 0 and r["command_exit"] == 0'

section "--signal with half a minute left: drained while the training goes on"
submit goes_on "$work/ckpt2" 8 none --time=1 --signal=B:USR1@30
expect_that "nothing is drained before the signal" sh -c '! ls '"$work"'/ckpt2/step-?/rank? 2>/dev/null'
wait_until 60 all_exist "$work"/ckpt2/step-{1,2}/rank{0,1,2} || true
expect_that "the job runs" sh -c "[ \"\$(squeue -h -j $job -o %T)\" = RUNNING ]"
for step in 1 2; do expect_step "drained while it runs" "$work/ckpt2" $step 8; done
scancel "$job"
wait_until 60 job_over "$job" || scancel --signal=KILL "$job"

section "scancel: Slurm kills after 5 s"
submit cancelled "$work/ckpt3" 8 none
scancel "$job"
wait_until 60 job_over "$job" || scancel --signal=KILL "$job"
cat "$out/output"
for step in 1 2; do expect_step "scancel" "$work/ckpt3" $step 8; done

section "room for one of two"
export FOREBAY_DRAIN_DEADLINE=5
submit small "$small" 4 none
unset FOREBAY_DRAIN_DEADLINE
scancel --batch --signal=USR2 "$job"
wait_until 60 job_over "$job" || scancel --signal=KILL "$job"
cat "$out/output"
expect_report "the rest is kept" "$out/report.json" 'r["checkpoints"]["not_durable_files"] > 0'
mount -o remount,size=64m "$small"
job=$(sbatch --parsable --nodes=3 --output="$out/later" --wrap "forebay drain --recover --checkpoint $small --buffer $FOREBAY_LAB/local/small")
wait_until 60 job_over "$job" || scancel --signal=KILL "$job"
cat "$out/later"
for step in 1 2; do expect_step "a later job" "$small" $step 4; done
