#!/usr/bin/env python3
"""bucket_client.py make BUCKET | sums BUCKET [PREFIX] | heads BUCKET KEY | uploads BUCKET | begin BUCKET KEY: another program's look at a bucket.

sums prints "SHA256 SIZE KEY" of each object, read whole; heads the metadata of one; uploads what was begun and not ended.
It signs by itself (tests/s3/fill_bucket.py) and knows nothing of what it looks at.
"""
import hashlib
import http.client
import pathlib
import re
import sys
import urllib.parse
import xml.sax.saxutils

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "s3"))
import fill_bucket


def ask(method, path, query=""):
    endpoint, headers = fill_bucket.sign(method, path, b"", query)
    connection = http.client.HTTPConnection(endpoint.netloc, timeout=60)
    connection.request(method, path + ("?" + query if query else ""), headers=headers)
    response = connection.getresponse()
    body = response.read()
    if response.status not in (200, 204):
        sys.exit(f"{method} {path}: {response.status} {body[:500]}")
    return body, response.headers


def names(xml, name):
    return [xml_text(text) for text in re.findall(f"<{name}>(.*?)</{name}>", xml, re.DOTALL)]


def xml_text(text):
    return xml.sax.saxutils.unescape(text, {"&quot;": '"', "&apos;": "'"})


def keys(bucket, prefix):
    query = urllib.parse.urlencode(sorted({"list-type": "2", "prefix": prefix}.items()), quote_via=urllib.parse.quote, safe="")
    return names(ask("GET", f"/{bucket}", query)[0].decode(), "Key")


command, bucket, *more = sys.argv[1:]
if command == "make":
    ask("PUT", f"/{bucket}")
elif command == "sums":
    for key in keys(bucket, *more or [""]):
        body, _ = ask("GET", f"/{bucket}/" + urllib.parse.quote(key))
        print(hashlib.sha256(body).hexdigest(), len(body), key)
elif command == "heads":
    for name, value in sorted(ask("HEAD", f"/{bucket}/" + urllib.parse.quote(more[0]))[1].items()):
        if name.lower().startswith(("x-amz-meta-", "content-", "etag")):
            print(f"{name.lower()}: {value}")
elif command == "uploads":
    print(*names(ask("GET", f"/{bucket}", "uploads=")[0].decode(), "Key"), sep="\n", end="")
elif command == "begin":
    ask("POST", f"/{bucket}/" + urllib.parse.quote(more[0]), "uploads=")
