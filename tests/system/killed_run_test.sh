#!/bin/bash
# `forebay run` is killed on one host while a server on another hangs, so that no orderly end can be had: nothing stays on either.
here=$(dirname "$(readlink -f "$0")")
[ "$(id -u)" = 0 ] || exec "$here/../lab/as_root.sh" bash "$0"
source "$here/lib.sh"

start_hosts 2

tree=$work/tree
mkdir "$tree"
for number in $(seq 50); do echo "file $number" >"$tree/$number"; done

# How commands reach other hosts; the test can make it one that cannot be started.
printf '#!/bin/sh\nexec "%s/hosts.sh" rsh "$@"\n' "$lab" >"$work/agent"
chmod +x "$work/agent"

start_run() { # its process is $run
  rm -f "$work/running"
  # shellcheck disable=SC2016
  "$lab/hosts.sh" exec fb0 env "OMPI_MCA_plm_rsh_agent=$work/agent" "$forebay" run --hostfile "$work/hostfile" --prefetch wait \
    --buffer "$FOREBAY_LAB/local/buffer" --stage "$tree" -- sh -c ': >"$0/running"; exec sleep infinity' "$work" >"$work/said" 2>&1 &
  run=$!
  wait_until 90 all_exist "$work/running" || { cat "$work/said"; exit 1; }
  guard=$(pgrep --parent $run --exact forebay-guard)
  for host in fb0 fb1; do
    expect_that "a server is on $host" [ -n "$(serving_on $host)" ]
    expect_that "a session is on $host" [ -n "$(sessions_on $host)" ]
  done
}
nothing_on() { [ -z "$(serving_on "$1")$(sessions_on "$1")" ]; } # HOST
gone_s=40                                                        # a guard gives servers 12 s for an end of their own

section "SIGKILL of run while the other host's server hangs"
start_run
kill -STOP "$(serving_on fb1)"
kill -KILL $run
wait $run 2>/dev/null || true
for host in fb0 fb1; do
  wait_until $gone_s nothing_on $host || { serving_on $host; sessions_on $host; }
done
wait_until $gone_s is_gone "$guard"

section "and while nothing leads to the other host"
start_run
kill -STOP "$(serving_on fb1)"
echo '#!/no/such/interpreter' >"$work/agent"
kill -KILL $run
wait $run 2>/dev/null || true
wait_until $gone_s nothing_on fb0 || { serving_on fb0; sessions_on fb0; }
wait_until $gone_s is_gone "$guard"
cat "$work/said"
section "done"
