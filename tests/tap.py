"""Stands between the program and the emulator: sees all, and spoils some.

    tap.py DIRECTORY READY [FRONTS]

READY is the emulator's ready line; FRONTS, an object of ports by peer, says where
something else stands before the tap and is talked to instead. Makes an authority
of its own in DIRECTORY and a configuration that leads here (moonlatch.lua),
prints one JSON line and serves until its standard input ends, at most ten minutes.

Each exchange goes to DIRECTORY/wire.jsonl as the program saw it: {peer,
method, path, headers, body, status, answer}. What a request names as
`misdeed-NAME` (in its path or body), or what a line "PEER METHOD PATTERN NAME" of
DIRECTORY/rules says (* stands for anything in path, space and body; used up from the top), is
answered by that misdeed of misdeeds.py. DIRECTORY/links.json is an object of
names and texts: Graph's /v1.0/NAME is answered by a page with that next link,
the login service's discovery of the tenant NAME by one with that token endpoint.
Two more listeners, with TLS and without, write who comes to DIRECTORY/strays.
"""

import fnmatch
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

import misdeeds

DIRECTORY, READY = sys.argv[1], json.loads(sys.argv[2])
PEERS = ("login", "graph", "devolutions")
LOCK = threading.Lock()
PORTS = {}  # ours (or the fronts') -> the emulator's, as texts
FRONTS = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}


def path(name):
    return os.path.join(DIRECTORY, name)


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, cwd=DIRECTORY, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def make_certificate():
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-days", "2", "-subj", "/CN=tap", "-keyout", "ca.key", "-out", "ca.pem",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", *key, "-subj", "/CN=server", "-keyout", "server.key", "-out", "server.csr")
    with open(path("server.ext"), "w") as file:
        file.write("subjectAltName=IP:127.0.0.1,DNS:localhost\nauthorityKeyIdentifier=keyid\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "server.ext", "-out", "server.pem")


def make_configuration():
    with open(READY["config"]) as file:
        text = re.sub(r'clock = "[^"]*"', f'clock = "{os.path.abspath(READY["clock"])}"', file.read())
    for ours, theirs in PORTS.items():
        text = text.replace(f"127.0.0.1:{theirs}", f"127.0.0.1:{ours}")
    with open(path("moonlatch.lua"), "w") as file:
        file.write(text)
    for name in ("journal.key", "devolutions.secret"):
        with open(os.path.join(os.path.dirname(READY["config"]), name), "rb") as source, open(path(name), "wb") as copy:
            copy.write(source.read())


def swap(data, away):
    """The addresses in these bytes, turned from ours to the emulator's (away) or back."""
    for ours, theirs in PORTS.items():
        old, new = (ours, theirs) if away else (theirs, ours)
        for form in ("127.0.0.1:%s", "127.0.0.1%%3A%s", "127.0.0.1%%3a%s"):
            data = data.replace((form % old).encode(), (form % new).encode())
    return data


# ---- one exchange ----

def read_request(file):
    line = file.readline()
    if not line.strip():
        return None
    method, target, _ = line.decode("latin-1").split(" ", 2)
    headers = []
    while (line := file.readline().strip()):
        name, value = line.decode("latin-1").split(":", 1)
        headers.append([name.lower(), value.strip()])
    length = int(dict(headers).get("content-length", 0))
    return {"method": method, "path": target, "headers": headers, "body": file.read(length).decode("latin-1")}


def write_wire(peer, asked, status, answer):
    line = json.dumps({"peer": peer, **asked, "status": status, "answer": answer.decode("latin-1")})
    with LOCK, open(path("wire.jsonl"), "a") as file:
        file.write(line + "\n")


def forward(peer, asked):
    """The emulator's answer as (status, headers, body), or None when it gives none."""
    upstream = http.client.HTTPSConnection("127.0.0.1", int(UPSTREAM[peer]), context=ssl._create_unverified_context())
    body = swap(asked["body"].encode("latin-1"), True)
    headers = {name: swap(value.encode("latin-1"), True).decode("latin-1") for name, value in asked["headers"]
               if name not in ("host", "content-length", "connection", "accept-encoding")}
    try:
        upstream.request(asked["method"], swap(asked["path"].encode("latin-1"), True).decode("latin-1"),
                         body if body or asked["method"] != "GET" else None, headers)
        answer = upstream.getresponse()
        return answer.status, answer.getheaders(), swap(answer.read(), False)
    except (OSError, http.client.HTTPException):
        return None
    finally:
        upstream.close()


def relay(stream, peer, asked):
    answered = forward(peer, asked)
    if not answered:
        write_wire(peer, asked, 0, b"")
        return False
    status, headers, body = answered
    write_wire(peer, asked, status, body)
    dropped = ("content-length", "transfer-encoding", "connection")
    kept = [f"{name}: {swap(value.encode('latin-1'), False).decode('latin-1')}" for name, value in headers
            if name.lower() not in dropped]
    head = f"HTTP/1.1 {status} Said", *kept, *([] if status == 204 else [f"Content-Length: {len(body)}"])
    stream.sendall("\r\n".join([*head, "", ""]).encode("latin-1") + body)
    return True


# ---- spoiling ----

RIGHT = {
    "login": {"token_type": "Bearer", "expires_in": 3600, "access_token": "e30.e30.c2lnbmF0dXJlLW9mLW5vLXVzZQ",
              "device_code": "a-device-code-of-no-use", "user_code": "ABCDEFGHJ", "interval": 1,
              "verification_uri": "https://login.example.test/", "message": "Sign in."},
    "graph": {"value": [], "id": "1"},
    "devolutions": {"data": [], "currentPage": 1, "totalPage": 1, "tokenId": "a-session-id-of-no-use"},
}


def rule_for(peer, asked):
    """The misdeed that the first fitting line of the rules asks for; it is used up."""
    with LOCK:
        if not os.path.exists(path("rules")):
            return None
        with open(path("rules")) as file:
            rules = file.read().splitlines()
        for i, rule in enumerate(rules):
            wanted, method, pattern, name = rule.split(" ")
            text = f"{asked['path']} {asked['body']}"
            if wanted == peer and method == asked["method"] and fnmatch.fnmatchcase(text, pattern):
                with open(path("rules"), "w") as file:
                    file.write("\n".join(rules[:i] + rules[i + 1:]))
                return name
    return None


def misdeed_for(peer, asked):
    named = re.search(r"misdeed-(\w+)", asked["path"] + " " + asked["body"])
    return named[1] if named else rule_for(peer, asked)


def make_misdeed(peer, asked, name):
    right = RIGHT[peer]
    special = misdeeds.token_answers(right, "access_token" if peer == "login" else "tokenId") if peer != "graph" else {}
    if name in special:
        return special[name]
    if name in misdeeds.ANSWERS:
        return misdeeds.ANSWERS[name](right, asked)
    return misdeeds.PLAIN[name]()


def spoil(stream, peer, asked, name):
    sent = make_misdeed(peer, asked, name)
    write_wire(peer, asked, 0, name.encode())
    for part in [sent] if isinstance(sent, bytes) else sent:
        stream.sendall(part)
    if name == "no_length":
        stream.unwrap()
    return name in misdeeds.KEPT


DISCOVERY = "/v2.0/.well-known/openid-configuration"


def page_for(peer, asked):
    """A page, or a discovery, with the link that is asked for, or None."""
    if not os.path.exists(path("links.json")):
        return None
    with open(path("links.json")) as file:
        links = json.load(file)
    target = urllib.parse.urlsplit(asked["path"]).path
    name = target.removeprefix("/v1.0/") if peer == "graph" else target.removesuffix(DISCOVERY).removeprefix("/")
    if name not in links:
        return None
    if peer == "graph":
        return misdeeds.said(json.dumps({"value": [{"id": name}], "@odata.nextLink": links[name]}))
    issuer = f"https://{dict(asked['headers'])['host']}/11111111-2222-3333-4444-555555555555/v2.0"
    return misdeeds.said(json.dumps({"issuer": issuer, "token_endpoint": links[name]}))


def serve_one(stream, peer, asked):
    page = page_for(peer, asked)
    if page:
        write_wire(peer, asked, 200, page)
        stream.sendall(page)
        return True
    name = misdeed_for(peer, asked)
    return spoil(stream, peer, asked, name) if name else relay(stream, peer, asked)


# ---- servers ----

def serve_connection(context, connection, peer):
    try:
        with context.wrap_socket(connection, server_side=True) as stream:
            file = stream.makefile("rb")
            while (asked := read_request(file)) and serve_one(stream, peer, asked):
                pass
    except (OSError, ValueError):
        pass


def accept(listener, handle, *arguments):
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=handle, args=(*arguments[:1], connection, *arguments[1:]), daemon=True).start()


