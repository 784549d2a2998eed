#!/usr/bin/env python3
"""faulty_server.py [CERTIFICATE KEY [CERTIFICATE KEY]]: an HTTP server on a port of its own choice that misbehaves as it is told.

Prints the port and serves until its standard input ends. /NAME?fault=FAULT&times=K&... answers the first K requests
for NAME (all, when K is absent) with that fault, and the others as a good server would: an object of `size` bytes
(default 1,000,000), byte i being (131 * i + i // 1024) % 256, ETag "v1".

    status       status=S, and retry_after=SECONDS when given
    whole        200 with everything, whatever range is asked
    wrong_range  206 with the Content-Range of the bytes one further on
    short_range  206 with one byte less than asked
    no_range     206 without Content-Range
    truncated    closes after `at` bytes of the body
    unframed     the same, without Content-Length: the end of the connection ends the body
    over_long    sends `extra` bytes more than asked, in chunks
    reset        resets the connection after `at` bytes of the body
    close        closes without an answer
    stall        sends `at` bytes of the body, then nothing until the client leaves
    drip         sends a byte a second
    etag         is version "v2" (its bytes are all zero)
    ignores      does not know If-Match
    garbage      what is no HTTP
    headers      headers without end
    redirect     302 to `to`
    circle       302 to where the request came from
    error_body   status=S with an endless body

`after=K` answers the first K well, before the fault; `then=FAULT` is what comes after it. /store is an S3 bucket whose keys are the lines of the environment's
FAULTY_KEYS: what stands behind /NAME? above. With FAULTY_SOUND in the environment there are no faults.

With TLS, the file that the environment's FAULTY_TLS names says what becomes of connections: "MODE" or "MODE K" (the next K of them; then
all goes well), MODE being `cut` (in the middle of the handshake), `stall` (nothing comes of it) or `stranger` (it has the second
certificate). When the file's text changes, connections end at their next request.

/_seen/NAME has a line for each request for NAME: method, connection, Range, If-Match. Handles bytes=A-B and If-Match.
"""
import os
import re
import socket
import ssl
import struct
import sys
import threading
import urllib.parse

