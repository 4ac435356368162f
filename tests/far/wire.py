"""HTTP/1.1 over TLS on loopback, for a far side that shares nothing with the product.

A server asks its application for the answer to each request; the application may
also say that the connection is to be cut without one.
"""

import functools
import os
import socket
import ssl
import subprocess
import tempfile
import threading
from urllib.parse import parse_qsl, unquote, urlsplit

CUT = object()  # instead of an answer: close the connection and say nothing

REASONS = {
    200: "OK", 201: "Created", 204: "No Content", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
    404: "Not Found", 405: "Method Not Allowed", 409: "Conflict", 429: "Too Many Requests",
    500: "Internal Server Error", 503: "Service Unavailable",
}


class Request:
    """One request: method, path without escapes, query as pairs, headers in lower case, body as bytes."""

    def __init__(self, method, target, headers, body):
        parts = urlsplit(target)
        self.method, self.headers, self.body = method, headers, body
        self.raw_path, self.path = parts.path, unquote(parts.path)
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True))

    def __repr__(self):
        return f"{self.method} {self.path}"


class Answer:
    """What goes back: status, headers, body as bytes."""

    def __init__(self, status, body=b"", headers=None):
        self.status, self.body, self.headers = status, body, headers or {}

    def __repr__(self):
        return f"{self.status}"


def read_request(file):
    """The next request of a connection; None at its end."""
    line = file.readline()
    if not line.strip():
        return None
    method, target, _ = line.decode("latin-1").split(" ", 2)
    headers = {}
    while (line := file.readline()) not in (b"\r\n", b"\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return Request(method, target, headers, read_chunks(file))
    return Request(method, target, headers, file.read(int(headers.get("content-length", 0))))


def read_chunks(file):
    parts = []
    while (size := int(file.readline().split(b";")[0], 16)) > 0:
        parts.append(file.read(size))
        file.readline()
    file.readline()
    return b"".join(parts)


def write_answer(stream, answer):
    lines = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Other')}"]
    headers = dict(answer.headers)
    headers["Content-Length"] = str(len(answer.body))
    lines += [f"{name}: {value}" for name, value in headers.items()]
    stream.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + answer.body)


class Server:
    """Listens on a free port of 127.0.0.1 and answers with application(request)."""

    def __init__(self, application, context=None):
        self.application, self.context = application, context
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.open, self.changed = 0, threading.Condition()
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self):
        return f"{'https' if self.context else 'http'}://127.0.0.1:{self.port}"

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.count(1)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def count(self, more):
        with self.changed:
            self.open += more
            self.changed.notify_all()

    def await_closed(self, seconds=60):
        """Wait until no connection is open: every request that was sent has been carried out, or never will be."""
        with self.changed:
            if not self.changed.wait_for(lambda: self.open == 0, seconds):
                raise TimeoutError(f"{self.open} connections are open")

    def serve(self, connection):
        try:
            stream = self.context.wrap_socket(connection, server_side=True) if self.context else connection
            with stream:
                self.converse(stream)
        except (OSError, ValueError):
            pass
        finally:
            self.count(-1)

    def converse(self, stream):
        file = stream.makefile("rb")
        while (request := read_request(file)) is not None:
            answer = self.application(request)
            if answer is CUT:
                return
            write_answer(stream, answer)

    def close(self):
        self.listener.close()


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], check=True, cwd=folder, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


@functools.cache
def certificates():
    """A server's TLS context for this machine and the file of its authority: one for all servers of a process."""
    made = tempfile.TemporaryDirectory(prefix="far-authority-")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl(made.name, "req", "-x509", *curve, "-days", "3", "-subj", "/CN=far side", "-keyout", "ca.key", "-out",
            "ca.pem", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl(made.name, "req", *curve, "-subj", "/CN=far", "-keyout", "server.key", "-out", "server.csr")
    with open(os.path.join(made.name, "server.ext"), "w", encoding="ascii") as file:
        file.write("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    openssl(made.name, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "3", "-extfile", "server.ext", "-out", "server.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(made.name, "server.pem"), os.path.join(made.name, "server.key"))
    return context, os.path.join(made.name, "ca.pem"), made
