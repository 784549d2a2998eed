#!/bin/bash
# A thousand clients at once, and clients that do what none should: everybody else is served, and the server keeps nothing of it.
here=$(dirname "$(readlink -f "$0")")
source "$here/lib.sh"

tree=$work/tree
mkdir "$tree"
for number in $(seq 4000); do echo "file $number" >"$tree/$number"; done

# The command: each kind of client after the other, and after each what the server holds.
cat >"$work/command.sh" <<'END_OF_COMMAND'
set -u
work=$1 tree=$2 forebay=$3 here=$4 python=$5
server() { "$forebay" status --json | "$python" -c 'import json, sys; print(json.load(sys.stdin)["nodes"][0]["pid"])'; }
pid=$(server)
descriptors() { ls "/proc/$pid/fd" | wc -l; }
memory_kib() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status"; }
cat "$tree"/{1..200} >/dev/null
"$forebay" check "$tree" >/dev/null
descriptors_before=$(descriptors)
memory_before=$(memory_kib)
shared() { find "${FOREBAY_SESSION%.*}".* -type f | sort; }  # of this run
shared_before=$(shared)
echo "at first: $descriptors_before descriptors, $memory_before KiB"
first=201
for step in processes:1000 threads:1000 flood:20 garbage:0 descriptors:0 deaf:20 killed:200; do
  name=${step%:*}
  last=$((first + ${step#*:} - 1))
  began=$SECONDS
  "$python" "$here/hostile_clients.py" "$name" "$FOREBAY_SESSION" "$tree" "$first" "$last" || echo "WRONG: $name"
  first=$((last + 1))
  # What a client left is gone when it is.
  deadline=$((SECONDS + 60))
  while [ "$(descriptors)" -gt "$descriptors_before" ] && [ $SECONDS -lt $deadline ]; do sleep 0.1; done
  echo "$name ($((SECONDS - began)) s): $(descriptors) descriptors, $(memory_kib) KiB"
  [ "$(descriptors)" -le "$descriptors_before" ] || { echo "WRONG: descriptors"; ls -l "/proc/$pid/fd"; }
done
[ "$(memory_kib)" -le $((memory_before + 128 * 1024)) ] || echo "WRONG: memory"
[ "$(shared)" = "$shared_before" ] || echo "WRONG: shared memory"
[ -z "$(find "$work/buffer" -name '*.part')" ] || echo "WRONG: $(find "$work/buffer" -name '*.part')"
cat "$tree"/{1..4000} | cmp - "$work/expected" || echo "WRONG: bytes"
[ "$(server)" = "$pid" ] || echo "WRONG: another server"
END_OF_COMMAND
cat "$tree"/{1..4000} >"$work/expected"
expect_exit "the run" 0 "$forebay" run --nodes 2 --prefetch off --buffer "$work/buffer" --report "$work/report.json" --stage "$tree" -- \
  bash "$work/command.sh" "$work" "$tree" "$forebay" "$here" "$python"
cat "$work/output"
expect_equal "nothing was wrong" "" "$(grep WRONG "$work/output")"
expect_report "no errors" "$work/report.json" 'r["errors"] == 0'
