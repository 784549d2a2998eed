#!/bin/bash
# A real S3 server: listings of 20,000 keys, ranges, versions, odd names; what a wrong key, bucket, clock and certificate look like.
source "$(dirname "$(readlink -f "$0")")/../system/lib.sh"

objects=20000
export FOREBAY_LAB=$work/lab S3_PORT=$((20000 + $$ % 10000))
on_exit+=("$lab/s3.sh down")
unset "${!AWS_@}"
export HOME=$work/home AWS_EC2_METADATA_DISABLED=true
mkdir "$HOME"

section "a server with $((objects + 19)) objects"
"$lab/s3.sh" up
eval "$("$lab/s3.sh" env)"
"$python" "$FOREBAY_SOURCE/tests/s3/fill_bucket.py" data $objects

section "keys, ranges and versions"
TEST_BUCKET=data TEST_OBJECTS=$objects "$FOREBAY_BUILD/tests/s3/s3_store_checks" || fail "s3_store_checks"

section "forebay ls"
expect_ls() { # WHAT CODE OPTIONS...: output in $work/ls.out and $work/ls.err
  local code=0
  "${before[@]}" "$forebay" ls "${@:3}" >"$work/ls.out" 2>"$work/ls.err" || code=$?
  cat "$work/ls.err" >>"$work/all.err"
  [ "$code" = "$2" ] || fail "$1" "expected exit code: $2" "actual:             $code" "$(head -c 2000 "$work/ls.err")"
}
expect_said() { # WHAT PATTERN: in one line of standard error
  grep -qE -- "$2" "$work/ls.err" || fail "$1" "expected: $2" "said:     $(head -c 2000 "$work/ls.err")"
  [ "$(wc -l <"$work/ls.err")" = 1 ] || fail "$1: more than one line" "$(cat "$work/ls.err")"
}
before=(env)

expect_ls "all below a prefix" 0 -r --json s3://data/flat
expect_equal "names below a prefix" $objects "$(grep -c '"type":"file"' "$work/ls.out")"
tail -n 1 "$work/ls.out" >"$work/summary"
expect_report "the summary" "$work/summary" "r == {'type': 'summary', 'objects': $objects, 'bytes': $((10 + 180 + 2700 + 36000 + 50000)), 'left_out': {}}"

expect_ls "what cannot be paths" 0 -r --json s3://data
tail -n 1 "$work/ls.out" >"$work/summary"
expect_report "what cannot be paths" "$work/summary" "r['objects'] == $objects + 11 and r['left_out'] == {'also a directory': 1, 'empty name': 2, 'name . or ..': 2, 'name too long': 1}"
expect_equal "directories by markers" 2 "$(grep -c '"type":"directory"' "$work/ls.out")"

expect_ls "one level" 0 s3://data
expect_said "one level" "forebay: [0-9]+ objects, .*; 3 left out \(1 also a directory, 1 empty name, 1 name too long\)"
for name in flat/ both/ both-between large marker/ 'a&b=c?d#e' "quote\"'<>"; do
  grep -qF -- "  $name" "$work/ls.out" || fail "one level has $name" "$(head -n 30 "$work/ls.out")"
done
expect_ls "an object" 0 s3://data/large
expect_equal "an object" "5000000 large" "$(awk '{print $1, $4}' "$work/ls.out")"
expect_ls "a bucket in the host's name" 0 --s3-addressing virtual s3://data/both/
expect_ls "nothing" 1 s3://data/larg
expect_said "nothing" "there is nothing at s3://data/larg"

