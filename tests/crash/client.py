"""Somebody else's client of an emulator, over connections that stay.

    client.py PIPE CA

Makes the named pipe, says so with an empty line, and then answers every line of JSON
it reads there, a list of {"url", "method", "headers", "body"}, with one: a list of
[status, text]. Secrets come by the pipe, never by the command line.
"""

import http.client
import json
import os
import ssl
import sys
import urllib.parse

PATIENCE = 60  # seconds for one answer

pipe, authority = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
connections = {}


def ask_once(call, address):
    if address not in connections:
        connections[address] = http.client.HTTPSConnection(address, context=context, timeout=PATIENCE)
    path = urllib.parse.urlsplit(call["url"])
    body = call.get("body")
    connections[address].request(call.get("method", "GET"), path.path + ("?" + path.query if path.query else ""),
                                 body.encode() if body is not None else None, call.get("headers") or {})
    answer = connections[address].getresponse()
    return [answer.status, answer.read().decode()]


def ask(call):
    address = urllib.parse.urlsplit(call["url"]).netloc
    was_open = address in connections
    try:
        return ask_once(call, address)
    except (http.client.RemoteDisconnected, ConnectionError):
        connections.pop(address).close()
        if not was_open:
            raise
        return ask_once(call, address)  # it was closed while nobody asked


os.mkfifo(pipe, 0o600)
print(flush=True)
with open(pipe, encoding="utf-8") as lines:
    for line in lines:
        print(json.dumps([ask(call) for call in json.loads(line)]), flush=True)
