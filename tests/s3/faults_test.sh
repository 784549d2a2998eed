#!/bin/bash
# A store that fails in every way, read by whole runs: right bytes or the right errno, a bounded number of requests, a line for what
# failed, and nothing wrong in a buffer.
source "$(dirname "$(readlink -f "$0")")/../system/lib.sh"

export HOME=$work/home AWS_EC2_METADATA_DISABLED=true
unset "${!AWS_@}"
mkdir "$HOME"
mount=$(mktemp -u -d /forebay-test-XXXXXX)

# What is read, what comes of it, and how many requests at most, when its owner and, as that fails, the reading node ask.
cat >"$work/table" <<'TABLE'
good=1|right|1
size=9000000&good=1|right|3
fault=status&status=500&times=2|right|3
fault=status&status=503&times=4|right|5
fault=status&status=429&retry_after=1&times=1|right|2
fault=close&times=2|right|3
fault=garbage&times=1|right|2
fault=truncated&at=1000&times=1|right|2
fault=reset&at=500000&times=2|right|3
size=9000000&fault=truncated&at=2000000&times=2|right|5
size=9000000&fault=wrong_range&times=1|right|4
fault=short_range&times=1|right|2
fault=status&status=500|Input/output error|100
fault=garbage|Input/output error|100
fault=close|Input/output error|100
size=9000000&fault=whole|Input/output error|30
size=9000000&fault=wrong_range|Input/output error|30
size=9000000&fault=no_range|Input/output error|30
size=9000000&fault=short_range|Input/output error|30
fault=short_range|Input/output error|10
fault=over_long&extra=100|Input/output error|10
fault=status&status=403|Permission denied|10
fault=status&status=404|Stale file handle|10
fault=etag|Stale file handle|10
size=9000000&fault=etag&after=1|Stale file handle|10
TABLE
# These take a deadline's time, and then these slow down everybody, as they should: read when those before are through.
others=$(wc -l <"$work/table")
cat >>"$work/table" <<'TABLE'
fault=stall&at=1000|Connection timed out|10
fault=drip|Connection timed out|10
fault=status&status=503|Connection timed out|100
fault=status&status=429|Connection timed out|100
TABLE
cut -d '|' -f 1 "$work/table" >"$work/keys"
FAULTY_KEYS=$(cat "$work/keys")
export FAULTY_KEYS