section "what is wrong is said, in one line"
before=(env AWS_SECRET_ACCESS_KEY=wrong/secret)
expect_ls "a wrong secret" 1 s3://data
expect_said "a wrong secret" "cannot get http://localhost:$S3_PORT/data .*secret access key is not the access key's \(SignatureDoesNotMatch; credentials from environment\); 1 attempt\)"
before=(env AWS_ACCESS_KEY_ID=nobody)
expect_ls "an unknown key" 1 s3://data
expect_said "an unknown key" "does not know this access key \(InvalidAccessKeyId; credentials from environment\)"
before=(env)
expect_ls "a missing bucket" 1 s3://no-such-bucket
expect_said "a missing bucket" "there is no bucket 'no-such-bucket' \(NoSuchBucket\)"
expect_ls "anonymous" 1 --anonymous s3://data
expect_said "anonymous" "access is denied \(AccessDenied; no credentials were sent\)"
before=(env -u AWS_ACCESS_KEY_ID)
expect_ls "no credentials" 1 s3://data
expect_said "no credentials" "no AWS credentials .*AWS_ACCESS_KEY_ID"
before=(env)
expect_ls "nobody listens" 1 --s3-endpoint http://127.0.0.1:1 --origin-deadline 1 s3://data
expect_said "nobody listens" "cannot get http://127.0.0.1:1/data .*; [0-9]+ attempts"
expect_ls "no name of a bucket" 2 s3://
expect_said "no name of a bucket" "names no bucket"

section "keys of a profile"
printf '[store]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" >"$work/credentials"
before=(env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY "AWS_SHARED_CREDENTIALS_FILE=$work/credentials")
expect_ls "a profile" 0 --s3-profile store s3://data
expect_ls "no such profile" 2 --s3-profile shop s3://data
expect_said "no such profile" "no AWS profile 'shop'"

# What libfaketime left of processes whose numbers may come again, at which it gives up. (Nothing runs beside this test.)
rm -f /dev/shm/sem.faketime_sem_* /dev/shm/faketime_shm_*

section "the doctor"
expect_doctor() { # WHAT CODE EXPRESSION-of-found OPTIONS...: `found` is what was found by what was looked at
  local code=0
  "${before[@]}" "$forebay" doctor --json --origin "${@:4}" >"$work/doctor" 2>>"$work/all.err" || code=$?
  cat "$work/doctor" >>"$work/all.err"
  expect_equal "$1: exit code" "$2" "$code"
  "$python" -c 'import json, sys
report = json.load(open(sys.argv[1]))
found = {one["what"]: one["verdict"] + ": " + one["found"] for one in report["findings"]}
sys.exit(not (report["ok"] == (sys.argv[3] == "0") and eval(sys.argv[2])))' "$work/doctor" "$3" "$2" || fail "$1" "$(cat "$work/doctor")"
}
before=(env)
expect_doctor "all is well" 0 "found['keys'] == 'ok: from environment' and found['listing'].startswith('ok: 1000 (a page of) names in ') and found['reading'].startswith('ok: ') and found['manners'].startswith('ok: ')" s3://data/flat
expect_doctor "a bucket that is not there" 1 "'there is no bucket' in found['listing']" s3://no-such-bucket
expect_doctor "no keys are sent" 1 "'anonymous' in found['keys'] and 'access is denied' in found['listing']" s3://data --anonymous
before=(env AWS_SECRET_ACCESS_KEY=wrong/secret)
expect_doctor "a wrong secret" 1 "'SignatureDoesNotMatch; credentials from environment' in found['listing']" s3://data
before=(env -u AWS_ACCESS_KEY_ID)
expect_doctor "no keys" 1 "'no AWS credentials' in found['keys']" s3://data
before=(faketime --exclude-monotonic -f +2h)
expect_doctor "a wrong clock" 0 "found['listing'].startswith('ok: ') and 'had to be sent again' in found['manners']" s3://data
before=(env)
expect_doctor "a directory" 0 "found['reading'].startswith('ok: ')" "$FOREBAY_SOURCE"

section "staged for programs at a path that is nowhere"
before=(env)
[ ! -e /data ] || skip_mount=$(mktemp -u -d /forebay-test-XXXXXX)
mount=${skip_mount:-/data}/set
expect_ls "what there is to read" 0 -r --json s3://data
"$python" -c 'import json, sys, urllib.parse
for line in sys.stdin:
    r = json.loads(line)
    if r["type"] == "file":
        print(r["etag"].strip("\""), " ./" + urllib.parse.unquote(r["path"]), sep=" ")' <"$work/ls.out" | LC_ALL=C sort -k 2 >"$work/etags"
