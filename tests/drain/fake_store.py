#!/usr/bin/env python3
"""fake_store.py: an S3 store of one bucket, in memory, on a port of its own choice, that misbehaves as it is told.

Prints the port and serves until its standard input ends. It compares bodies with their Content-MD5 and x-amz-content-sha256. Keys:

/_fault/OPERATION/KIND?times=N&after=M: the M+1st and following N of these requests go wrong (times absent: all of them; KIND none: no fault).
    OPERATION   put, part, begin, complete, abort, copy, copy_part, head, get, list, uploads, remove
    KIND        a status (503), perhaps with S3's word for it (403-AccessDenied)
                cut         half of the body is read, then the connection is reset
                lost        it is done, and the connection closed without an answer
                error       200, and an error in the body (InternalError); nothing is done
                done_error  the same, and it is done
                half        200 and half a document; it is done
                damage      a byte is turned over before it is stored, and nobody compares
                stall       no answer
/_etags/other: from now on ETags are no checksums; /_etags/md5: they are again
/_log: a line for each request, in order: OPERATION KEY, of parts their number, and what became of it
/_clear: all is forgotten
"""
import collections
import hashlib
import base64
import http.server
import socket
import struct
import sys
import threading
import time
import urllib.parse
from xml.sax.saxutils import escape

LOCK = threading.RLock()
OBJECTS, UPLOADS, FAULTS, LOG = {}, {}, {}, []
STATE = {"etags": "md5", "uploads": 0}
Thing = collections.namedtuple("Thing", "body etag meta time")


