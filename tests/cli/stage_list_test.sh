# --stage-list: only what is named is staged, by every verb that scans; lists of any size reach the servers, also a second time.
. "$(dirname "$0")/lib.sh"
here=$(dirname "$(readlink -f "$0")")

set=$scratch/set
mkdir -p "$set/train" "$set/val" "$set/odd"
for number in 1 2 3 4 5; do
  head -c 100000 /dev/urandom > "$set/train/shard-000$number.tar"
  head -c 10000 /dev/urandom > "$set/val/$number"
done
newline="$set/odd/two
lines"
printf '1234' > "$newline"
printf '\377\376' > "$set/odd/$(printf '\377')"

run() { "$forebay" run --quiet --nodes 2 --prefetch wait --report "$scratch/r.json" --stage "$set" "$@"; }
staged() { # WHAT OBJECTS BYTES: of the last run
  python3 -c 'import json, sys
r = json.load(open(sys.argv[1]))
assert (r["dataset_objects"], r["origin_bytes_read"]) == (int(sys.argv[2]), int(sys.argv[3])), r' "$scratch/r.json" "$2" "$3" || fail "$1"
}

printf 'train/shard-{0002..0004}.tar\r\n\n%s/val/1\nodd/\n' "$set" > "$scratch/list"
# What is not named is still there: from the origin.
expect 0 "a list" run --stage-list "$scratch/list" -- sh -c "cd '$set' && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum"
(cd "$set" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) | cmp -s - "$scratch/out" || fail "the tree is another with a list"
staged "a list" 6 310006

# expect() closes standard input.
printf '%s\0' val/2 "odd/two
lines" | run --stage-list - --buffer "$scratch/b2" -- cat "$set/val/2" > "$scratch/out" 2> "$scratch/err" || fail "a list from standard input: $(cat "$scratch/err")"
cmp -s "$set/val/2" "$scratch/out" || fail "a list from standard input: other bytes"
staged "names that end in NUL" 2 10004

expect 0 "plan" "$forebay" plan --json --capacity 1G --stage-list "$scratch/list" "$set"
python3 -c 'import json, sys; assert json.load(open(sys.argv[1]))["dataset_objects"] == 6' "$scratch/out" || fail "plan counts other names"
expect 0 "prefetch" bash "$here/../mpi_run.sh" "$FOREBAY_BUILD/tests/transport/mpi_setting_arguments" shm 2 \
  "$forebay" prefetch --standalone --simulated --stage "$set" --stage-list "$scratch/list" --buffer "$scratch/b3"
says "prefetch" "$scratch/out" '"bytes_total":310006'

# What is wrong is said, and nothing is run.
wrong() { # WHAT PATTERN OPTION...
  expect 2 "$1" "$forebay" run --nodes 2 --stage "$set" "${@:3}" -- touch "$scratch/was-run"
  says "$1" "$scratch/err" "$2"
  [ ! -e "$scratch/was-run" ] || fail "$1: the command was run"
}
wrong "no list" "cannot open /no/such/list" --stage-list /no/such/list
wrong "an empty list" "there is no name in it" --stage-list /dev/null
printf 'val/1\n../x\n' > "$scratch/bad"
wrong "a name that cannot be" "bad: line 2: '../x' is no path below the origin" --stage-list "$scratch/bad"
wrong "two datasets" "names files of one dataset \(2 are staged\)" --stage-list "$scratch/list" --stage "$set=/elsewhere/set"

# A name that is not there: the servers refuse, and the command reads the origin.
printf 'val/1\nval/none\nnone/{1..9}\n' > "$scratch/missing"
expect 0 "names that are not there" "$forebay" run --nodes 2 --stage "$set" --stage-list "$scratch/missing" -- cat "$set/val/1"
says "names that are not there" "$scratch/err" "10 of the 11 listed names are not at $set \('none/1', 'none/2', 'none/3', ...\)"
expect 2 "plan with names that are not there" "$forebay" plan --capacity 1G --stage-list "$scratch/missing" "$set"
says "plan with names that are not there" "$scratch/err" "10 of the 11 listed names"

# More than a pipe holds, and servers that are started a second time.
mkdir "$set/many"
(cd "$set/many" && seq -f '%.0f' 1 20000 | xargs touch)
printf 'val/3\nmany/{1..20000}\n' > "$scratch/list"
expect 0 "20,001 names and a restart" "$forebay" run --nodes 2 --prefetch wait --report "$scratch/r.json" --stage "$set" --stage-list "$scratch/list" \
  --buffer "$scratch/b4" -- python3 -c "
import json, os, subprocess, time
status = lambda: json.loads(subprocess.run(['$forebay', 'status', '--json'], capture_output=True, text=True).stdout or 'null')
pids = [node['pid'] for node in status()['nodes']]
os.kill(pids[1], 9)
end = time.time() + 60
while time.time() < end:
    now = status()
    if now and all(node['state'] == 'serving' for node in now['nodes']) and not set(pids) & {node['pid'] for node in now['nodes']}:
        assert now['dataset_objects'] == 20001, now
        print(open('$set/val/3', 'rb').read() == open('$set/val/3', 'rb').read())
        break
    time.sleep(0.05)
"
says "servers came back" "$scratch/out" True
becomes_true 10 nothing_runs || fail "left running: $(processes_left)"
finish
