"""A TLS server on loopback that misbehaves on request, for the gate's specs.

    hostile.py DIRECTORY

makes its certificates in DIRECTORY, prints one JSON line (ports by certificate,
files of the authorities) and serves until its standard input ends, at most two
minutes. What a path does is in misdeeds.py; /echo tells what was received,
/seen how often each path was asked for. /stray/HOW sends an answer that nobody
asked for after its own, in a way of its own, and /go answers when that was sent.
"""

import collections
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

from misdeeds import KEPT, OK, PLAIN, lines, plain

DIRECTORY = sys.argv[1]
SEEN = collections.Counter()
CONNECTIONS = collections.Counter()
GO, SENT = threading.Event(), threading.Event()
STRAY = lines("HTTP/1.1 204 No Content", "", "")


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, cwd=DIRECTORY,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def authority(name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")


# What `openssl ca` needs: unlike `openssl x509`, it gives a certificate dates of the past in OpenSSL 3.0 and in 3.5.
AUTHORITY = """[ca]
default_ca = authority
[authority]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = names
[names]
commonName = supplied
"""


def write(name, text):
    with open(os.path.join(DIRECTORY, name), "w") as file:
        file.write(text)


def certificate(name, issuer, subject, extensions, expired=False):
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={subject}",
            "-keyout", f"{name}.key", "-out", f"{name}.csr")
    write(f"{name}.ext", extensions + "\n")
    if expired:
        write("authority", AUTHORITY)
        write("index", "")
        openssl("ca", "-batch", "-notext", "-config", "authority", "-cert", f"{issuer}.pem", "-keyfile", f"{issuer}.key",
                "-create_serial", "-startdate", "20200101000000Z", "-enddate", "20200102000000Z",
                "-extfile", f"{name}.ext", "-in", f"{name}.csr", "-out", f"{name}.pem")
        return
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key",
            "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.pem")


HERE = "subjectAltName=IP:127.0.0.1,DNS:localhost"


def make_certificates():
    authority("ca")
    authority("other")
    certificate("good", "ca", "server", HERE)
    certificate("wrong_host", "ca", "localhost", "subjectAltName=DNS:elsewhere.test")
    certificate("subject_only", "ca", "localhost", "keyUsage=digitalSignature")
    certificate("expired", "ca", "server", HERE, expired=True)
    certificate("for_clients", "ca", "server", HERE + "\nextendedKeyUsage=clientAuth")
    certificate("stranger", "other", "server", HERE)


def read_request(file):
    line = file.readline()
    if not line.strip():
        return None
    method, path, _ = line.decode().split(" ", 2)
    headers = []
    while (line := file.readline().strip()):
        name, value = line.decode("latin-1").split(":", 1)
        headers.append([name.lower(), value.strip()])
    length = int(dict(headers).get("content-length", 0))
    return {"method": method, "path": path, "headers": headers, "body": file.read(length).decode("latin-1")}


def send_stray(stream, how):
    """Send an answer to /stray/HOW, and one more."""
    GO.clear()
    SENT.clear()
    right = plain(OK)
    if how == "split":  # the end of the answer and the stray one in one TLS record
        stream.sendall(right[:-len(OK)])
        stream.sendall(OK + STRAY)
    else:
        stream.sendall(right)
        if how == "late":  # when the connection has gone idle
            GO.wait(20)
        if how != "none":
            stream.sendall(STRAY)
    SENT.set()


def with_id(request, id_of, status):
    """An answer that says to which request it is one."""
    ours = dict(request["headers"]).get("client-request-id", "")
    return lines(f"HTTP/1.1 {status}", "Content-Length: 0", f"client-request-id: {id_of(ours)}", "", "")


IDS = {"/id/ours": lambda ours: ours, "/id/louder": str.upper, "/id/other": lambda ours: ours[:-1] + "_",
       "/id/longer": lambda ours: ours + "0", "/id/empty": lambda ours: ""}


