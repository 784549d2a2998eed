#!/bin/bash
# Files change at the origin while nodes use them: what is open keeps its version, and once `forebay refresh` has returned, all
# nodes see the origin as it is: bytes, attributes, listings and permissions.
here=$(dirname "$(readlink -f "$0")")
source "$here/lib.sh"

# As a user whom permissions bind.
as_user=()
if [ "$(id -u)" = 0 ]; then
  chmod 755 "$work"
  mkdir -p "$work/programs/cli" "$work/programs/posix" "$work/home" "$work/tests"
  cp "$forebay" "$work/programs/cli/"
  cp "$FOREBAY_BUILD/src/posix/libforebay_posix.so" "$work/programs/posix/"
  cp "$here/manifest.py" "$work/tests/"
  forebay=$work/programs/cli/forebay
  manifest=$work/tests/manifest.py
  as_user=(setpriv --reuid=54321 --regid=54321 --clear-groups env HOME="$work/home" TMPDIR="$work/home" XDG_CACHE_HOME="$work/home"
    XDG_CONFIG_HOME="$work/home")
  on_exit+=("rm -rf /dev/shm/forebay-54321")
else
  manifest=$here/manifest.py
fi
tree=$work/tree
export FLAGS=$work/flags
mkdir "$tree" "$FLAGS" "$work/out"
cd "$tree"
mkdir -p same vanishing/deep closed becomes_file listed links
for number in $(seq 20); do echo "same $number" >same/$number; done
for name in replaced truncated grown touched removed forbidden rewritten becomes_directory becomes_link later; do
  head -c 100000 /dev/urandom >$name
done
head -c 9000000 /dev/urandom >large
touch vanishing/{a,b} vanishing/deep/c closed/inside becomes_file/inside listed/one
echo first >links/first
ln links/first links/second
echo keeps >links/keeps
ln links/keeps links/goes
ln -s replaced link
if [ "$(id -u)" = 0 ]; then chown -R 54321:54321 "$tree" "$FLAGS" "$work/out" "$work/home"; fi

section "three nodes hold files open while they change"
# shellcheck disable=SC2016
"${as_user[@]}" "$forebay" run --nodes 3 --per-node --prefetch wait --buffer "$work/home/buffer" --report "$work/out/report" --stage "$tree" -- \
  sh -c '
    echo "$FOREBAY_SESSION" >"$3/session.$FOREBAY_NODE"
    "$0" "$1" "$2" replaced truncated grown touched removed forbidden rewritten large links/second >"$3/node.$FOREBAY_NODE"' \
  "$python" "$manifest" "$tree" "$work/out" >"$work/said" 2>&1 &
run=$!
wait_until 120 all_exist "$FLAGS"/ready.{0,1,2} || { cat "$work/said"; exit 1; }
refresh() { # WHAT EXPECTED CODE [PATH...]: at node 1; EXPECTED is checked, changed, gone, new, unreadable
  expect_exit "$1" "$3" "${as_user[@]}" "$forebay" refresh --session "$(cat "$work/out/session.1")" --json "${@:4}"
  expect_equal "$1" "$2" "$("$python" -c '
import json, sys
r = json.load(open(sys.argv[1]))
print(*(r[field] for field in ("checked", "changed", "gone", "new", "unreadable")))' "$work/output")"
}
refresh "nothing has changed" "50 0 0 0 0" 0
reader() { # NODE CMD...: as a process of that node
  "${as_user[@]}" "$forebay" exec --session "$(cat "$work/out/session.$1")" -- "${@:2}"
}
old_later=$(sha256sum <later)

# Every kind of change, the sort that keeps size and mtime included.
as_owner=("${as_user[@]}")
"${as_owner[@]}" bash -euc '
  head -c 50000 /dev/urandom >new; mv new replaced
  truncate -s 10 truncated
  echo more >>grown
  touch touched
  rm removed
  chmod 0 forbidden
  touch -r rewritten reference; head -c 100000 /dev/urandom >rewritten; touch -r reference rewritten; rm reference
  head -c 5000000 /dev/urandom | dd of=large bs=1M conv=notrunc status=none
  rm becomes_directory; mkdir becomes_directory; echo inside >becomes_directory/inside
  rm becomes_link; ln -s replaced becomes_link
  rm -r vanishing
  chmod 0 closed
  rm -r becomes_file; echo file >becomes_file
  echo two >listed/two; mkdir listed/new; echo three >listed/new/three
  echo second >>links/second
  rm links/goes
  ln -sf same/1 link
  head -c 100000 /dev/urandom >later'
refresh "one path" "1 1 0 0 0" 0 "$tree/replaced"
# shellcheck disable=SC2016
expect_equal "what was not asked about is served as it was staged" "$old_later" "$(reader 0 sh -c 'sha256sum <"$0"' "$tree/later")"
refresh "a name that is new, in a directory that changed with it" "2 1 0 2 0" 0 "$tree/listed/two"
expect_equal "its directory's listing, on another node" "new one two " "$(reader 2 ls "$tree/listed" | tr '\n' ' ')"
expect_exit "below no mount" 1 "${as_user[@]}" "$forebay" refresh --session "$(cat "$work/out/session.0")" /nowhere
partly=4  # One directory may not be listed any more.
refresh "everything, against what was scanned" "44 19 3 2 1" $partly
"${as_user[@]}" touch "$FLAGS/go"
wait $run || fail "the run's exit code" "$(cat "$work/said")"
"${as_user[@]}" "$python" "$manifest" "$tree" >"$work/expected"
for node in 0 1 2; do expect_same "node $node sees the origin, and its open files kept their version" "$work/expected" "$work/out/node.$node"; done
chmod 755 closed
expect_report "no errors" "$work/out/report" 'r["errors"] == 0'
