"""flipping_store.py [sound]: an S3 store of two buckets whose answers have flipped bits, until its standard input ends; says its port.

Bucket `md5`: ETags are MD5s, as of most stores. `first`: the first answer has another bit. `always`: each answer has another one.
`steady`: all have the same one, as if it lay in the store.
Bucket `numbers`: the same names, and ETags that look like MD5s and are not; nothing is flipped there. With `sound`, nothing at all.
Buckets `crc32c`, `crc32`, `sha256`, `sha1` and `parts`: ETags of uploads in parts, which say nothing; of a whole object this header says the
checksum where the request has x-amz-checksum-mode (`parts`: one of its parts' checksums, which is to be ignored). Their `steady` is
`small` with the same wrong bit each time, but for `parts`.
GET /requests/BUCKET/KEY: how often it was asked for.
"""
import base64
import collections
import hashlib
import http.server
import re
import sys
import threading
import urllib.parse
import zlib

SIZE = 9_000_000  # three pieces
CONTENT = {name: hashlib.shake_256(name.encode()).digest(SIZE if name != "small" else 1000) for name in ("always", "first", "large", "small", "steady")}
sound = "sound" in sys.argv
asked = collections.Counter()
lock = threading.Lock()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return (crc ^ 0xFFFFFFFF).to_bytes(4, "big")


SAID = {"crc32c": crc32c, "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
        "sha256": lambda data: hashlib.sha256(data).digest(), "sha1": lambda data: hashlib.sha1(data).digest()}


def said_of(bucket, key):
    if bucket == "parts":
        return {"x_amz_checksum_sha256": base64.b64encode(bytes(32)).decode() + "-2", "x_amz_checksum_crc32c": base64.b64encode(bytes(4)).decode(),
                "x_amz_checksum_type": "COMPOSITE"}
    return {f"x_amz_checksum_{bucket}": base64.b64encode(SAID[bucket](content_of(bucket, key))).decode()}


def content_of(bucket, key):
    return CONTENT["small"] if bucket in (*SAID, "parts") and key in ("small", "steady") else CONTENT[key]


def etag(bucket, key):
    if bucket in (*SAID, "parts"):
        return hashlib.md5(key.encode()).hexdigest() + "-2"
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
                           f"&quot;</ETag><Size>{len(content_of(bucket, name))}</Size></Contents>" for name in CONTENT)
            return self.answer(200, f"<?xml version='1.0'?><ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>".encode())
        if self.headers["If-Match"] != f'"{etag(bucket, key)}"':
            return self.answer(412, b"")
        asked_for = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"] or "")
        whole = content_of(bucket, key)
        first, last = map(int, asked_for.groups()) if asked_for else (0, len(whole) - 1)
        body = bytearray(whole[first:last + 1])
        with lock:
            asked[f"{bucket}/{key}"] += 1
            number = asked[f"{bucket}/{key}"]
        if not sound and bucket == "md5" and (key == "always" or (key == "first" and number == 1)):
            body[number * 1000 % len(body)] ^= 1
        if not sound and bucket == "md5" and key == "steady" and first == 0:
            body[1234] ^= 1
        if not sound and bucket in SAID and key == "steady":
            body[123] ^= 1
        if not asked_for:
            said = said_of(bucket, key) if self.headers["x-amz-checksum-mode"] == "ENABLED" and bucket in (*SAID, "parts") else {}
            return self.answer(200, body, ETag=f'"{etag(bucket, key)}"', Last_Modified="Fri, 02 Jan 2026 03:04:05 GMT", **said)
        return self.answer(206, body, ETag=f'"{etag(bucket, key)}"', Content_Range=f"bytes {first}-{last}/{len(CONTENT[key])}",
                           Last_Modified="Fri, 02 Jan 2026 03:04:05 GMT")


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
