#!/bin/bash
# What comes from a store is compared with the ETags that are checksums: flipped bits on the way are never served and nothing of them is kept.
source "$(dirname "$(readlink -f "$0")")/../system/lib.sh"

export HOME=$work/home AWS_EC2_METADATA_DISABLED=true
unset "${!AWS_@}"
mkdir "$HOME"
mount=$(mktemp -u -d /forebay-test-XXXXXX)
store() { # OPTIONS...: starts one; its address is $endpoint
  coproc STORE { exec "$python" "$FOREBAY_SOURCE/tests/s3/flipping_store.py" "$@"; }
  local port
  read -r port <&"${STORE[0]}"
  endpoint=http://127.0.0.1:$port
  store_input=${STORE[1]}
}
end_store() {
  exec {store_input}>&-
  wait
}
run() { # BUCKET COMMAND
  "$forebay" run --nodes 3 --quiet --anonymous --s3-endpoint "$endpoint" --stage "s3://$1=$mount" --buffer "$work/buffer" --prefetch off \
    --report "$work/report" -- sh -c "$2" >"$work/out" 2>"$work/err"
}
right() { # NAMES...: their checksums, as sha256sum has them
  "$python" - "$@" <<'SUMS'
import hashlib
import sys
for name in sys.argv[1:]:
    print(hashlib.sha256(hashlib.shake_256(name.encode()).digest(1000 if name == "small" else 9_000_000)).hexdigest(), "", name)
SUMS
}

section "the same wrong bit each time, in what is read first"
store
run md5 "cd $mount && ! cat steady" || fail "the same bit" "$(cat "$work/err")"
expect_equal "nothing of it" "" "$(cat "$work/out")"
grep -q 'Input/output error' "$work/err" || fail "a reader's errno" "$(cat "$work/err")"
end_store

section "bits that flip on the way"
store
run md5 "cd $mount && sha256sum small large first && ! cat always" || fail "flipped bits" "$(cat "$work/err")"
right small large first >"$work/expected"
head -n 3 "$work/out" >"$work/sums"
expect_same "what is sound, and what was at the second try" "$work/expected" "$work/sums"
expect_equal "nothing of what is wrong" 3 "$(wc -l <"$work/out")"
grep -q 'Input/output error' "$work/err" || fail "a reader's errno" "$(cat "$work/err")"
grep -q "what came from s3://md5/always is not what the store says (its MD5 is not the ETag's); 3 attempts" "$work/err" || fail "it is said" "$(cat "$work/err")"
asked=$(curl -s "$endpoint/requests/md5/always")
# Three times in three pieces each, by its owner and, as that failed, by the node where it is read.
[ "$asked" -ge 9 ] && [ "$asked" -le 18 ] || fail "the number of requests for it" "$asked"
expect_equal "the other twice" 6 "$(curl -s "$endpoint/requests/md5/first")"
expect_equal "and what is sound once" 3 "$(curl -s "$endpoint/requests/md5/large")"
end_store

section "nothing of them is kept"
store sound
run md5 "cd $mount && sha256sum always steady first large small" || fail "a sound store" "$(cat "$work/err")"
right always steady first large small >"$work/expected"
expect_same "the right bytes" "$work/expected" "$work/out"
expect_report "what was right before was kept" "$work/report" "r['origin_bytes_read'] == 18000000 and r['damaged'] == 0 and r['errors'] == 0"
end_store

section "ETags that are no checksums"
store
run numbers "cd $mount && sha256sum always steady first large small" || fail "other ETags" "$(cat "$work/err")"
expect_same "the right bytes" "$work/expected" "$work/out"
grep -q 's3://numbers/: ETags are no MD5' "$work/err" || fail "it is said" "$(cat "$work/err")"
expect_report "nothing failed" "$work/report" "r['errors'] == 0 and r['store']['repeated'] == 0"
end_store

section "checksums that stores say beside the bytes"
store
right small large | cut -d ' ' -f 1 >"$work/expected"
for bucket in crc32c crc32 sha256 sha1 parts; do
  run $bucket "cd $mount && sha256sum small large | cut -d ' ' -f 1 && ! cat steady >/dev/null || [ $bucket = parts ]" || fail "$bucket" "$(cat "$work/err")"
  expect_same "$bucket: what is sound" "$work/expected" "$work/out"
  if [ $bucket != parts ]; then
    grep -q 'Input/output error' "$work/err" || fail "$bucket: a reader's errno" "$(cat "$work/err")"
    grep -qE "s3://$bucket/steady is not what the store says \\(its (CRC32C?|SHA-256|SHA-1) differs\\); 3 attempts" "$work/err" || fail "$bucket: it is said" "$(cat "$work/err")"
  fi
  expect_equal "$bucket: once what is sound" 1 "$(curl -s "$endpoint/requests/$bucket/small")"
  expect_equal "$bucket: what is more than one request, of which nothing is said" 3 "$(curl -s "$endpoint/requests/$bucket/large")"
done
end_store