stage() { # OPTIONS... -- COMMAND
  "$forebay" run --nodes 3 --buffer "$scratch/buffer" --stage "s3://data=$mount" --prefetch wait --report "$work/report" "$@" 2>"$work/run.err"
}
# The store's ETags of such objects are their MD5: every byte is compared with what another program put there.
stage -- sh -c "cd $mount && find . -type f -print0 | xargs -0 md5sum" >"$work/sums" || fail "staged from the store" "$(cat "$work/run.err")"
sed 's/  / /' "$work/sums" | LC_ALL=C sort -k 2 >"$work/sums.sorted"
sed -i 's/  */ /' "$work/etags"
expect_same "every byte of every object" "$work/etags" "$work/sums.sorted"
expect_report "each object came once" "$work/report" "r['dataset_objects'] == $objects + 11 and r['origin_read_ratio'] == 1.0 and r['failures'] == 0 and r['errors'] == 0 and r['store']['repeated'] == 0 and r['store']['left_out'] == 6"
grep -q 'left out: s3://data/both (also a directory)' "$work/run.err" || fail "what is left out is said" "$(head -n 20 "$work/run.err")"
stage --quiet -- "$python" -c "
import errno, mmap, os, stat, tempfile
mount = '$mount'
assert sorted(os.listdir(mount + '/flat'))[:2] == ['000000', '000001'] and len(os.listdir(mount + '/flat')) == $objects
info = os.stat(mount + '/large')
assert (info.st_size, stat.filemode(info.st_mode), info.st_nlink) == (5000000, '-r--r--r--', 1), info
assert abs(info.st_mtime - __import__('time').time()) < 3600 and info.st_ino > 0, info
with open(mount + '/large', 'rb') as large:
    mapped = mmap.mmap(large.fileno(), 0, prot=mmap.PROT_READ)
    assert all(mapped[i] == i % 251 for i in range(0, 5000000, 997))
large, new = mount + '/large', mount + '/new'
for what in (lambda: open(large, 'w'), lambda: os.unlink(large), lambda: open(new, 'w'), lambda: os.mkdir(new), lambda: os.unlink(new),
             lambda: os.rename(large, new), lambda: os.symlink('x', new), lambda: tempfile.mkstemp(dir=mount)):
    try:
        what()
        raise SystemExit('a dataset of a store was changed')
    except OSError as refused:
        assert refused.errno == errno.EROFS, refused
for what, why in ((lambda: os.mkdir(mount + '/flat'), errno.EEXIST), (lambda: os.chmod(new, 0o600), errno.ENOENT),
                  (lambda: open(mount + '/no/new', 'w'), errno.ENOENT)):
    try:
        what()
        raise SystemExit('a dataset of a store was changed')
    except OSError as refused:
        assert refused.errno == why, refused
" || fail "what programs see" "$(cat "$work/run.err")"
expect_report "a warm restart asks the store for names alone" "$work/report" "r['origin_read_ratio'] == 0"

