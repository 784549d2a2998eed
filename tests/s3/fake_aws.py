#!/usr/bin/env python3
"""fake_aws.py: what of AWS a real S3 server beside the tests does not have, on a port of its own choice.

Prints the port and serves until its standard input ends. Services of credentials (each answer has another key, which
expires at the beginning of 2030): /latest/ is a machine's (IMDSv2), /container a container's, /sts/ exchanges web identities.
Buckets: /far is in eu-west-1; /expired wants the key NEW; /late believes that it is 2030; /late-for-ever always says that we
are late; /payer wants to be paid; /loop says that the same page comes next; /pages has the keys 000 to 029 in three pages.
"""
import http.server
import sys
import threading
import urllib.parse

LOCK = threading.Lock()
COUNT = 0
EXPIRES = "2030-01-01T00:00:00Z"


def new_key():
    global COUNT
    with LOCK:
        COUNT += 1
        return f"KEY{COUNT}"


def json_keys():
    return f'{{"AccessKeyId": "{new_key()}", "SecretAccessKey": "S", "Token": "T", "Expiration": "{EXPIRES}"}}'


def listing(first, last, token=""):
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    keys = "".join(f"<Contents><Key>{n:03}</Key><LastModified>2020-01-01T00:00:00.000Z</LastModified><ETag>e</ETag>"
                   f"<Size>{n}</Size></Contents>" for n in range(first, last))
    return f"<ListBucketResult>{more}{keys}</ListBucketResult>"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def say(self, status, text="", **headers):
        body = text.encode()
        self.send_response_only(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status, code, more="", **headers):
        self.say(status, f"<Error><Code>{code}</Code>{more}</Error>", **headers)

    def any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        signed = self.headers.get("Authorization", "")
        match url.path.split("/")[1]:
            case "latest":
                self.machine(url.path)
            case "container":
                self.say(200, json_keys()) if signed == "ctoken" else self.say(401)
            case "sts":
                form = dict(urllib.parse.parse_qsl(body))
                if (form.get("Action"), form.get("WebIdentityToken")) != ("AssumeRoleWithWebIdentity", "w+token/"):
                    self.say(403, "<ErrorResponse/>")
                    return
                self.say(200, "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
                         f"<AccessKeyId>{new_key()}</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>{form['RoleArn']}"
                         f"</SessionToken><Expiration>{EXPIRES}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
                         "</AssumeRoleWithWebIdentityResponse>")
            case "far" if "/eu-west-1/s3/" not in signed:
                self.error(301, "PermanentRedirect", x_amz_bucket_region="eu-west-1")
            case "expired" if "Credential=NEW/" not in signed:
                self.error(400, "ExpiredToken")
            case "late" if not self.headers.get("x-amz-date", "").startswith("20300101T"):
                self.error(403, "RequestTimeTooSkewed", Date="Tue, 01 Jan 2030 12:00:00 GMT")
            case "late-for-ever":
                self.error(403, "RequestTimeTooSkewed", Date="Tue, 01 Jan 2030 12:00:00 GMT")
            case "payer" if self.headers.get("x-amz-request-payer") != "requester":
                self.error(403, "AccessDenied")
            case "loop":
                self.say(200, listing(0, 1, "again"))
            case "pages":
                start = int(query.get("continuation-token", 0))
                self.say(200, listing(start, start + 10, str(start + 10) if start < 20 else ""))
            case _:
                self.say(200, listing(0, 1))

    def machine(self, path):
        if path == "/latest/api/token":
            ok = self.command == "PUT" and self.headers.get("X-aws-ec2-metadata-token-ttl-seconds")
            self.say(200, "itoken") if ok else self.say(400)
        elif self.headers.get("X-aws-ec2-metadata-token") != "itoken":
            self.say(401)
        elif path.endswith("/security-credentials/"):
            self.say(200, "my-role\n")
        else:
            self.say(200, json_keys()) if path.endswith("/security-credentials/my-role") else self.say(404)

    do_GET = do_PUT = do_POST = do_HEAD = any


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


main()