PATTERN = bytes((131 * i + i // 1024) % 256 for i in range(262144))  # repeats from here on
SEEN = {}
LOCK = threading.Lock()
NAMES = {200: "OK", 206: "Partial Content", 302: "Found", 403: "Forbidden", 404: "Not Found", 412: "Precondition Failed",
         416: "Range Not Satisfiable", 429: "Too Many Requests", 500: "Internal Server Error", 503: "Slow Down"}


def content(first, last, version):
    if version != '"v1"':
        return bytes(last + 1 - first)
    repeats = (last // len(PATTERN)) + 1
    return (PATTERN * repeats)[first:last + 1]


def listing():
    rows = "".join(f"<Contents><Key>{key.replace('&', '&amp;')}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;v1&quot;</ETag>"
                   f"<Size>{dict(urllib.parse.parse_qsl(key)).get('size', '1000000')}</Size></Contents>"
                   for key in sorted(os.environ["FAULTY_KEYS"].split("\n")))
    return f"<?xml version='1.0'?><ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>".encode()


class Handshakes:
    """What becomes of the next connection, by FAULTY_TLS."""

    def __init__(self, contexts):
        self.contexts, self.text, self.count = contexts, "", 0

    def now(self):
        if "FAULTY_TLS" not in os.environ:
            return ""
        with open(os.environ["FAULTY_TLS"], encoding="utf-8") as file:
            return file.read().strip()

    def shake(self, sock):
        """The TLS socket; None: it came to nothing."""
        with LOCK:
            text = self.now()
            self.count = self.count + 1 if text == self.text else 1
            self.text = text
            mode, _, times = text.partition(" ")
            if self.count > int(times or "1000000"):
                mode = ""
        if mode in ("cut", "stall"):
            sock.recv(1)
            if mode == "cut":
                sock.sendall(b"\x16\x03\x03\x00\x7a\x02\x00")
            else:
                while sock.recv(65536):
                    pass
            sock.close()
            return None
        return self.contexts[1 if mode == "stranger" else 0].wrap_socket(sock, server_side=True)


class Connection:
    def __init__(self, sock, number, is_over):
        self.sock, self.number, self.is_over = sock, number, is_over
        self.file = sock.makefile("rb")

    def serve(self):
        try:
            while self.one():
                pass
        except OSError:
            pass
        finally:
            self.file.close()
            self.sock.close()

    def one(self):
        line = self.file.readline()
        if not line or self.is_over():
            return False
        method, target, _ = line.decode().split()
        headers = {}
        while (line := self.file.readline()) not in (b"\r\n", b""):
            name, value = line.decode().split(":", 1)
            headers[name.lower()] = value.strip()
        self.file.read(int(headers.get("content-length", 0)))
        url = urllib.parse.urlsplit(target)
        name = url.path[1:]
        query = {key: values[0] for key, values in urllib.parse.parse_qs(url.query).items()}
        if name.startswith("_seen/"):
            with LOCK:
                text = "".join(line + "\n" for line in SEEN.get(urllib.parse.unquote(name[6:]), []))
            return self.send(200, text.encode())
        if name.strip("/") == "store":
            return self.send(200, listing())
        if name.startswith("store/"):
            name = urllib.parse.unquote(name[6:])
            query = dict(urllib.parse.parse_qsl(name))
        with LOCK:
            seen = SEEN.setdefault(name, [])
            seen.append(f"{method} {self.number} {headers.get('range', '-')} {headers.get('if-match', '-')}")
            count = len(seen)
        fault = query.get("fault", "")
        after = int(query.get("after", "0"))
        if "FAULTY_SOUND" in os.environ:
            fault = ""
        elif not after < count <= after + int(query.get("times", "1000000")):
            fault = query.get("then", "") if count > after else ""
        return self.answer(method, headers, {**query, "self": target}, fault)

    def head(self, status, fields):
        text = f"HTTP/1.1 {status} {NAMES.get(status, 'Status')}\r\n"
        self.sock.sendall((text + "".join(f"{k}: {v}\r\n" for k, v in fields.items()) + "\r\n").encode())

    def send(self, status, body, **fields):
        self.head(status, {"Content-Length": len(body), **{k.replace("_", "-"): v for k, v in fields.items()}})
        self.sock.sendall(body)
        return True

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    def answer(self, method, headers, query, fault):
        if fault == "close":
            return False
        if fault == "garbage":
            self.sock.sendall(b"\0\1\2 no http\r\n\r\n" * 10)
            return False
        if fault == "headers":
            self.sock.sendall(b"HTTP/1.1 200 OK\r\n")
            for number in range(100000):
                self.sock.sendall(b"X-%d: %s\r\n" % (number, b"x" * 1000))
            return False
        if fault in ("redirect", "circle"):
            return self.send(302, b"elsewhere", Location=query["to" if fault == "redirect" else "self"])
        if fault == "status":
            extra = {"Retry_After": query["retry_after"]} if "retry_after" in query else {}
            return self.send(int(query["status"]), b"told to", **extra)
        if fault == "error_body":
            self.head(int(query["status"]), {})
            while True:
                self.sock.sendall(bytes(65536))
        version = '"v2"' if fault == "etag" else '"v1"'
        if fault != "ignores" and headers.get("if-match", version) != version:
            return self.send(412, b"another version")
        size = int(query.get("size", 1000000))
        first, last, status = 0, size - 1, 200
        if asked := re.fullmatch(r"bytes=(\d+)-(\d+)", headers.get("range", "")):
            first, last, status = int(asked[1]), min(int(asked[2]), size - 1), 206
            if first >= size:
                return self.send(416, b"behind the end")
        if fault == "whole":
            first, last, status = 0, size - 1, 200
        if fault == "short_range":
            last -= 1
        fields = {"ETag": version if fault != "ignores" else '"v2"', "Content-Length": last + 1 - first}
        if status == 206 and fault != "no_range":
            shift = 1 if fault == "wrong_range" else 0
            fields["Content-Range"] = f"bytes {first + shift}-{last + shift}/{size}"
        if query.get("weak"):
            fields["ETag"] = "W/" + fields["ETag"]
        body = content(first, last, version)
        at = int(query.get("at", 0))
        if fault in ("unframed", "over_long"):
            del fields["Content-Length"]
        if fault == "over_long":
            fields["Transfer-Encoding"] = "chunked"
        self.head(status, fields)
        if method == "HEAD":
            return True
        if fault in ("truncated", "unframed"):
            self.sock.sendall(body[:at])
            return False
        if fault == "reset":
            self.sock.sendall(body[:at])
            return self.reset()
        if fault == "stall":
            self.sock.sendall(body[:at])
            self.sock.recv(1)
            return False
        if fault == "drip":
            gone = threading.Event()
            for byte in body:
                self.sock.sendall(bytes([byte]))
                gone.wait(1)
            return False
        if fault == "over_long":
            body += bytes(int(query["extra"]))
            self.sock.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
            return True
        self.sock.sendall(body)
        return True


def main():
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    contexts = []
    for certificate, key in zip(sys.argv[1::2], sys.argv[2::2]):
        contexts.append(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        contexts[-1].load_cert_chain(certificate, key)
    handshakes = Handshakes(contexts)

    def serve(sock, number):
        before = handshakes.now()
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if contexts:
                sock = handshakes.shake(sock)
        except OSError:
            sock.close()
            return
        if sock is not None:
            Connection(sock, number, lambda: handshakes.now() != before).serve()

    def accept():
        number = 0
        while True:
            sock, _ = listener.accept()
            number += 1
            threading.Thread(target=serve, args=(sock, number), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()


main()
