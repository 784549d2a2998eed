#!/bin/bash
# On three hosts with their own networks: servers on the other hosts get the keys that `run` has in its environment, and those keys are in
# nobody's arguments.
[ "$(id -u)" = 0 ] || exec "$(dirname "$(readlink -f "$0")")/../lab/as_root.sh" bash "$0"
source "$(dirname "$(readlink -f "$0")")/../system/lib.sh"

start_hosts 3
export S3_HOST=10.78.0.1 S3_PORT=$((20000 + $$ % 10000)) HOME=$work/home AWS_EC2_METADATA_DISABLED=true
on_exit+=("$lab/s3.sh down")
unset "${!AWS_@}"
mkdir "$HOME"
"$lab/s3.sh" up
eval "$("$lab/s3.sh" env)"
"$python" "$FOREBAY_SOURCE/tests/s3/fill_bucket.py" data 300
mount=/forebay-test-of-hosts/set

section "staged by three hosts"
# shellcheck disable=SC2016
expect_exit "staged, and read on each" 0 "$lab/hosts.sh" exec fb0 env "OMPI_MCA_plm_rsh_agent=$lab/hosts.sh rsh" "$forebay" run \
  --hostfile "$work/hostfile" --per-node --prefetch wait --buffer "$FOREBAY_LAB/local/buffer" --report "$work/report" \
  --stage "s3://data/flat=$mount" -- bash -c '
    [ "$(cat "$0"/* | wc -c)" = 790 ] && ls "$0" | wc -l | grep -qx 300 || exit 1
    for line in /proc/[0-9]*/cmdline; do
      ! tr "\0" " " <"$line" 2>/dev/null | grep -qF "$(rev <<<"$1")" || { echo "a secret in $line"; exit 1; }
    done' "$mount" "$(rev <<<"$AWS_SECRET_ACCESS_KEY")"
expect_report "each host staged a part, each object came once" "$work/report" \
  "r['origin_read_ratio'] == 1.0 and r['errors'] == 0 and len([n for n in r['nodes'] if n['origin_bytes_read'] > 0]) == 3"