def answer(stream, request, number):
    """Send what the path asks for; False when the connection has to close."""
    path = request["path"].split("?")[0].removeprefix("/v1.0")
    SEEN[path] += 1
    if path.startswith("/echo"):
        stream.sendall(plain(json.dumps({**request, "connection": number}).encode()))
        return True
    if path == "/seen":
        stream.sendall(plain(json.dumps({**SEEN, "connections": number}).encode()))
        return True
    if path.startswith("/late/"):
        time.sleep(int(path.removeprefix("/late/")) / 1000)
        stream.sendall(plain(OK))
        return True
    if path.startswith("/stray/"):
        send_stray(stream, path.removeprefix("/stray/"))
        return True
    if path == "/go":
        GO.set()
        SENT.wait(20)
        stream.sendall(plain(OK))
        return True
    if path in IDS:
        stream.sendall(with_id(request, IDS[path], "204 No Content"))
        return True
    if path == "/denied":
        stream.sendall(plain(b'{"error":{"code":"Authorization_RequestDenied","message":"no"}}',
                             f"X-Connection: {number}", status="403 Forbidden"))
        return True
    if path == "/silent":
        time.sleep(20)
        return False
    if path == "/second_drops":
        CONNECTIONS[number] += 1
        if CONNECTIONS[number] == 1:
            stream.sendall(plain(OK))
        return CONNECTIONS[number] == 1
    sent = PLAIN[path[1:]]()
    for part in [sent] if isinstance(sent, bytes) else sent:
        stream.sendall(part)
    return path[1:] in KEPT


def serve_connection(listener_context, connection, number):
    try:
        with listener_context.wrap_socket(connection, server_side=True) as stream:
            file = stream.makefile("rb")
            while (request := read_request(file)) and answer(stream, request, number):
                pass
            if request and request["path"].endswith(("/no_length", "/claims_h2")):
                stream.unwrap()
    except (OSError, ValueError, KeyError):
        pass


def serve(name, port_listener):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(DIRECTORY, f"{name}.pem"), os.path.join(DIRECTORY, f"{name}.key"))
    number = 0
    while True:
        connection, _ = port_listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number += 1
        threading.Thread(target=serve_connection, args=(context, connection, number), daemon=True).start()


def break_off(listener, abruptly):
    """Read the start of each handshake, and end the connection."""
    while True:
        connection, _ = listener.accept()
        connection.recv(65536)
        if abruptly:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


def pump(source, target):
    try:
        while (data := source.recv(65536)):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def tunnel(connection, ports):
    """One CONNECT of a proxy that leads to the good server and nowhere else."""
    file = connection.makefile("rb")
    target = file.readline().decode().split(" ")[1]
    SEEN["CONNECT " + target] += 1
    while (line := file.readline().strip()):
        if line.lower().startswith(b"authorization"):
            SEEN["CONNECT with authorization"] += 1
    if int(target.rsplit(":", 1)[1]) != ports["good"]:
        connection.sendall(lines("HTTP/1.1 407 Proxy Authentication Required", "Content-Length: 0", "", ""))
        connection.close()
        return
    connection.sendall(lines("HTTP/1.1 200 Connected", "X-Proxy: 1", "", ""))
    upstream = socket.create_connection(("127.0.0.1", ports["good"]))
    threading.Thread(target=pump, args=(upstream, connection), daemon=True).start()
    pump(connection, upstream)


def serve_proxy(listener, ports):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=tunnel, args=(connection, ports), daemon=True).start()


def main():
    signal.alarm(120)
    make_certificates()
    ports = {}
    for name in ("good", "wrong_host", "subject_only", "expired", "for_clients", "stranger"):
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        ports[name] = listener.getsockname()[1]
        threading.Thread(target=serve, args=(name, listener), daemon=True).start()
    for name, abruptly in (("resets", True), ("hangs_up", False)):
        listener = socket.create_server(("127.0.0.1", 0))
        ports[name] = listener.getsockname()[1]
        threading.Thread(target=break_off, args=(listener, abruptly), daemon=True).start()
    proxy = socket.create_server(("127.0.0.1", 0))
    ports["proxy"] = proxy.getsockname()[1]
    threading.Thread(target=serve_proxy, args=(proxy, ports), daemon=True).start()
    closed = socket.create_server(("127.0.0.1", 0))
    ports["closed"] = closed.getsockname()[1]
    closed.close()
    print(json.dumps({"ports": ports, "ca": os.path.join(DIRECTORY, "ca.pem"),
                      "other": os.path.join(DIRECTORY, "other.pem")}), flush=True)
    sys.stdin.read()


main()
