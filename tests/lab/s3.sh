#!/bin/bash
# s3.sh up | env | token | down: a real S3 server (Ceph's radosgw) on this machine, its data in memory, for tests.
#
#   up     starts a monitor, an OSD and the gateway, makes a user, and waits until a signed request is answered
#   env    prints the variables that lead to it, for eval: AWS_ENDPOINT_URL, the user's keys, a region
#   token  the same with keys of the user's that are good for 15 minutes and have a session token;
#          `token expired`: with keys whose time is over
#   down   ends all of them and removes what they wrote
#
# Everything is in $FOREBAY_LAB/s3 (FOREBAY_LAB: a directory of the caller's own, default /var/tmp/forebay-lab-$UID). S3_PORT is the
# gateway's port (18480), the two behind it are the monitor's; S3_HOST is the address it listens on (127.0.0.1). S3_TLS=CERTIFICATE serves https (a PEM file with certificate and key).
# S3_TOKENS=true for `token` (then it calls all wrong keys AccessDenied).
# Needs no root; packages: install_packages.sh test.
set -euo pipefail

lab=${FOREBAY_LAB:-/var/tmp/forebay-lab-$UID}/s3
port=${S3_PORT:-18480}
access_key=forebaytest
secret_key=secret/of+the=tests
sts_key=sixteen-byte-key
export CEPH_CONF=$lab/ceph.conf
[ -z "${S3_TLS:-}" ] || scheme=https
scheme=${scheme:-http}
host=${S3_HOST:-127.0.0.1}
endpoint=$scheme://$([ "$host" = 127.0.0.1 ] && echo localhost || echo "$host"):$port

write_configuration() {
  local front="endpoint=$host:$port"
  [ "$scheme" = http ] || front="ssl_endpoint=$host:$port ssl_certificate=$S3_TLS"
  cat >"$CEPH_CONF" <<CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = [v2:127.0.0.1:$((port + 1)),v1:127.0.0.1:$((port + 2))]
public addr = 127.0.0.1
run dir = $lab/run
admin socket = $lab/run/\$name.socket
pid file = $lab/run/\$name.pid
log file = $lab/log/\$name.log
log to stderr = false
# Nobody but this machine's users reaches it, and nothing in it is worth keeping.
auth cluster required = none
auth service required = none
auth client required = none
auth supported = none
osd pool default size = 1
osd pool default min size = 1
mon allow pool size one = true
mon warn on pool no redundancy = false
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd heartbeat min healthy ratio = 0
mon max pg per osd = 1000
[mon]
mon data = $lab/mon
mon data avail warn = 1
mon data avail crit = 0
auth allow insecure global id reclaim = false
paxos propose interval = 0.05
paxos min wait = 0.02
[osd]
osd data = $lab/osd
osd objectstore = memstore
memstore device bytes = ${S3_BYTES:-4294967296}
osd class load list = *
osd class default list = *
osd max object name len = 1024
osd op num shards = 2
osd op num threads per shard = 1
[client.rgw]
# The gateway asks for encryption of its own accord, which needs keys.
ms mon client mode = crc
rgw frontends = beast $front tcp_nodelay=1
rgw data = $lab/run
rgw thread pool size = 32
rgw enable apis = s3, sts, iam, admin
rgw s3 auth use sts = ${S3_TOKENS:-false}
rgw sts key = $sts_key
rgw enable usage log = false
rgw dns name = localhost
rgw rados pool pg num min = 1
CONF
}

# Zombies are gone too.
is_alive() { grep -qs '^State:[[:space:]]*[^Z[:space:]]' "/proc/$1/status"; }

pid_of() { cat "$lab/run/$1.pid" 2>/dev/null || true; }

signed_request() { # prints the status of the answer
  curl -s -m 5 -o /dev/null -w '%{http_code}' ${S3_TLS:+--cacert "$S3_TLS"} --aws-sigv4 aws:amz:us-east-1:s3 \
    -u "$access_key:$secret_key" -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "$endpoint/" || true
}

