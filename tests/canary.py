"""Looks for secrets where none may be.

    canary.py JOB

JOB is a file of JSON: {"wire": what tests/tap.py wrote down, "keys": files that
hold a secret, "files": files and folders to search, "traces": outputs of strace
(-f -v -xx -s 1000000) whose written bytes, arguments and environments are
searched, "allowed": files that may hold secrets}. Prints {"secrets": how many by
kind, "searched": bytes, "hits": [{where, kind, form}]}.

A secret is searched whole when it is short, else by pieces of its beginning,
middle and end, each in every encoding a text could carry it in.
"""

import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.parse

NAMES = {"access_token", "refresh_token", "id_token", "client_secret", "client_assertion", "secretText", "password",
         "newPassword", "clientSecret", "appSecret", "tokenId", "device_code"}
FIELDS = NAMES | {"code", "code_verifier"}  # of a form; in JSON, "code" is an error's
PIECE = 20


# ---- what is secret ----

def members(value):
    """(name, text) of every secret member in a JSON value."""
    if isinstance(value, dict):
        for name, member in value.items():
            if name in NAMES and isinstance(member, str):
                yield name, member
            yield from members(member)
    elif isinstance(value, list):
        for member in value:
            yield from members(member)


def said_in(text):
    try:
        yield from members(json.loads(text))
    except ValueError:
        for name, value in urllib.parse.parse_qsl(text):
            if name in FIELDS:
                yield name, value


def of_headers(headers):
    for name, value in headers:
        kind, _, rest = value.partition(" ")
        if name == "tokenid":
            yield "tokenId", value
        elif name == "authorization" and kind == "Bearer":
            yield "access_token", rest
        elif name == "authorization" and kind == "Basic":
            yield "client_secret", urllib.parse.unquote_plus(base64.b64decode(rest).decode().partition(":")[2])


def secrets(wire, keys):
    """Secret -> its kind, of all that was said and of the key files."""
    found = {}
    with open(wire) as file:
        for line in file:
            one = json.loads(line)
            for name, value in [*said_in(one["body"]), *said_in(one["answer"]), *of_headers(one["headers"])]:
                # What the misdeeds and the emulator's error codes make up is no secret.
                if len(value) >= 16 and "of-no-use" not in value:
                    found[value.encode("latin-1", "replace")] = name
    for name in keys:
        with open(name, "rb") as file:
            found[file.read().rstrip(b"\n")] = "key " + os.path.basename(name)
    return found


# ---- how it could be written ----

def pieces(secret):
    """What of it is searched. A token's first part is the same for all."""
    if secret.count(b".") == 2 and secret.startswith(b"eyJ"):
        _, payload, signature = secret.split(b".")
        middle = len(payload) // 2
        return {payload[middle:middle + PIECE], signature[:PIECE], signature[-PIECE:]}
    if len(secret) <= PIECE + 4:
        return {secret}
    middle = len(secret) // 2
    return {secret[:PIECE], secret[middle:middle + PIECE], secret[-PIECE:]}


def shifted(piece):
    """Base64 of the piece after 0, 1 and 2 other bytes, without what these decide."""
    for before in range(3):
        text = base64.b64encode(b"\0" * before + piece).rstrip(b"=")
        start, end = (0, 2, 3)[before], (len(piece) + before) * 8 // 6
        yield text[start:end]


def forms(piece):
    """(name, bytes) of each way to write the piece."""
    percent = urllib.parse.quote_from_bytes(piece, safe="-._~")
    yield "raw", piece
    yield "percent", percent.encode()
    yield "percent, lower case", re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), percent).encode()
    yield "form", percent.replace("%20", "+").encode()
    yield "hex", piece.hex().encode()
    yield "hex, upper case", piece.hex().upper().encode()
    yield "UTF-16", piece.decode("latin-1").encode("utf-16-le")
    yield "JSON", json.dumps(piece.decode("latin-1"))[1:-1].encode()
    yield "JSON, slashes escaped", json.dumps(piece.decode("latin-1"))[1:-1].replace("/", "\\/").encode()
    yield "reversed", piece[::-1]
    for text in shifted(piece):
        yield "base64", text
        yield "base64url", text.replace(b"+", b"-").replace(b"/", b"_")