section "the verbs, on a store"
"$forebay" plan --json --nodes 3 --capacity 1G s3://data >"$work/planned" 2>>"$work/all.err" || fail "plan"
expect_report "plan" "$work/planned" "r['fits'] and r['dataset_objects'] == $objects + 11"
"$forebay" run --nodes 3 --quiet --buffer "$scratch/verbs" --stage "s3://data=$mount" --prefetch off --report "$work/report" -- bash -euc "
  said() { grep -qE -- \"\$2\" \"\$1\" || { echo \"no '\$2' in:\"; cat \"\$1\"; exit 1; }; }
  '$forebay' prefetch --wait $mount/flat >'$work/said' 2>&1
  '$forebay' check --verify $mount/flat >'$work/said'
  '$forebay' locate $mount/large >'$work/said' && said '$work/said' '^origin: +s3://data/large'
  cat $mount/large >/dev/null
  '$forebay' evict $mount/large >'$work/said' && said '$work/said' '^1 objects, .* evicted'
  '$forebay' refresh >'$work/said' && said '$work/said' ': 0 changed, 0 gone, 0 new'
  '$forebay' prefetch --wait >'$work/said' 2>&1
  cmp $mount/large $mount/large" >"$work/verbs.out" 2>&1 || fail "the verbs" "$(cat "$work/verbs.out")"
expect_report "what was evicted came again, and nothing else" "$work/report" "r['origin_bytes_read'] == r['dataset_bytes'] + 5000000"

section "a bandwidth is the whole job's, for what is wanted now too"
"$forebay" run --nodes 2 --quiet --stage "s3://data=$mount" --prefetch off --bandwidth 4M/s --buffer "$scratch/slow" -- "$python" -c "
import time
begun = time.monotonic()
assert len(open('$mount/large', 'rb').read()) == 5000000
# By one node, which has half of it: 4 MiB begin at once and last for 2 s, of which one is lent.
assert time.monotonic() - begun > 0.9, time.monotonic() - begun" 2>"$work/slow.err" || fail "a bandwidth" "$(cat "$work/slow.err")"

section "a list of names"
printf 'flat/{000010..000019}\ns3://data/large\nmarker/\n' |
  "$forebay" run --nodes 3 --quiet --stage "s3://data=$mount" --stage-list - --prefetch wait --buffer "$scratch/listed" --report "$work/report" -- sh -c "
  cd '$mount' && find . -type f | wc -l && ls flat && ! cat flat/000020 && '$forebay' refresh" >"$work/listed.out" 2>"$work/listed.err" ||
  fail "a list of names" "$(cat "$work/listed.err")"
expect_equal "only what is named is there" "11 $(seq -s ' ' -f '%06.0f' 10 19)" "$(grep -v refreshed "$work/listed.out" | head -n 11 | xargs)"
grep -q 'flat/000020: No such file' "$work/listed.err" || fail "what is not named is not there" "$(cat "$work/listed.err")"
grep -q ': 0 changed, 0 gone, 0 new' "$work/listed.out" || fail "what is not named is not new" "$(cat "$work/listed.out")"
expect_report "only what is named came" "$work/report" "r['dataset_objects'] == 11 and r['origin_read_ratio'] == 1.0"
code=0
printf 'flat/{019999..020000}\n' | "$forebay" run --nodes 2 --quiet --stage "s3://data=$mount" --stage-list - --buffer "$scratch/listed" -- touch "$work/was-run" 2>"$work/listed.err" || code=$?
expect_equal "a name that is not there ends the run" 1 "$code"
grep -q "1 of the 2 listed names is not at s3://data ('flat/020000')" "$work/listed.err" || fail "what is not there is said" "$(cat "$work/listed.err")"

section "what changes while it is read is refused, and what cannot be staged is not run"
"$forebay" run --nodes 2 --quiet --stage "s3://data/flat=$mount" --prefetch off --buffer "$scratch/cold" -- sh -c "
  cat $mount/000001 >/dev/null &&
  '$python' '$FOREBAY_SOURCE/tests/s3/fill_bucket.py' data flat/000002=changed &&
  { cat $mount/000002; true; }" >"$work/cold.out" 2>"$work/cold.err" || fail "a changed object" "$(cat "$work/cold.err")"
grep -q 'Stale file handle' "$work/cold.err" || fail "a changed object is refused" "$(cat "$work/cold.err")"
expect_equal "nothing of the new version" "" "$(cat "$work/cold.out")"
"$forebay" run --nodes 2 --quiet --stage "s3://data=$mount" --prefetch off --buffer "$scratch/small" --capacity 1M -- sh -c "
  cat $mount/flat/000001 >/dev/null && ! cat $mount/large" >"$work/small.out" 2>"$work/small.err" || fail "an object larger than all buffers" "$(cat "$work/small.err")"
grep -q 'Input/output error' "$work/small.err" || fail "an object larger than all buffers is refused" "$(cat "$work/small.err")"
code=0
AWS_SECRET_ACCESS_KEY=wrong/secret "$forebay" run --nodes 2 --stage "s3://data=$mount" --buffer "$scratch/none" -- touch "$work/was-run" 2>"$work/none.err" || code=$?
cat "$work/run.err" "$work/cold.err" "$work/none.err" >>"$work/all.err"
expect_equal "a wrong secret ends the run" 1 "$code"
[ ! -e "$work/was-run" ] || fail "the command was run without its dataset"
grep -q 'SignatureDoesNotMatch' "$work/none.err" || fail "a wrong secret is said" "$(cat "$work/none.err")"

section "no secret is where others look"
printf '[hidden]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" >"$work/hidden"
rev <<<"$AWS_SECRET_ACCESS_KEY" >"$work/backwards" # What looks for it is not to have it itself.
env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY "AWS_SHARED_CREDENTIALS_FILE=$work/hidden" "$forebay" run --nodes 2 --quiet --s3-profile hidden \
  --stage "s3://data/flat=$mount" --buffer "$scratch/looked" --prefetch wait --report "$work/report" -- "$python" -c "
import glob, os
assert len(os.listdir('$mount')) == $objects and open('$mount/000007').read() == '7'
backwards = open('$work/backwards', 'rb').read().strip()
looked = 0
def look(data, where):
    global looked
    looked += 1
    assert backwards not in data[::-1], where
# What a core dump of this process would hold.
with open('/proc/self/mem', 'rb', 0) as memory:
    for line in open('/proc/self/maps'):
        span, mode = line.split()[:2]
        begin, end = (int(word, 16) for word in span.split('-'))
        if 'r' in mode and '[v' not in line and end - begin < 1 << 28:
            memory.seek(begin)
            look(memory.read(end - begin), line)
session = os.environ['FOREBAY_SESSION']
for place in [os.path.dirname(session), '$scratch/looked']:
    for directory, _, names in os.walk(place):
        for name in names:
            path = os.path.join(directory, name)
            if os.path.isfile(path):
                look(open(path, 'rb').read(), path)
for path in glob.glob('/proc/[0-9]*/cmdline'):
    try:
        look(open(path, 'rb').read(), path)
    except OSError:
        pass  # gone
assert looked > 20000, looked" 2>"$work/look.err" || fail "a secret, or not looked for" "$(cat "$work/look.err")"
! grep -qF "$AWS_SECRET_ACCESS_KEY" "$work/report" || fail "the report has the secret"

section "a clock that is two hours wrong"
for offset in +2h -2h; do
  before=(faketime --exclude-monotonic -f "$offset")
  expect_ls "a clock at $offset" 0 s3://data/marker
  # Without a correction it is refused:
  expect_equal "the server looks at clocks" 403 "$(faketime --exclude-monotonic -f "$offset" curl -s -o /dev/null -w '%{http_code}' \
    --aws-sigv4 aws:amz:us-east-1:s3 -u "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" "$AWS_ENDPOINT_URL/data")"
done
before=(env)

section "directories"
mkdir -p "$work/tree/sub"
printf 12345 >"$work/tree/sub/file"
ln -s sub "$work/tree/link"
expect_ls "a directory" 0 -r --json "$work/tree"
"$python" -c 'import json, sys
for line in sys.stdin:
    r = json.loads(line)
    print(r["type"], r.get("path"), r.get("target"), r.get("size"), r.get("objects"))' <"$work/ls.out" >"$work/tree.said"
cat >"$work/tree.expected" <<SAID
link link sub None None
directory sub None None None
file sub/file None 5 None
summary None None None 1
SAID
expect_same "a directory" "$work/tree.expected" "$work/tree.said"

section "TLS"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout "$work/key.pem" \
  -out "$work/cert.pem" 2>/dev/null
"$lab/s3.sh" down
cat "$work/key.pem" "$work/cert.pem" >"$work/both.pem"
export S3_TLS=$work/both.pem
"$lab/s3.sh" up
eval "$("$lab/s3.sh" env)"
expect_ls "a trusted certificate" 1 --ca-file "$work/cert.pem" s3://data
expect_said "a trusted certificate" "there is no bucket 'data'"
expect_ls "an unknown certificate" 1 s3://data
expect_said "an unknown certificate" "https://localhost:.*certificate.*--ca-file.*; 1 attempt\)"

section "no secret was said"
for secret in "$AWS_SECRET_ACCESS_KEY" wrong/secret Signature= "$AWS_ACCESS_KEY_ID"; do
  ! grep -F -- "$secret" "$work/all.err" || fail "$secret was said"
done