def iso(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


def etag_of(digest):
    return f'"{digest}"' if STATE["etags"] == "md5" else f'"{hashlib.md5(digest.encode()).hexdigest()}"'


def listing(query):
    prefix, delimiter, most = query.get("prefix", ""), query.get("delimiter", ""), int(query.get("max-keys", 1000))
    after = query.get("continuation-token", query.get("start-after", ""))
    rows, prefixes = [], []
    for key in sorted(OBJECTS):
        if not key.startswith(prefix) or key <= after or (prefixes and key.startswith(prefixes[-1])):
            continue
        if len(rows) + len(prefixes) == most:
            return rows, prefixes, True
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        if end >= 0:
            prefixes.append(key[:end + 1])
        else:
            rows.append(key)
    return rows, prefixes, False


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle(self):
        try:
            super().handle()
        except OSError:
            pass

    def say(self, status, body=b"", **headers):
        self.send_response_only(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status, code):
        self.say(status, f"<Error><Code>{code}</Code><Message>told to</Message></Error>".encode())

    def document(self, root, *rows):
        self.say(200, f"<?xml version='1.0'?><{root}>{''.join(rows)}</{root}>".encode())

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def operation(self, query):
        if self.command == "POST":
            return "begin" if "uploads" in query else "complete"
        if self.command == "DELETE":
            return "abort" if "uploadId" in query else "remove"
        if self.command == "HEAD":
            return "head"
        if self.command == "GET":
            return "get" if self.key else "uploads" if "uploads" in query else "list"
        kind = "part" if "partNumber" in query else "put"
        return ("copy_part" if kind == "part" else "copy") if "x-amz-copy-source" in self.headers else kind

    def fault(self, operation):
        with LOCK:
            kind, times, after = FAULTS.get(operation, ("none", 0, 0))
            if after > 0:
                FAULTS[operation] = (kind, times, after - 1)
                return "none"
            if times > 0:
                FAULTS[operation] = (kind, times - 1, 0)
            return kind if times != 0 else "none"

    def control(self, path, query):
        words = path.split("/")[1:]
        with LOCK:
            if words[0] == "_fault":
                FAULTS[words[1]] = (words[2], int(query.get("times", -1)), int(query.get("after", 0)))
            elif words[0] == "_etags":
                STATE["etags"] = words[1]
            elif words[0] == "_clear":
                for all_of in (OBJECTS, UPLOADS, FAULTS, LOG):
                    all_of.clear()
                STATE["etags"] = "md5"
            elif words[0] == "_log":
                return self.say(200, "".join(line + "\n" for line in LOG).encode())
            elif words[0] == "_object":
                return self.say(200, OBJECTS[query["key"]].body)
        return self.say(200)

    def serve(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        if url.path.startswith("/_"):
            return self.control(url.path, query)
        bucket, _, key = url.path[1:].partition("/")
        self.key = urllib.parse.unquote(key)
        operation = self.operation(query)
        kind = self.fault(operation)
        length = int(self.headers.get("Content-Length", 0))
        if kind == "cut":
            self.rfile.read(length // 2)
            self.note(operation, query, kind)
            return self.reset()
        body = self.rfile.read(length)
        self.note(operation, query, kind)
        if bucket != "store":
            return self.error(404, "NoSuchBucket")
        if kind[0].isdigit():
            status, _, code = kind.partition("-")
            return self.error(int(status), code or {"503": "SlowDown", "500": "InternalError", "429": "TooManyRequests"}.get(status, "Other"))
        if kind == "stall":
            return self.connection.recv(1)
        if kind == "error":
            return self.error(200, "InternalError")
        if kind == "damage" and body:
            body = bytes([body[0] ^ 1]) + body[1:]
        elif "Content-MD5" in self.headers and base64.b64decode(self.headers["Content-MD5"]) != hashlib.md5(body).digest():
            return self.error(400, "BadDigest")
        elif self.headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD") not in ("UNSIGNED-PAYLOAD", hashlib.sha256(body).hexdigest()):
            return self.error(400, "XAmzContentSHA256Mismatch")
        self.answer_kind = kind
        with LOCK:
            return self.act(operation, query, body)

    def note(self, operation, query, kind):
        with LOCK:
            number = " " + query["partNumber"] if "partNumber" in query else ""
            LOG.append(f"{operation} {self.key}{number} {kind}")

    def done(self, status, body=b"", **headers):
        if self.answer_kind == "lost":
            return self.reset()
        if self.answer_kind == "done_error":
            return self.error(200, "InternalError")
        if self.answer_kind == "half":
            body = body[:len(body) // 2]
        return self.say(status, body, **headers)

    def done_document(self, root, *rows):
        return self.done(200, f"<?xml version='1.0'?><{root}>{''.join(rows)}</{root}>".encode())

    def meta(self):
        return {name.lower(): value for name, value in self.headers.items() if name.lower().startswith("x-amz-meta-")}

    def source(self):
        key = urllib.parse.unquote(self.headers["x-amz-copy-source"]).removeprefix("/").partition("/")[2]
        thing = OBJECTS.get(key)
        if thing is None:
            self.error(404, "NoSuchKey")
        elif self.headers.get("x-amz-copy-source-if-match", thing.etag) != thing.etag:
            self.error(412, "PreconditionFailed")
            return None
        return thing

    def act(self, operation, query, body):
        now = time.time()
        if operation in ("part", "copy_part", "complete", "abort") and query["uploadId"] not in UPLOADS:
            return self.error(404, "NoSuchUpload")
        if operation in ("head", "get") and self.key not in OBJECTS:
            return self.error(404, "NoSuchKey")
        upload = UPLOADS.get(query.get("uploadId"))
        match operation:
            case "put":
                etag = etag_of(hashlib.md5(body).hexdigest())
                OBJECTS[self.key] = Thing(body, etag, self.meta(), now)
                self.done(200, ETag=etag)
            case "begin":
                STATE["uploads"] += 1
                number = str(STATE["uploads"])
                UPLOADS[number] = {"key": self.key, "parts": {}, "meta": self.meta(), "time": now}
                self.done_document("InitiateMultipartUploadResult", f"<UploadId>{number}</UploadId>")
            case "part":
                upload["parts"][int(query["partNumber"])] = body
                self.done(200, ETag=etag_of(hashlib.md5(body).hexdigest()))
            case "copy_part":
                if thing := self.source():
                    first, last = map(int, self.headers["x-amz-copy-source-range"].removeprefix("bytes=").split("-"))
                    upload["parts"][int(query["partNumber"])] = thing.body[first:last + 1]
                    self.done_document("CopyPartResult", f"<ETag>{etag_of(hashlib.md5(thing.body[first:last + 1]).hexdigest())}</ETag>")
            case "complete":
                parts = [upload["parts"][number] for number in sorted(upload["parts"])]
                if body.count(b"<Part>") != len(parts):
                    return self.error(400, "InvalidPart")
                digest = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()
                thing = Thing(b"".join(parts), etag_of(f"{digest}-{len(parts)}"), upload["meta"], now)
                OBJECTS[upload["key"]] = thing
                del UPLOADS[query["uploadId"]]
                self.done_document("CompleteMultipartUploadResult", f"<ETag>{escape(thing.etag)}</ETag>")
            case "abort":
                del UPLOADS[query["uploadId"]]
                self.done(204)
            case "copy":
                if thing := self.source():
                    meta = self.meta() if self.headers["x-amz-metadata-directive"] == "REPLACE" else thing.meta
                    OBJECTS[self.key] = thing._replace(meta=meta, time=now, etag=etag_of(hashlib.md5(thing.body).hexdigest()))
                    self.done_document("CopyObjectResult", "<ETag>x</ETag>")
            case "remove":
                OBJECTS.pop(self.key, None)
                self.done(204)
            case "head" | "get":
                self.give(OBJECTS[self.key])
            case "list":
                rows, prefixes, more = listing(query)
                self.done_document("ListBucketResult", "<EncodingType>url</EncodingType>", f"<IsTruncated>{str(more).lower()}</IsTruncated>",
                                   f"<NextContinuationToken>{escape(max(rows + prefixes, default=''))}</NextContinuationToken>" if more else "",
                                   *(f"<Contents><Key>{urllib.parse.quote(key)}</Key><LastModified>{iso(OBJECTS[key].time)}</LastModified>"
                                     f"<ETag>{escape(OBJECTS[key].etag)}</ETag><Size>{len(OBJECTS[key].body)}</Size></Contents>" for key in rows),
                                   *(f"<CommonPrefixes><Prefix>{urllib.parse.quote(key)}</Prefix></CommonPrefixes>" for key in prefixes))
            case "uploads":
                # One a page, so that pages are tested.
                found = sorted((upload["key"], number) for number, upload in UPLOADS.items() if upload["key"].startswith(query.get("prefix", "")))
                left = [one for one in found if one > (query.get("key-marker", ""), query.get("upload-id-marker", ""))]
                self.done_document("ListMultipartUploadsResult", f"<IsTruncated>{str(len(left) > 1).lower()}</IsTruncated>",
                                   *(f"<NextKeyMarker>{escape(key)}</NextKeyMarker><NextUploadIdMarker>{number}</NextUploadIdMarker><Upload>"
                                     f"<Key>{escape(key)}</Key><UploadId>{number}</UploadId><Initiated>{iso(UPLOADS[number]['time'])}</Initiated>"
                                     "</Upload>" for key, number in left[:1]))

    def give(self, thing):
        if self.headers.get("If-Match", thing.etag) != thing.etag:
            return self.error(412, "PreconditionFailed")
        first, last, status, more = 0, len(thing.body) - 1, 200, {}
        if asked := self.headers.get("Range"):
            first, last = map(int, asked.removeprefix("bytes=").split("-"))
            status, more = 206, {"Content-Range": f"bytes {first}-{last}/{len(thing.body)}"}
        headers = {"ETag": thing.etag, "Last-Modified": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(thing.time)), **thing.meta, **more}
        return self.done(status, thing.body[first:last + 1], **headers)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = serve


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
