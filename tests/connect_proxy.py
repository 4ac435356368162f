"""A proxy for CONNECT that asks for a name and password (RFC 7617).

    connect_proxy.py NAME PASSWORD LOG [ANSWER]

With ANSWER, a file, it lets nobody through, and answers every request with the file's bytes. Prints its port, and serves until its standard input ends. Writes a line to LOG for each request: the status, the
target, and the names of the headers that came.
"""

import base64
import socket
import sys
import threading

NAME, PASSWORD, LOG = sys.argv[1:4]
ANSWER = open(sys.argv[4], "rb").read() if sys.argv[4:] else None
EXPECTED = "Basic " + base64.b64encode(f"{NAME}:{PASSWORD}".encode()).decode()


def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def read_head(client):
    head = b""
    while b"\r\n\r\n" not in head:
        data = client.recv(4096)
        if not data:
            return None
        head += data
    return head.decode("latin-1")


def note(status, target, headers):
    with open(LOG, "a", encoding="utf-8") as log:
        log.write(f"{status} {target} {' '.join(sorted(headers))}\n")


def serve(client):
    head = read_head(client)
    if head is None:
        return client.close()
    first, *lines = head.split("\r\n\r\n")[0].split("\r\n")
    headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
    target = first.split()[1]
    if ANSWER is not None:
        note("-", target, headers)
        client.sendall(ANSWER)
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass
        return client.close()
    if headers.get("proxy-authorization") != EXPECTED:
        note(407, target, headers)
        client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\n"
                       b"Content-Length: 0\r\nConnection: close\r\n\r\n")
        return client.close()
    note(200, target, headers)
    host, port = target.rsplit(":", 1)
    server = socket.create_connection((host, int(port)), 10)
    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    threading.Thread(target=copy, args=(client, server), daemon=True).start()
    copy(server, client)


def accept(listener):
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
threading.Thread(target=accept, args=(listener,), daemon=True).start()
sys.stdin.read()