up() {
  local osd deadline
  [ ! -e "$lab" ] || { echo "s3.sh: $lab is there already (s3.sh down ends it)" >&2; exit 1; }
  for program in ceph-mon ceph-osd radosgw; do
    command -v $program >/dev/null || { echo "s3.sh: no $program (tests/lab/install_packages.sh test)" >&2; exit 1; }
  done
  mkdir -p "$lab"/{mon,osd,run,log}
  trap 'code=$?; [ $code = 0 ] || { tail -n 5 "$lab"/log/*.log >&2; down; }; exit $code' EXIT
  write_configuration
  monmaptool --create --fsid "$(sed -n 's/^fsid = //p' "$CEPH_CONF")" \
    --addv a "[v2:127.0.0.1:$((port + 1)),v1:127.0.0.1:$((port + 2))]" "$lab/monmap" >"$lab/log/monmap"
  ceph-mon --mkfs -i a --monmap "$lab/monmap"
  ceph-mon -i a
  osd=$(cat /proc/sys/kernel/random/uuid)
  ceph osd new "$osd" >/dev/null
  ceph-osd -i 0 --mkfs --osd-uuid "$osd" >"$lab/log/mkfs" 2>&1
  ceph-osd -i 0 >"$lab/log/osd" 2>&1
  timeout 60 radosgw -n client.rgw
  radosgw-admin -n client.admin user create --uid tests --display-name tests --access-key "$access_key" --secret-key "$secret_key" \
    --caps 'user-policy=*' >/dev/null 2>"$lab/log/user"
  # The port could be somebody else's server: ours knows the key.
  deadline=$((SECONDS + 60))
  until [ "$(signed_request)" = 200 ]; do
    is_alive "$(pid_of client.rgw)" && [ $SECONDS -lt $deadline ] || { echo "s3.sh: the gateway does not answer" >&2; exit 1; }
    sleep 0.05
  done
}

ask_user() { # SERVICE PARAMETERS...: as the user, something of a service beside S3
  curl -sS --fail -m 30 ${S3_TLS:+--cacert "$S3_TLS"} --aws-sigv4 "aws:amz:us-east-1:$1" -u "$access_key:$secret_key" \
    "${@:2}" "$endpoint/"
}

variables() {
  echo "export AWS_ENDPOINT_URL=$endpoint AWS_ACCESS_KEY_ID=$access_key AWS_SECRET_ACCESS_KEY=$secret_key AWS_REGION=us-east-1"
}

token() { # [expired]
  local answer name value
  declare -A said
  ask_user iam --data-urlencode Action=PutUserPolicy --data-urlencode UserName=tests --data-urlencode PolicyName=all --data-urlencode \
    'PolicyDocument={"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sts:*","s3:*"],"Resource":"*"}]}' >/dev/null
  answer=$(ask_user sts -d 'Action=GetSessionToken&DurationSeconds=900&Version=2011-06-15')
  for name in AccessKeyId SecretAccessKey SessionToken; do
    value=${answer#*<"$name">}
    said[$name]=${value%%</"$name">*}
  done
  # Its end is the first date in it, encrypted; the gateway gives out none that end earlier.
  [ -z "${1:-}" ] ||
    said[SessionToken]=$(base64 -d <<<"${said[SessionToken]}" | crypt -d | LC_ALL=C sed 's/20[0-9][0-9]-/2020-/' | crypt | base64 -w 0)
  access_key=${said[AccessKeyId]} secret_key=${said[SecretAccessKey]}
  echo "$(variables) AWS_SESSION_TOKEN=${said[SessionToken]}"
}

# As the gateway does: with a vector of its own.
crypt() { openssl enc -aes-128-cbc -K "$(hex_of "$sts_key")" -iv "$(hex_of cephsageyudagreg)" "$@"; }
hex_of() { printf %s "$1" | od -An -v -tx1 | tr -d ' \n'; }

down() {
  local daemon pid
  for daemon in client.rgw osd.0 mon.a; do
    pid=$(pid_of $daemon)
    [ -n "$pid" ] || continue
    kill -KILL "$pid" 2>/dev/null || true
    while is_alive "$pid"; do sleep 0.02; done
  done
  rm -rf "$lab"
}

case ${1:-} in
  up) up ;;
  token) token "${@:2}" ;;
  down) down ;;
  env) variables ;;
  *)
    sed -n '2,15s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
