#!/bin/bash
# `forebay run` is killed on one host while a server on another hangs, so that no orderly end can be had: nothing stays on either.
here=$(dirname "$(readlink -f "$0")")
[ "$(id -u)" = 0 ] || exec "$here/../lab/as_root.sh" bash "$0"
source "$here/lib.sh"

export FOREBAY_LAB=$work/lab
on_exit+=("$lab/hosts.sh down")
"$lab/hosts.sh" up 2
printf 'fb0\nfb1\n' >"$work/hostfile"

tree=$work/tree
mkdir "$tree"
for number in $(seq 50); do echo "file $number" >"$tree/$number"; done

# shellcheck disable=SC2016
"$lab/hosts.sh" exec fb0 env "OMPI_MCA_plm_rsh_agent=$lab/hosts.sh rsh" "$forebay" run --hostfile "$work/hostfile" --prefetch wait \
  --buffer "$FOREBAY_LAB/local/buffer" --stage "$tree" -- sh -c ': >"$0/running"; exec sleep infinity' "$work" >"$work/said" 2>&1 &
run=$!
wait_until 90 all_exist "$work/running" || { cat "$work/said"; exit 1; }
for host in fb0 fb1; do
  expect_that "a server is on $host" [ -n "$(serving_on $host)" ]
  expect_that "a session is on $host" [ -n "$(sessions_on $host)" ]
done

section "SIGKILL of run while the other host's server hangs"
kill -STOP $(serving_on fb1)
kill -KILL $run
wait $run 2>/dev/null || true
nothing_on() { [ -z "$(serving_on "$1")$(sessions_on "$1")" ]; } # HOST
# A guard gives servers 12 s for an end of their own.
for host in fb0 fb1; do
  wait_until 40 nothing_on $host || { serving_on $host; sessions_on $host; }
done
cat "$work/said"
section "done"
