#!/bin/bash
# Checkpoints at a real S3 server: another program finds every byte, every name and no upload that was not ended.
source "$(dirname "$(readlink -f "$0")")/../system/lib.sh"

export FOREBAY_LAB=$work/lab S3_PORT=$((20000 + $$ % 10000)) TEST_EXPECTED=$work/expected
on_exit+=("$lab/s3.sh down")
unset "${!AWS_@}"
export HOME=$work/home AWS_EC2_METADATA_DISABLED=true
mkdir "$HOME" "$TEST_EXPECTED"
client() { "$python" "$FOREBAY_SOURCE/tests/drain/bucket_client.py" "$@"; }

section "a server"
"$lab/s3.sh" up
eval "$("$lab/s3.sh" env)"
client make data
client begin data runs/one/step/40  # somebody else's upload, which nobody here may end

section "what is put, moved and removed"
"$FOREBAY_BUILD/tests/drain/s3_gateway_checks" || fail "s3_gateway_checks"

section "what another program finds"
client sums data runs/one/ | LC_ALL=C sort -k 3 >"$work/found"
(
  cd "$TEST_EXPECTED"
  rm -f x
  for file in *; do
    [ -f "$file" ] || continue
    printf '%s %s runs/one/%s\n' "$(sha256sum -- "$file" | sed 's/^\\//; s/ .*//')" "$(stat -c %s -- "$file")" "$(printf %s "$file" | tr '|' /)"
  done
  printf '%s 0 runs/one/to/empty/\n' "$(sha256sum </dev/null | cut -d ' ' -f 1)"
) | LC_ALL=C sort -k 3 >"$work/wanted"
expect_same "every byte of every object" "$work/wanted" "$work/found"
expect_equal "nothing but somebody else's upload is left" "runs/one/step/40" "$(client uploads data)"
client heads data runs/one/step/40 >"$work/heads"
grep -qx 'x-amz-meta-mtime: 1700000000.123456789' "$work/heads" || fail "the time, as rclone has it" "$(cat "$work/heads")"
grep -qx 'x-amz-meta-mode: 0100640' "$work/heads" || fail "the mode" "$(cat "$work/heads")"
grep -qx 'content-type: application/octet-stream' "$work/heads" || fail "what it is" "$(cat "$work/heads")"
