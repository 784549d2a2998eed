#!/bin/bash
# An object of more than 5 GiB, which no store takes in one piece: staged by three nodes from a real S3 server, each byte compared.
source "$(dirname "$(readlink -f "$0")")/../system/lib.sh"

bytes=$(((5 << 30) + 123457))
export FOREBAY_LAB=$work/lab S3_PORT=$((20000 + $$ % 10000)) S3_BYTES=$((7 << 30))
on_exit+=("$lab/s3.sh down")
unset "${!AWS_@}"
export HOME=$work/home AWS_EC2_METADATA_DISABLED=true
mkdir "$HOME"
huge=("$python" "$FOREBAY_SOURCE/tests/s3/huge_object.py")

section "a store with an object of $bytes bytes"
"$lab/s3.sh" up
eval "$("$lab/s3.sh" env)"
"$python" "$FOREBAY_SOURCE/tests/s3/fill_bucket.py" data 10
"${huge[@]}" put data huge/object $bytes

section "each byte, and each once"
stage() { # OPTIONS... -- COMMAND
  "$forebay" run --nodes 3 --buffer "$work/buffer" --stage "s3://data/huge=/forebay-huge" --prefetch wait --report "$work/report" "$@" 2>"$work/run.err"
}
stage -- "${huge[@]}" compare /forebay-huge/object $bytes || fail "every byte" "$(cat "$work/run.err")"
expect_report "each stripe came once" "$work/report" "r['dataset_bytes'] == $bytes and r['origin_read_ratio'] == 1.0 and r['errors'] == 0 and r['store']['repeated'] == 0"

section "the next run asks the store for names alone"
stage -- "${huge[@]}" compare /forebay-huge/object $bytes 20 || fail "the next run" "$(cat "$work/run.err")"
expect_report "nothing came again" "$work/report" "r['origin_read_ratio'] == 0"
