#!/bin/bash
# web.sh up DIR | url | ca | log | down: a real web server (nginx) on this machine, for tests.
#
#   up    serves DIR, and waits until it answers: /html/ and /json/ list it in these formats, /plain/ does not list
#   url   prints where it is: http://localhost:PORT; "url https" the same with TLS
#   ca    prints the file with the certificate of https
#   log   prints the file with a line a request: method, address, status, Range, body bytes
#   down  ends it and removes what it wrote
#
# Also: /weak/ has weak ETags, /moved/ redirects to /json/, /no_ranges/ sends all when asked for a part, /anonymous/ has neither
# ETag nor Last-Modified, /closed/ lists in HTML and forbids files.
# Everything is in $FOREBAY_LAB/web (FOREBAY_LAB: a directory of the caller's own, default /var/tmp/forebay-lab-$UID). WEB_PORT is
# http's port (18580), the next one https'. Needs no root; packages: install_packages.sh test.
set -euo pipefail

lab=${FOREBAY_LAB:-/var/tmp/forebay-lab-$UID}/web
port=${WEB_PORT:-18580}
nginx=$(command -v nginx || echo /usr/sbin/nginx)

write_configuration() { # DIR
  local user=
  [ "$(id -u)" != 0 ] || user='user root;'  # Which may read what tests make.
  cat >"$lab/nginx.conf" <<CONF
$user
worker_processes 2;
pid $lab/pid;
error_log $lab/error.log;
events { worker_connections 1024; }
http {
  log_format asked '\$request_method \$request_uri \$status "\$http_range" \$body_bytes_sent \$server_protocol';
  access_log $lab/access.log asked;
  sendfile on;
  default_type application/octet-stream;
  keepalive_requests 100000;
  client_body_temp_path $lab/tmp;
  proxy_temp_path $lab/tmp;
  fastcgi_temp_path $lab/tmp;
  uwsgi_temp_path $lab/tmp;
  scgi_temp_path $lab/tmp;
  server {
    listen 127.0.0.1:$port;
    listen 127.0.0.1:$((port + 1)) ssl http2;
    server_name localhost;
    ssl_certificate $lab/certificate.pem;
    ssl_certificate_key $lab/key.pem;
    autoindex on;
    location /html/ { alias $1/; }
    location /json/ { alias $1/; autoindex_format json; }
    location /plain/ { alias $1/; autoindex off; }
    location /weak/ { alias $1/; etag off; add_header ETag 'W/"weak"'; }
    location /no_ranges/ { alias $1/; max_ranges 0; }
    location /anonymous/ { alias $1/; etag off; add_header Last-Modified ""; }
    location /closed/ { alias $1/; location ~ [^/]\$ { deny all; } }
    location /moved/ { rewrite ^/moved/(.*)\$ /json/\$1 redirect; }
  }
}
CONF
}

is_alive() { grep -qs '^State:[[:space:]]*[^Z[:space:]]' "/proc/$1/status"; }

up() {
  local deadline directory
  directory=$(readlink -f "$1")
  [ ! -e "$lab" ] || { echo "web.sh: $lab is there already (web.sh down ends it)" >&2; exit 1; }
  [ -x "$nginx" ] || { echo "web.sh: no nginx (tests/lab/install_packages.sh test)" >&2; exit 1; }
  mkdir -p "$lab/tmp"
  trap 'code=$?; [ $code = 0 ] || { tail -n 5 "$lab/error.log" >&2; down; }; exit $code' EXIT
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout "$lab/key.pem" \
    -out "$lab/certificate.pem" 2>/dev/null
  write_configuration "$directory"
  "$nginx" -c "$lab/nginx.conf" -e "$lab/error.log"
  # The port could be somebody else's server: ours has this certificate.
  deadline=$((SECONDS + 30))
  until curl -s -m 5 -o "$lab/tmp/answer" --cacert "$lab/certificate.pem" "https://localhost:$((port + 1))/json/"; do
    [ $SECONDS -lt $deadline ] || { echo "web.sh: nginx does not answer" >&2; exit 1; }
    sleep 0.05
  done
}

down() {
  local pid
  pid=$(cat "$lab/pid" 2>/dev/null || true)
  if [ -n "$pid" ]; then
    kill -TERM "$pid" 2>/dev/null || true
    while is_alive "$pid"; do sleep 0.02; done
  fi
  rm -rf "$lab"
}

case ${1:-} in
  up) up "${2:?a directory}" ;;
  url) if [ "${2:-http}" = https ]; then echo "https://localhost:$((port + 1))"; else echo "http://localhost:$port"; fi ;;
  ca) echo "$lab/certificate.pem" ;;
  log) echo "$lab/access.log" ;;
  down) down ;;
  *)
    sed -n '2,13s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
