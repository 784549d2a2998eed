#!/bin/bash
# A real web server: trees listed by index pages in HTML and JSON and by manifests, over HTTP and HTTPS, ranges and versions.
source "$(dirname "$(readlink -f "$0")")/../system/lib.sh"

export FOREBAY_LAB=$work/lab WEB_PORT=$((10000 + $$ % 5000 * 2))
unset http_proxy https_proxy
export TEST_TREE=$work/tree TEST_MANIFEST=$work/manifest

section "a tree with odd names"
mkdir -p "$TEST_TREE"/{plain,empty,deep/er/est,'su b/+%2F'}
head -c 3500000 /dev/urandom >"$TEST_TREE/plain/large"
head -c 5000 /dev/urandom >"$TEST_TREE/plain/small"
: >"$TEST_TREE/plain/nothing"
for name in 'a b' 'c%41%' 'd+e' 'f#g' 'h?i=j&k' 'l:m' ':n' "it's \"quoted\"" '<p>' 'ünï 日本' '~tilde' 'back\slash' \
  "$(printf 'n%.0s' {1..255})"; do
  printf '%s' "$name" >"$TEST_TREE/su b/+%2F/$name"
done
echo leaf >"$TEST_TREE/deep/er/est/leaf"
find "$TEST_TREE" -type f -exec touch -d '2020-02-03 04:05:06.789 UTC' {} +

section "manifests of it, with two lines that are not true"
"$python" - "$TEST_TREE" "$TEST_MANIFEST" <<'MANIFEST'
import hashlib, json, os, sys, urllib.parse
tree, manifest = sys.argv[1:]
url = f"http://localhost:{os.environ['WEB_PORT']}/plain/"
with open(manifest, "w") as local, open(manifest + ".remote", "w") as remote:
    for number, path in enumerate(sorted(os.path.join(d, f) for d, _, files in os.walk(tree) for f in files)):
        name = os.path.relpath(path, tree)
        data = open(path, "rb").read()
        kind = ("sha256", "md5")[number % 2]
        line = {"url": urllib.parse.quote(name), "checksum": f"{kind}:{hashlib.new(kind, data).hexdigest()}"}
        if number % 3:
            line["size"] = len(data)
        if number % 5 == 0:
            line["path"] = name
        if number % 7 == 0:
            line.update(size=len(data), modified="Mon, 03 Feb 2020 04:05:06 GMT")
        print(json.dumps(line), file=remote)
        print(json.dumps(line | {"url": url + line["url"]}), file=local)
    for line in ({"url": "plain/small", "path": "odd/wrong", "checksum": "sha256:" + "0" * 64},
                 {"url": "plain/small", "path": "odd/size", "size": 1}, {"url": "gone", "path": "odd/gone"}, {"url": "manifest.jsonl"}):
        print(json.dumps(line), file=remote)
        print(json.dumps(line | {"url": url + line["url"]}), file=local)
MANIFEST
mv "$TEST_MANIFEST.remote" "$TEST_TREE/manifest.jsonl"
printf '{"url": "http://localhost/x"}\n{"url": "http://localhost/y", "checksum": "sha256:0"}\n' >"$TEST_MANIFEST.bad"
mkdir "$TEST_TREE/empty/deeper"

section "the server"
on_exit+=("$lab/web.sh down")
"$lab/web.sh" up "$TEST_TREE"
TEST_URL=$("$lab/web.sh" url) TEST_TLS_URL=$("$lab/web.sh" url https) TEST_CA=$("$lab/web.sh" ca)
export TEST_URL TEST_TLS_URL TEST_CA

section "origins"
"$FOREBAY_BUILD/tests/origin/origin_web_checks" 2>"$work/said" || fail "origin_web_checks" "$(tail -n 40 "$work/said")"
expect_equal "each range was asked as such" 0 "$(grep -cE '^GET /(html|json)/.*[^/] 200 "-"' "$("$lab/web.sh" log)")"

section "staged for programs on three nodes"
mount=$(mktemp -u -d /forebay-test-XXXXXX)
staged() { # ORIGIN NAME COMMAND OPTIONS...
  "$forebay" run --nodes 3 --quiet --stage "$1=$mount" --buffer "$work/buffer.$2" --prefetch wait --report "$work/report" "${@:4}" \
    -- sh -c "cd '$mount' && $3" >"$work/out" 2>"$work/err"
}
all='find . -mindepth 1 -printf "%y %P\n" | LC_ALL=C sort; find . -type f -printf "%P\t%s %TY-%Tm-%Td %TH:%TM\n" | LC_ALL=C sort; find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum'
(cd "$TEST_TREE" && TZ=UTC sh -c "$all") >"$work/expected"
export TZ=UTC
declare -A options=([html]="" [json]="" [tls]="--ca-file $TEST_CA")
for kind in html json tls; do
  url=$([ $kind = tls ] && echo "$TEST_TLS_URL/json/" || echo "$TEST_URL/$kind/")
  # shellcheck disable=SC2086
  staged "$url" $kind "$all" ${options[$kind]} || fail "$kind" "$(cat "$work/err")"
  expect_same "$kind: every name, attribute and byte" "$work/expected" "$work/out"
  expect_report "$kind: each byte came once" "$work/report" "r['origin_read_ratio'] == 1.0 and r['errors'] == 0 and r['store']['repeated'] == 0"
done
grep -q '^GET /json/plain/large .* HTTP/2.0$' "$("$lab/web.sh" log)" || fail "HTTP/2 is used where TLS offers it"
staged "$TEST_URL/json/" each "$python -c 'import mmap, os
for place, _, names in os.walk(\".\"):
    for name in names:
        with open(os.path.join(place, name), \"rb\") as file:
            size = os.fstat(file.fileno()).st_size
            mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)[:] if size > 0 else b\"\"
            assert len(mapped) == size and mapped == file.read(), name' &&
  { $all; } >'$work/out.'\$FOREBAY_NODE" --per-node || fail "on each node" "$(cat "$work/err")"
for node in 0 1 2; do
  expect_same "mapped, and read on node $node" "$work/expected" "$work/out.$node"
done
expect_report "each byte came once for all three" "$work/report" "r['origin_read_ratio'] == 1.0"
staged "$TEST_URL/html/" html "sha256sum plain/large >/dev/null" || fail "a second run" "$(cat "$work/err")"
expect_report "a second run reads no file" "$work/report" "r['origin_bytes_read'] == 0"
code=0
staged "$TEST_TLS_URL/json/" untrusted "true" || code=$?
expect_equal "a certificate that nobody trusts ends the run" 1 "$code"

section "manifests, staged"
for manifest in "$TEST_MANIFEST" "$TEST_URL/plain/manifest.jsonl"; do
  rm -rf "$work/buffer.manifest"
  staged "manifest:$manifest" manifest "sha256sum plain/large plain/small && ! cat odd/wrong" --prefetch off ||
    fail "$manifest" "$(cat "$work/err")"
  (cd "$TEST_TREE" && sha256sum plain/large plain/small) >"$work/expected"
  expect_same "$manifest: right bytes, and none of what is wrong" "$work/expected" "$work/out"
  grep -q "Input/output error" "$work/err" || fail "$manifest: a wrong checksum is an error" "$(cat "$work/err")"
  grep -q "plain/small is not what the manifest says (its sha256 differs); 3 attempts" "$work/err" || fail "$manifest: it is said" "$(cat "$work/err")"
done
