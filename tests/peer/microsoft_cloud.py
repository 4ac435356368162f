"""The names of Microsoft's cloud, leading to an emulator: a proxy for unmodified programs.

usage: microsoft_cloud.py FOLDER CA LOGIN GRAPH
FOLDER has cert.pem and key.pem for the names; CA is the emulator's authority; LOGIN and GRAPH are its addresses.
Prints the proxy's address as one line of JSON. Each request for another name is refused with 502, and its name is
added to FOLDER/refused. Ends when standard input does.

A program that is told HTTPS_PROXY opens a tunnel to login.microsoftonline.com: its TLS ends here, and the bytes go on
to the emulator over TLS again.
"""
import json
import os
import select
import socket
import socketserver
import ssl
import sys
import threading
from urllib.parse import urlsplit

FOLDER, CA, LOGIN, GRAPH = sys.argv[1:5]
PEERS = {
    "login.microsoftonline.com": LOGIN, "login.windows.net": LOGIN, "management.azure.com": LOGIN,
    "management.core.windows.net": LOGIN, "graph.microsoft.com": GRAPH,
}
inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
inside.load_cert_chain(f"{FOLDER}/cert.pem", f"{FOLDER}/key.pem")
outside = ssl.create_default_context(cafile=CA)


def emulator(address):
    parts = urlsplit(address)
    return outside.wrap_socket(socket.create_connection((parts.hostname, parts.port), 30), server_hostname=parts.hostname)


def received(source):
    """What has arrived; b"" at the end, None when nothing for the program has."""
    try:
        return source.recv(65536)
    except (ssl.SSLWantReadError, BlockingIOError):
        return None  # a session ticket, or a part of a record
    except OSError:
        return b""


def send(target, data):
    while data:
        try:
            data = data[target.send(data):]
        except ssl.SSLWantWriteError:
            select.select([], [target], [], 30)


def join(client, server):
    """Copy bytes both ways until one side ends. One thread for both: a TLS connection bears no second one."""
    others = {client: server, server: client}
    for side in others:
        side.setblocking(False)
    while True:
        ready = [side for side in others if side.pending()] or select.select(list(others), [], [], 300)[0]
        for side in ready:
            data = received(side)
            if data == b"":
                return
            if data:
                send(others[side], data)


def refuse(name):
    with open(f"{FOLDER}/refused", "a") as file:
        file.write(name + "\n")


class Tunnel(socketserver.BaseRequestHandler):
    def head(self):
        data = b""
        while b"\r\n\r\n" not in data and len(data) < 65536:
            part = self.request.recv(1)
            if not part:
                break
            data += part
        return data

    def handle(self):
        words = self.head().split(b" ", 2)
        name = words[1].decode("latin-1").rsplit(":", 1)[0] if len(words) == 3 else ""
        if words[0] != b"CONNECT" or name not in PEERS:
            refuse(name)
            self.request.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            client, server = inside.wrap_socket(self.request, server_side=True), emulator(PEERS[name])
        except OSError:
            return  # the program does not trust our authority, or went away
        with client, server:
            join(client, server)


class Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        pass  # a client that went away


def end_with_parent():
    sys.stdin.read()
    os._exit(0)


proxy = Proxy(("127.0.0.1", 0), Tunnel)
threading.Thread(target=end_with_parent, daemon=True).start()
print(json.dumps({"proxy": f"http://127.0.0.1:{proxy.server_address[1]}"}), flush=True)
proxy.serve_forever()
