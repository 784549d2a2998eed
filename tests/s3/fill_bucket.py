#!/usr/bin/env python3
"""fill_bucket.py BUCKET [NUMBER | KEY=TEXT | KEY=@FILE]: puts TEXT, or what is in FILE, at KEY of BUCKET, or makes BUCKET at AWS_ENDPOINT_URL and puts objects into it.

First those of ODD_KEYS, each with its own key as bytes; then `large` with 5,000,000 bytes, byte i being i % 251; then NUMBER objects
"flat/000000" and so on with their number as bytes. It signs by itself, and so is a second opinion on signatures.
"""
import concurrent.futures
import datetime
import hashlib
import hmac
import http.client
import os
import sys
import threading
import urllib.parse

ODD_KEYS = ["dt=2024-05-22/x+y z.bin", "percent%41%", "tilde~and.dots...", "ünï/cödé/日本", "a&b=c?d#e", "quote\"'<>", "both", "both/x",
            "both-between", "marker/", "empty//name", "up/../here", "dot/./here", "/first", "n" * 300, "end/", "end/file", "blank /  two"]
LOCAL = threading.local()


def sign(method, path, body, query=""):
    """The server's address and the headers of a request; `query` is in its canonical form."""
    endpoint = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"])
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    payload = hashlib.sha256(body).hexdigest()
    names = {"host": endpoint.netloc, "x-amz-content-sha256": payload, "x-amz-date": now}
    lines = "".join(f"{name}:{value}\n" for name, value in names.items())
    request = f"{method}\n{path}\n{query}\n{lines}\n{';'.join(names)}\n{payload}"
    scope = f"{now[:8]}/{os.environ['AWS_REGION']}/s3/aws4_request"
    key = b"AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"].encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    names["Authorization"] = (f"AWS4-HMAC-SHA256 Credential={os.environ['AWS_ACCESS_KEY_ID']}/{scope}, "
                              f"SignedHeaders={';'.join(('host', 'x-amz-content-sha256', 'x-amz-date'))}, "
                              f"Signature={hmac.new(key, text.encode(), 'sha256').hexdigest()}")
    return endpoint, names


def put(path, body=b""):
    path = urllib.parse.quote(path, safe="/-._~")
    endpoint, headers = sign("PUT", path, body)
    if not hasattr(LOCAL, "connection"):
        LOCAL.connection = http.client.HTTPConnection(endpoint.netloc)
    LOCAL.connection.request("PUT", path, body, headers)
    answer = LOCAL.connection.getresponse()
    text = answer.read()
    assert answer.status == 200, (path, answer.status, text)


def main():
    bucket = sys.argv[1]
    if "=" in "".join(sys.argv[2:]):
        key, _, text = sys.argv[2].partition("=")
        put(f"/{bucket}/{key}", open(text[1:], "rb").read() if text.startswith("@") else text.encode())
        return
    number = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    put(f"/{bucket}")
    for key in ODD_KEYS:
        put(f"/{bucket}/{key}", b"" if key.endswith("/") else key.encode())
    put(f"/{bucket}/large", (bytes(range(251)) * 20000)[:5000000])
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: put(f"/{bucket}/flat/{n:06}", str(n).encode()), range(number)))


if __name__ == "__main__":
    main()
