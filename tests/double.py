"""What the HTTPS services of the specs share: an authority, a certificate, a log of the requests, and answers.

    PROGRAM DIRECTORY

makes an authority and a certificate in DIRECTORY, prints one JSON line with "base", "ca" and "log", and serves on
loopback until its standard input ends. DIRECTORY/log has one JSON line for each request: method, path, headers, body.
"""

import http.server
import json
import os
import ssl
import subprocess
import sys
import threading

DIRECTORY = sys.argv[1]
LOCK = threading.Lock()


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, cwd=DIRECTORY, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def make_certificates():
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
            "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=service", "-keyout",
            "server.key", "-out", "server.csr")
    with open(os.path.join(DIRECTORY, "server.ext"), "w", encoding="ascii") as file:
        file.write("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "server.ext", "-out", "server.pem")


class Handler(http.server.BaseHTTPRequestHandler):
    """A service: a subclass answers in respond(path, body), where path has no query."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are written apart; a client would acknowledge the headers late

    def log_message(self, *words):
        pass

    def answer(self, status, body=b"", kind="application/json", **headers):
        if not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if body:
            self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def note(self, body):
        with LOCK, open(os.path.join(DIRECTORY, "log"), "a", encoding="utf-8") as log:
            log.write(json.dumps({"method": self.command, "path": self.path, "body": body,
                                  "headers": {k.lower(): v for k, v in self.headers.items()}}) + "\n")

    def cut(self):
        """End the connection without an answer."""
        self.close_connection = True
        return self.connection.shutdown(2)

    def do(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.note(body)
        return self.respond(self.path.split("?")[0], body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do


def serve(handler, **more):
    """Serve until the standard input ends; the members of more are in the line that is printed."""
    make_certificates()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(DIRECTORY, "server.pem"), os.path.join(DIRECTORY, "server.key"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"base": f"https://127.0.0.1:{server.server_port}", "ca": os.path.join(DIRECTORY, "ca.pem"),
                      "log": os.path.join(DIRECTORY, "log"), **more}), flush=True)
    sys.stdin.read()