def note_stray(context, connection, how):
    """Write down that somebody came where nobody should, and what was said."""
    said = b""
    try:
        connection.settimeout(2)
        stream = context.wrap_socket(connection, server_side=True) if how == "tls" else connection
        said = stream.recv(65536)
        stream.close()
    except OSError:
        pass
    with LOCK, open(path("strays"), "a") as file:
        file.write(json.dumps({"how": how, "said": said.decode("latin-1")}) + "\n")


def listen(handle, *arguments, host="127.0.0.1"):
    listener = socket.create_server((host, 0), backlog=128)
    threading.Thread(target=accept, args=(listener, handle, *arguments), daemon=True).start()
    return str(listener.getsockname()[1])


def main():
    signal.alarm(600)
    os.umask(0o077)
    make_certificate()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path("server.pem"), path("server.key"))
    ready = {"directory": DIRECTORY, "config": path("moonlatch.lua"), "ca": path("ca.pem")}
    for peer in PEERS:
        ours = listen(serve_connection, context, peer)
        known = str(FRONTS.get(peer, ours))
        PORTS[known] = UPSTREAM[peer]
        ready[peer], ready["behind_" + peer] = f"https://127.0.0.1:{known}", int(ours)
    ready["stray_tls"] = int(listen(note_stray, context, "tls"))
    ready["stray_plain"] = int(listen(note_stray, context, "plain"))
    make_configuration()
    ready["plain"], ready["answers"] = sorted(misdeeds.PLAIN), sorted(misdeeds.ANSWERS)
    ready["tokens"] = sorted(misdeeds.token_answers(RIGHT["login"], "access_token"))
    ready["sessions"] = sorted(misdeeds.token_answers(RIGHT["devolutions"], "tokenId"))
    print(json.dumps(ready), flush=True)
    sys.stdin.read()


UPSTREAM = {peer: str(urllib.parse.urlsplit(READY[peer]).port) for peer in PEERS}
main()
