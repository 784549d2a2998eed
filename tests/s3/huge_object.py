#!/usr/bin/env python3
"""huge_object.py put BUCKET KEY BYTES | compare FILE BYTES [PLACES]: an object each of whose 8 bytes says where it belongs.

put uploads it in parts to the store at AWS_ENDPOINT_URL; compare reads FILE, all of it or at PLACES places alone, and says the first
place where it is something else.
"""
import http.client
import os
import random
import re
import sys
import urllib.parse

import numpy
from fill_bucket import sign

PART_BYTES = 128 << 20
PIECE_BYTES = 8 << 20


def content(offset, byte_count):
    """`offset` a multiple of 8."""
    numbers = numpy.arange(offset // 8, (offset + byte_count + 7) // 8, dtype=numpy.uint64)
    return (numbers * numpy.uint64(0x9E3779B97F4A7C15)).tobytes()[:byte_count]


def ask(connection, method, path, query, body=b""):
    _, headers = sign(method, path, body, query)
    connection.request(method, f"{path}?{query}", body, headers)
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status == 200, (path, query, answer.status, text)
    return answer.headers, text.decode()


def upload(bucket, key, byte_count):
    path = f"/{bucket}/{key}"
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc)
    upload_id = re.search("<UploadId>(.*)</UploadId>", ask(connection, "POST", path, "uploads=")[1]).group(1)
    done = ""
    for number, offset in enumerate(range(0, byte_count, PART_BYTES), 1):
        part = content(offset, min(PART_BYTES, byte_count - offset))
        headers, _ = ask(connection, "PUT", path, f"partNumber={number}&uploadId={urllib.parse.quote(upload_id, safe='~-._')}", part)
        done += f"<Part><PartNumber>{number}</PartNumber><ETag>{headers['ETag']}</ETag></Part>"
    text = ask(connection, "POST", path, f"uploadId={urllib.parse.quote(upload_id, safe='~-._')}",
               f"<CompleteMultipartUpload>{done}</CompleteMultipartUpload>".encode())[1]
    assert "<CompleteMultipartUploadResult" in text, text


def compare(name, byte_count, places):
    assert os.stat(name).st_size == byte_count, os.stat(name)
    pieces = range(0, byte_count, PIECE_BYTES)
    with open(name, "rb", buffering=0) as file:
        for offset in pieces if places is None else random.Random(7).choices(pieces, k=places):
            size = min(PIECE_BYTES, byte_count - offset)
            file.seek(offset)
            if file.read(size) != content(offset, size):
                sys.exit(f"{name}: other bytes at {offset} and {size} on")


if sys.argv[1] == "put":
    upload(sys.argv[2], sys.argv[3], int(sys.argv[4]))
else:
    compare(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else None)