def needles(found):
    made = {}
    for secret, kind in found.items():
        for piece in pieces(secret):
            for name, text in forms(piece):
                made.setdefault(text, (kind, name))
    return made


# ---- where it is searched ----

def holding(places, file):
    """The places that hold one of the lines of the file, zero bytes aside."""
    text = b"\n".join(data for _, data in places).replace(b"\0", b"")
    grep = subprocess.run(["grep", "-aqFf", file], input=text, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"}, check=False)
    if grep.returncode > 1:
        raise RuntimeError(f"grep ended with {grep.returncode}")
    if grep.returncode == 1 or len(places) < 2:
        return [] if grep.returncode == 1 else places
    half = len(places) // 2
    return holding(places[:half], file) + holding(places[half:], file)


def search(places, made):
    """(where, kind, form, times) of each needle in each place. grep, which looks for all of them in one pass, finds the
    places that may hold some: it looks for the longest line of each, without zero bytes."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"\n".join({max(text.replace(b"\0", b"").split(b"\n"), key=len) for text in made}))
        file.flush()
        some = holding(places, file.name)
    for text, (kind, form) in made.items():
        for where, data in some:
            if times := data.count(text):
                yield where, kind, form, times


def walk(names):
    for name in names:
        if os.path.isdir(name):
            for folder, _, files in os.walk(name):
                yield from (os.path.join(folder, one) for one in files)
        elif os.path.exists(name):
            yield name


CALL = re.compile(r"^(\d+) +(\w+)\((.*)$")
TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


def texts(rest):
    return [bytes.fromhex(text.replace("\\x", "")) for text in TEXT.findall(rest)]


def of_trace(name):
    """(where, bytes) of all that traced processes wrote and were started with."""
    opened, written, path = {}, {}, name
    with open(name, errors="replace") as file:
        for line in file:
            call = CALL.match(line)
            if not call:
                continue
            pid, what, rest = call.groups()
            if what == "execve":
                yield "arguments and environment", b"\n".join(texts(rest))
            elif what == "openat" and " = " in rest and not rest.rstrip().endswith(")"):
                opened[pid, rest.rsplit(" = ", 1)[1].split()[0]] = b"".join(texts(rest)).decode("latin-1")
            else:
                fd = rest.split(",", 1)[0].rstrip(")")
                path = opened.get((pid, fd), f"file descriptor {fd}")
                written[path] = written.get(path, b"") + b"".join(texts(rest))
    for path, data in written.items():
        yield path, data


def main():
    with open(sys.argv[1]) as file:
        job = json.load(file)
    found = secrets(job["wire"], job.get("keys", []))
    made = needles(found)
    allowed = [os.path.realpath(name) for name in job.get("allowed", [])]

    def may(name):  # also what it is before it gets its name
        return any(os.path.realpath(name).startswith(one) for one in allowed)

    places = [(name, open(name, "rb").read()) for name in walk(job.get("files", [])) if not may(name)]
    for trace in job.get("traces", []):
        places += [(f"{trace}: {where}", data) for where, data in of_trace(trace) if not may(where)]
    hits = [{"where": where, "kind": kind, "form": form} for where, kind, form, _ in search(places, made)]
    searched = sum(len(data) for _, data in places)
    kinds = {}
    for kind in found.values():
        kinds[kind] = kinds.get(kind, 0) + 1
    print(json.dumps({"secrets": kinds, "needles": len(made), "searched": searched, "places": len(places),
                      "hits": hits}))


if __name__ == "__main__":
    main()
