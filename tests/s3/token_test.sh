#!/bin/bash
# Keys of a real S3 server that are good for some minutes, with a session token: staged with them, and what is said when they are not good.
source "$(dirname "$(readlink -f "$0")")/../system/lib.sh"

export FOREBAY_LAB=$work/lab S3_PORT=$((20000 + $$ % 10000)) S3_TOKENS=true HOME=$work/home AWS_EC2_METADATA_DISABLED=true
on_exit+=("$lab/s3.sh down")
unset "${!AWS_@}"
mkdir "$HOME"
mount=$(mktemp -u -d /forebay-test-XXXXXX)

section "a store, and keys"
"$lab/s3.sh" up
eval "$("$lab/s3.sh" env)"
"$python" "$FOREBAY_SOURCE/tests/s3/fill_bucket.py" data 5
good=$("$lab/s3.sh" token)
over=$("$lab/s3.sh" token expired)

section "staged"
eval "$good"
expect_exit "staged by two nodes" 0 "$forebay" run --nodes 2 --stage "s3://data/flat=$mount" --prefetch wait --buffer "$work/buffer" \
  --report "$work/report" -- sh -c "cat $mount/*"
grep -q '^01234' "$work/output" || fail "all that is there" "$(cat "$work/output")"
cp "$work/output" "$work/all"
expect_exit "the doctor" 0 "$forebay" doctor --origin s3://data/flat
cat "$work/output" "$work/report" >>"$work/all"

section "not good"
denied='cannot get .*/data \(access is denied, or the session token has expired \(AccessDenied; credentials from environment\); 1 attempt\)'
expect_denied() { # WHAT COMMAND...
  expect_exit "$1" 1 "${@:2}"
  expect_that "$1: one line" [ "$(wc -l <"$work/output")" = 1 ]
  grep -qE "$denied" "$work/output" || fail "$1" "$(cat "$work/output")"
  cat "$work/output" >>"$work/all"
}
expect_denied "another token" env AWS_SESSION_TOKEN=nonsense "$forebay" ls s3://data
eval "$over"
expect_denied "a token whose time is over" "$forebay" ls s3://data
for secret in $(tr ' ' '\n' <<<"$good $over" | sed -nE 's/^AWS_(SECRET|SESSION)[A-Z_]*=//p'); do
  ! grep -qF -- "$secret" "$work/all" || fail "a secret was said"
done
