#!/bin/bash
# run.sh: forebay on this machine, from nothing, complete on a fresh Debian 12 (as root, or with sudo).
#
# Installs what building takes, builds, and lets four simulated nodes read a tree of real files of this machine twice in
# random order through forebay, and once directly for comparison. Removes what it staged.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
project=$here/../..
nodes=4
files_min=5000
bytes_min=$((50 << 20))
bytes_max=$((400 << 20))

"$project/tests/lab/install_packages.sh" build example

echo "== building (into build/quickstart)"
cmake -S "$project" -B "$project/build/quickstart" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DBUILD_TESTING=OFF >/dev/null
cmake --build "$project/build/quickstart"
forebay=$project/build/quickstart/src/cli/forebay

# The smallest directory below /usr that has files enough and is not too large for a quick look.
dataset=$(find /usr -xdev -type f -readable -printf '%s %h\n' 2>/dev/null | awk -v files="$files_min" -v least="$bytes_min" -v most="$bytes_max" '
  {
    size = $1
    sub(/^[0-9]+ /, "")
    for (path = $0; path != "/usr" && path != ""; sub(/\/[^\/]*$/, "", path)) { count[path]++; sum[path] += size }
  }
  END {
    for (path in count) {
      if (count[path] >= files && sum[path] >= least && sum[path] <= most && (best == "" || count[path] < count[best])) best = path
    }
    print best
  }')
[ -n "$dataset" ] || { echo "no directory below /usr has $files_min files and at most $bytes_max bytes" >&2; exit 1; }

work=$(mktemp -d "${TMPDIR:-/var/tmp}/forebay-quickstart.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/direct" "$work/forebay"

echo
echo "== $nodes readers, directly"
for ((node = 0; node < nodes; node++)); do
  FOREBAY_NODE=$node python3 "$here/reader.py" "$dataset" "$work/direct" $nodes &
done
wait

echo
echo "== $nodes readers, through forebay"
(
  set -x
  "$forebay" run --nodes $nodes --per-node --prefetch wait --buffer "$work/buffer" --report "$work/report.json" \
    --stage "$dataset" -- python3 "$here/reader.py" "$dataset" "$work/forebay" $nodes
)

echo
python3 "$here/show.py" "$work" "$dataset"
