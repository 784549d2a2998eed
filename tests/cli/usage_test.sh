# Options: errors are one clear line and exit code 2; the settings' sources have their order; every verb teaches.
. "$(dirname "$0")/lib.sh"

usage_error() {
  local what=$1 pattern=$2
  shift 2
  expect 2 "$what" "$@"
  [ "$(wc -l < "$scratch/err")" = 1 ] || { fail "$what: not one line"; cat "$scratch/err" >&2; }
  says "$what" "$scratch/err" "$pattern"
}

mkdir -p "$scratch/set" "$scratch/config/forebay"
usage_error "no verb" "forebay:" "$forebay"
usage_error "an unknown verb" "unknown verb 'bogus'" "$forebay" bogus
usage_error "an unknown option" "--bogus" "$forebay" run --bogus --stage "$scratch/set" -- true
usage_error "no command" "no command" "$forebay" run --stage "$scratch/set"
usage_error "nothing to stage" "nothing to stage" "$forebay" run -- true
usage_error "a missing origin" "nowhere" "$forebay" run --stage "$scratch/nowhere" -- true
usage_error "a file as origin" "--stage" "$forebay" run --stage "$0" -- true
usage_error "a bad size" "--capacity: 'lots'" "$forebay" run --capacity lots --stage "$scratch/set" -- true
usage_error "a bad number" "FOREBAY_NODES: 'few'" env FOREBAY_NODES=few "$forebay" run --stage "$scratch/set" -- true
usage_error "unknown MPI settings" "--mpi: 'magic'" "$forebay" run --mpi magic --stage "$scratch/set" -- true
usage_error "a missing hostfile" "hostfile" "$forebay" run --hostfile "$scratch/no" --stage "$scratch/set" -- true
usage_error "no allocation" "allocation" env -u SLURM_JOB_ID "$forebay" run --launcher srun --stage "$scratch/set" -- true
usage_error "one mount twice" "two datasets are mounted at /m" "$forebay" run --stage "$scratch/set=/m" --stage "$scratch/set=/m" -- true
usage_error "a store without mount" "s3://bucket/run1=/MOUNT" "$forebay" run --checkpoint s3://bucket/run1 -- true
usage_error "checkpoints to the web" "no place for checkpoints" "$forebay" run --checkpoint http://host/x=/m -- true
usage_error "checkpoints to a file" "--checkpoint: .*usage_test.sh .*no directory" "$forebay" run --checkpoint "$0" -- true
usage_error "checkpoints below a file" "--checkpoint: .*usage_test.sh/x" "$forebay" run --checkpoint "$0/x" -- true
usage_error "a dataset and checkpoints at one mount" "both mounted at /m" \
  "$forebay" run --stage "$scratch/set=/m" --checkpoint "$scratch/ckpt=/m" -- true
usage_error "too many partners" "--partners: '3'" "$forebay" run --checkpoint "$scratch/ckpt" --partners 3 -- true
usage_error "an unknown fsync" "--fsync: 'never'" "$forebay" run --checkpoint "$scratch/ckpt" --fsync never -- true
usage_error "recovery of nothing" "--recover needs --checkpoint" "$forebay" drain --recover
[ ! -e "$scratch/ckpt" ] || fail "a destination was made of a run that was refused"
usage_error "a missing configuration file" "none.toml" "$forebay" config --config "$scratch/none.toml"
usage_error "no capacity to plan" "capacity" "$forebay" plan "$scratch/set" --nodes 2

usage_error "no origin to list" "ORIGIN" "$forebay" ls
usage_error "an origin of an unknown kind" "unknown scheme" "$forebay" ls ftp://host/x

echo 'capasity = "1G"' > "$scratch/config/forebay/config.toml"
usage_error "an unknown key" "config.toml: unknown setting 'capasity'" "$forebay" config
cat > "$scratch/config/forebay/config.toml" << EOS
capacity = "3K"
nodes = 3
prefetch = wait
EOS
expect 0 "config" env FOREBAY_NODES=2 "$forebay" config --prefetch off --json
python3 - "$scratch/out" << 'EOS' || fail "precedence"
import json, sys
settings = json.load(open(sys.argv[1]))
found = {name: (settings[name]["value"], settings[name]["source"]) for name in ("capacity", "nodes", "prefetch", "stripe")}
assert found == {"capacity": (3072, "file"), "nodes": (2, "environment"), "prefetch": ("off", "flag"),
                 "stripe": (64 << 20, "default")}, found
EOS
rm "$scratch/config/forebay/config.toml"

for verb in run exec serve prefetch check status locate evict refresh drain checkpoints verify-checkpoint ls plan doctor config version; do
  expect 0 "$verb --help" "$forebay" $verb --help
  says "$verb --help" "$scratch/out" "Examples?:"
done
for verb in status "check x" "locate x" "evict x" "prefetch x" drain checkpoints; do
  expect 1 "$verb without servers" "$forebay" $verb --session "$scratch/no-session"
done

head -c 100000 /dev/zero > "$scratch/set/a b"
printf x > "$scratch/set/"$'new\nline'
expect 0 "a plan that fits" "$forebay" plan "$scratch/set" --nodes 2 --capacity 1M --json
says "a plan that fits" "$scratch/out" '"fits": true'
says "a plan that fits" "$scratch/out" '"dataset_bytes": 100001'
expect 3 "a plan that does not fit" "$forebay" plan "$scratch/set" --nodes 2 --capacity 10K
says "a plan that does not fit" "$scratch/out" "does not fit"

expect 0 "a dry run" "$forebay" run --dry-run --nodes 2 --stage "$scratch/set" -- echo "a b"
says "a dry run" "$scratch/out" "^servers: mpirun .* serve .*--simulated"
says "a dry run" "$scratch/out" "^command: echo 'a b'"
expect 0 "a dry run with checkpoints" "$forebay" run --dry-run --checkpoint "$scratch/ckpt=/ckpt" --checkpoint-last latest -- true
says "a dry run with checkpoints" "$scratch/out" "--checkpoint $scratch/ckpt=/ckpt --checkpoint-last latest --fsync process --partners 1"
[ ! -d "$scratch/ckpt" ] || fail "a dry run made the destination"
finish
