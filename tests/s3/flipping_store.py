"""flipping_store.py [sound]: an S3 store of two buckets whose answers have flipped bits, until its standard input ends; says its port.

Bucket `md5`: ETags are MD5s, as of most stores. `first`: the first answer has another bit. `always`: each answer has another one.
`steady`: all have the same one, as if it lay in the store.
Bucket `numbers`: the same names, and ETags that look like MD5s and are not; nothing is flipped there. With `sound`, nothing at all.
GET /requests/BUCKET/KEY: how often it was asked for.
"""
import collections
import hashlib
import http.server
import re
import sys
import threading
import urllib.parse

SIZE = 9_000_000  # three pieces
CONTENT = {name: hashlib.shake_256(name.encode()).digest(SIZE if name != "small" else 1000) for name in ("always", "first", "large", "small", "steady")}
sound = "sound" in sys.argv
asked = collections.Counter()
lock = threading.Lock()


def etag(bucket, key):
    return hashlib.md5(CONTENT[key] + (b"" if bucket == "md5" else b"not of the bytes alone")).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path)
        bucket, _, key = path.path.strip("/").partition("/")
        if bucket == "requests":
            return self.answer(200, str(asked[key]).encode())
        if not key:
            rows = "".join(f"<Contents><Key>{name}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;{etag(bucket, name)}"
                           f"&quot;</ETag><Size>{len(content)}</Size></Contents>" for name, content in CONTENT.items())
            return self.answer(200, f"<?xml version='1.0'?><ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>".encode())
        if self.headers["If-Match"] != f'"{etag(bucket, key)}"':
            return self.answer(412, b"")
        first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups())
        body = bytearray(CONTENT[key][first:last + 1])
        with lock:
            asked[f"{bucket}/{key}"] += 1
            number = asked[f"{bucket}/{key}"]
        if not sound and bucket == "md5" and (key == "always" or (key == "first" and number == 1)):
            body[number * 1000 % len(body)] ^= 1
        if not sound and bucket == "md5" and key == "steady" and first == 0:
            body[1234] ^= 1
        return self.answer(206, body, ETag=f'"{etag(bucket, key)}"', Content_Range=f"bytes {first}-{last}/{len(CONTENT[key])}",
                           Last_Modified="Fri, 02 Jan 2026 03:04:05 GMT")


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