store() { # VARIABLE [CERTIFICATE KEY...]: starts one; its address is $endpoint
  coproc STORE { exec env "$1" "$python" "$FOREBAY_SOURCE/tests/web/faulty_server.py" "${@:2}"; }
  local port
  read -r port <&"${STORE[0]}"
  endpoint=$([ $# = 1 ] && echo http || echo https)://127.0.0.1:$port
  store_input=${STORE[1]}
}
end_store() {
  exec {store_input}>&-
  wait
}
# What each key gives: "KEY|right", "KEY|why not".
cat >"$work/read.py" <<'READ'
import concurrent.futures
import os
import sys
import urllib.parse
mount, keys, others = sys.argv[1], open(sys.argv[2]).read().split("\n")[:-1], int(sys.argv[3])
pattern = bytes((131 * i + i // 1024) % 256 for i in range(262144))


def read(key):
    size = int(dict(urllib.parse.parse_qsl(key)).get("size", "1000000"))
    try:
        with open(f"{mount}/{key}", "rb") as file:
            return f"{key}|{'right' if file.read() == (pattern * (size // len(pattern) + 1))[:size] else 'WRONG BYTES'}"
    except OSError as error:
        return f"{key}|{os.strerror(error.errno)}"


with concurrent.futures.ThreadPoolExecutor(8) as readers:
    for group in keys[:others], keys[others:others + 2], keys[others + 2:]:
        print(*readers.map(read, group), sep="\n", flush=True)
READ
read=("$python" "$work/read.py" "$mount" "$work/keys" "$others")
run() { # ORIGIN OPTIONS...
  "$forebay" run --nodes 3 --quiet --anonymous --s3-endpoint "$endpoint" --stage "$1=$mount" --buffer "$work/buffer.${1%%:*}" --prefetch off \
    --origin-deadline 4 --report "$work/report" "${@:2}" >"$work/out" 2>"$work/err"
}

# What a web server's files are called: the same keys, each by its own address.
manifest() {
  "$python" -c '
import json, sys, urllib.parse
for key in open(sys.argv[1]).read().split("\n")[:-1]:
    size = int(dict(urllib.parse.parse_qsl(key)).get("size", "1000000"))
    print(json.dumps({"url": sys.argv[2] + "/store/" + urllib.parse.quote(key, safe=""), "path": key, "size": size, "etag": "\"v1\""}))' \
    "$work/keys" "$endpoint" >"$work/manifest"
}

for origin in s3://store "manifest:$work/manifest"; do
  section "faults of ${origin%%:*}"
  store FAULTY_ALL=1
  manifest
  run "$origin" -- "${read[@]}" || fail "the run" "$(cat "$work/err")"
  cut -d '|' -f 1,2 "$work/table" >"$work/expected"
  expect_same "what each fault comes to" "$work/expected" "$work/out"
  while IFS='|' read -r key _ most; do
    encoded=$("$python" -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.argv[1]))' "$key")
    asked=$(curl -s "$endpoint/_seen/$encoded" | wc -l)
    least=1
    case $key in *status=503 | *status=429) least=0 ;; esac # Others that were told to slow down may have taken its turns.
    [ "$asked" -ge $least ] && [ "$asked" -le "$most" ] || fail "$key: $asked requests, not 1 to $most"
  done <"$work/table"
  end_store

  section "it is well again"
  store FAULTY_SOUND=1
  manifest
  run "$origin" -- "${read[@]}" || fail "the run" "$(cat "$work/err")"
  sed 's/$/|right/' "$work/keys" >"$work/expected"
  expect_same "right bytes of all" "$work/expected" "$work/out"
  expect_report "nothing wrong was kept" "$work/report" "r['damaged'] == 0 and r['errors'] == 0"
  end_store
done

section "faults of TLS, when all was well before"
for name in own stranger; do
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout "$work/$name.key" \
    -out "$work/$name.pem" 2>/dev/null
done
cat >"$work/tls.py" <<'TLS'
import os
import sys
mount, said = sys.argv[1:]
pattern = bytes((131 * i + i // 1024) % 256 for i in range(262144))
for number, (mode, why) in enumerate((("", ""), ("cut 2", ""), ("cut", "Input/output error"), ("stall", "Connection timed out"),
                                      ("stranger", "Input/output error"), ("", ""))):
    with open(said + ".new", "w") as file:
        file.write(mode)
    os.rename(said + ".new", said)
    try:
        with open(f"{mount}/tls={number}", "rb") as file:
            came = "" if file.read() == (pattern * 4)[:1000000] else "WRONG BYTES"
    except OSError as error:
        came = os.strerror(error.errno)
    assert came == why, (mode, came)
TLS
FAULTY_KEYS=$(printf 'tls=%s\n' 0 1 2 3 4 5)
: >"$work/tls"
store FAULTY_TLS="$work/tls" "$work/own.pem" "$work/own.key" "$work/stranger.pem" "$work/stranger.key"
run s3://store --ca-file "$work/own.pem" -- "$python" "$work/tls.py" "$mount" "$work/tls" || fail "faults of TLS" "$(cat "$work/err")"
for said in 'tls%3D2 .*; [0-9]+ attempts' 'tls%3D3 .*timed out.*; 1 attempt' 'tls%3D4 .*certificate is not trusted.*; 1 attempt'; do
  grep -qE "$said" "$work/err" || fail "it is said: $said" "$(cat "$work/err")"
done
for number in 2 3 4; do
  expect_equal "nobody was sent a request of tls=$number" "" "$(curl -sk "$endpoint/_seen/tls%3D$number")"
done
end_store
