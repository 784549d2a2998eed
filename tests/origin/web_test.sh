#!/bin/bash
# A real web server: trees listed by index pages in HTML and JSON and by manifests, over HTTP and HTTPS, ranges and versions.
source "$(dirname "$(readlink -f "$0")")/../system/lib.sh"

export FOREBAY_LAB=$work/lab WEB_PORT=$((30000 + $$ % 10000 * 2))
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
