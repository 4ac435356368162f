"""Servers whose TLS is wrong, each in its own way, for the gate's specs.

    bad_tls.py DIRECTORY

makes an authority and certificates in DIRECTORY, starts one `openssl s_server`
per case on loopback, and has a client that accepts anything (`openssl
s_client`) shake hands with each: a server that did not start, or does not do
what its case says, is no proof that it was refused. Prints one JSON line:
{"ca", "sloppy_ca", "cases": {name: {"port", "host", "valid", "seen"}}} and
serves until its standard input ends, at most two minutes.

GET /v1.0/ok is answered with {} by all but "renegotiates", which wants a new
handshake amid the connection instead; how many there were is in its file `hellos`.
"""

import concurrent.futures
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

DIRECTORY = sys.argv[1]
NOW, EVER = "20200101000000Z", "20491231235959Z"
ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
SERVERS = []
# Without the system's authorities, which take longer to read than all the rest of a handshake.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "OPENSSL_CONF": "/dev/null", "SSL_CERT_FILE": "/dev/null"}

CONFIGURATION = """
openssl_conf = none
[ca]
default_ca = here
[here]
dir = .
database = $dir/{name}.txt
new_certs_dir = $dir
rand_serial = yes
policy = any
default_md = sha256
unique_subject = no
[any]
commonName = optional
[extensions]
{extensions}
[none]
[request]
distinguished_name = none
"""

# What RFC 5280 asks of an authority, and of a server's certificate.
AUTHORITY = ("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
             "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid")
KEYS = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always"
LEAF = KEYS + "\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment"
HERE = "subjectAltName=IP:127.0.0.1,DNS:localhost"
SERVER = LEAF + "\nextendedKeyUsage=serverAuth\n" + HERE


def path(name):
    return os.path.join(DIRECTORY, name)


def openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], cwd=DIRECTORY, env=ENVIRONMENT, capture_output=True, text=True,
                          check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def key(name, *options):
    openssl("genpkey", *options, "-out", f"{name}.key")


def issue(name, issuer, subject, extensions, start=NOW, end=EVER, digest="sha256", with_key=None):
    """A certificate for the common key (or with_key), by the issuer or (None) by itself."""
    used = f"{with_key or 'common'}.key"
    with open(path(f"{name}.cnf"), "w") as file:
        file.write(CONFIGURATION.format(name=name, extensions=extensions))
    with open(path(f"{name}.txt"), "w"):
        pass
    openssl("req", "-new", "-config", f"{name}.cnf", "-section", "request", "-key", used, "-subj",
            f"/CN={subject}" if subject else "/", "-out", f"{name}.csr")
    by = ["-cert", f"{issuer}.pem", "-keyfile", f"{issuer}.key"] if issuer else ["-selfsign", "-keyfile", used]
    openssl("ca", "-batch", "-notext", "-preserveDN", "-config", f"{name}.cnf", "-in", f"{name}.csr", *by,
            "-startdate", start, "-enddate", end, "-md", digest, "-extensions", "extensions", "-out", f"{name}.pem")


def authority(name, extensions=AUTHORITY, issuer=None, **options):
    key(name, "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    issue(name, issuer, name, extensions, with_key=name, **options)


def nul_in_name():
    """A subjectAltName of 127.0.0.1 no more: "localhost", a NUL, ".evil.test"."""
    text = b"localhost\0.evil.test"
    body = bytes([0x82, len(text)]) + text
    return "subjectAltName=DER:" + (bytes([0x30, len(body)]) + body).hex(":")


def make_keys():
    key("common", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    key("rsa", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
    key("rsa1024", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
    key("small_curve", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime192v1")
    key("explicit", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit")


def make_authorities():
    authority("ca")
    authority("stranger")
    authority("old_ca", start="20100101000000Z", end="20110101000000Z", issuer="ca")
    authority("middle", issuer="ca")
    authority("short_ca", AUTHORITY.replace("CA:TRUE", "CA:TRUE,pathlen:0"), issuer="ca")
    authority("too_deep", issuer="short_ca")
    authority("elsewhere_ca", AUTHORITY + "\nnameConstraints=critical,permitted;DNS:elsewhere.test", issuer="ca")
    authority("weak_ca", digest="sha1", issuer="ca")
    authority("no_sign_ca", AUTHORITY.replace("keyCertSign,cRLSign", "digitalSignature"), issuer="ca")
    # Made as `openssl req -x509` without a configuration would: enough for many, not for RFC 5280.
    authority("sloppy", "basicConstraints=CA:TRUE\nsubjectKeyIdentifier=hash")
    issue("leaf", "ca", "leaf", SERVER)
    os.link(path("common.key"), path("leaf.key"))


def make_certificates():
    issue("good", "ca", "server", SERVER)
    issue("good_rsa", "ca", "server", SERVER, with_key="rsa")
    issue("expired", "ca", "server", SERVER, start="20100101000000Z", end="20110101000000Z")
    issue("not_yet", "ca", "server", SERVER, start="20480101000000Z")
    issue("wrong_host", "ca", "localhost", SERVER.replace(HERE, "subjectAltName=DNS:elsewhere.test"))
    issue("wrong_address", "ca", "127.0.0.1", SERVER.replace(HERE, "subjectAltName=IP:127.0.0.2"))
    issue("self_signed", None, "localhost", LEAF + "\n" + HERE)
    issue("unknown_root", "stranger", "server", SERVER)
    issue("for_clients", "ca", "server", SERVER.replace("serverAuth", "clientAuth"))
    issue("subject_only", "ca", "localhost", SERVER.replace(HERE, ""))
    issue("leaf_as_ca", "leaf", "server", SERVER)
    issue("sha1", "ca", "server", SERVER, digest="sha1")
    issue("rsa1024", "ca", "server", SERVER, with_key="rsa1024")
    issue("small_curve", "ca", "server", SERVER, with_key="small_curve")
    issue("explicit_curve", "ca", "server", SERVER, with_key="explicit")
    issue("nul_name", "ca", "server", SERVER.replace(HERE, nul_in_name()))
    issue("star", "ca", "server", SERVER.replace(HERE, "subjectAltName=DNS:*"))
    issue("part_star", "ca", "server", SERVER.replace(HERE, "subjectAltName=DNS:l*t"))
    issue("odd_extension", "ca", "server", SERVER + "\n1.2.3.4.5=critical,DER:05:00")
    for name in ("old_ca", "middle", "too_deep", "elsewhere_ca", "weak_ca", "no_sign_ca", "sloppy"):
        issue(f"by_{name}", name, "server", SERVER)
    issue("no_key_id", "ca", "server", SERVER.replace("keyid:always", "none"))


def chain(name, *more):
    with open(path(f"{name}.chain"), "w") as file:
        for one in more:
            with open(path(f"{one}.pem")) as part:
                file.write(part.read())
    return ["-cert_chain", f"{name}.chain"]


ANY = "ALL:eNULL:@SECLEVEL=0"


def served(certificate, *options, with_key="common", cipher=None, host="127.0.0.1", client=()):
    """How to serve a case, and how a client that does not mind talks to it."""
    listen = ["-cert", f"{certificate}.pem", "-key", f"{with_key}.key"] if certificate else ["-nocert"]
    return {"host": host, "client": client,
            "server": [*listen, "-cipher", cipher or "DEFAULT:@SECLEVEL=0", *options]}


def tls12(cipher, certificate="good", **options):
    return served(certificate, "-tls1_2", cipher=cipher + ":@SECLEVEL=0", **options)


def cases():
    openssl("dhparam", "-dsaparam", "-out", "dh1024.pem", "1024")
    plain = ("expired", "not_yet", "wrong_host", "wrong_address", "self_signed", "unknown_root", "for_clients",
             "sha1", "odd_extension", "no_key_id")
    found = {name: served(name) for name in plain}
    by_name = ("subject_only", "nul_name", "star", "part_star")
    found.update({name: served(name, host="localhost") for name in by_name})
    found.update({
        "good": served("good"), "good_name": served("good", host="localhost"),
        "good_rsa": served("good_rsa", with_key="rsa"), "good_tls12": served("good", "-tls1_2"),
        "good_tls13": served("good", "-tls1_3"),
        "good_chain": served("by_middle", *chain("by_middle", "middle")),
        "sloppy": served("by_sloppy"),
        "leaf_as_ca": served("leaf_as_ca", *chain("leaf_as_ca", "leaf")),
        "missing_link": served("by_middle"),
        "old_link": served("by_old_ca", *chain("by_old_ca", "old_ca")),
        "too_deep": served("by_too_deep", *chain("by_too_deep", "too_deep", "short_ca")),
        "not_its_names": served("by_elsewhere_ca", *chain("by_elsewhere_ca", "elsewhere_ca")),
        "sha1_link": served("by_weak_ca", *chain("by_weak_ca", "weak_ca")),
        "may_not_sign": served("by_no_sign_ca", *chain("by_no_sign_ca", "no_sign_ca")),
        "rsa1024": served("rsa1024", with_key="rsa1024"),
        "small_curve": served("small_curve", "-tls1_2", "-groups", "P-192:P-256", with_key="small_curve",
                              client=["-groups", "P-192:P-256"]),
        "explicit_curve": served("explicit_curve", "-tls1_2", with_key="explicit"),
        "tls10": served("good", "-tls1", client=["-tls1"]), "tls11": served("good", "-tls1_1", client=["-tls1_1"]),
        "null_cipher": tls12("ECDHE-ECDSA-NULL-SHA"),
        "anonymous_dh": tls12("aNULL+kDHE", certificate=None),
        "anonymous_ecdh": tls12("AECDH", certificate=None),
        "dh1024": served("good_rsa", "-tls1_2", "-dhparam", "dh1024.pem", with_key="rsa",
                         cipher="DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0"),
        "dh": tls12("DHE-RSA-AES128-GCM-SHA256", "good_rsa", with_key="rsa"),
        "cbc_sha1": tls12("ECDHE-ECDSA-AES128-SHA"),
        "cbc_sha256": tls12("ECDHE-ECDSA-AES128-SHA256"),
        "no_forward_secrecy": tls12("AES128-GCM-SHA256", "good_rsa", with_key="rsa"),
        "odd_cipher": tls12("ECDHE-ARIA128-GCM-SHA256", "good_rsa", with_key="rsa"),
        "shared_key": served(None, "-tls1_2", "-psk", "00112233445566778899aabbccddeeff",
                             cipher="PSK-AES128-GCM-SHA256:@SECLEVEL=0",
                             client=["-psk", "00112233445566778899aabbccddeeff"]),
        "wants_certificate": served("good", "-Verify", "1", "-verify_return_error", "-CAfile", "ca.pem",
                                    client=["-cert", "leaf.pem", "-key", "leaf.key"]),
    })
    return found


def start(case):
    """Start the case's server; its port, or None."""
    child = subprocess.Popen(["openssl", "s_server", "-accept", "127.0.0.1:0", "-HTTP", *case["server"]],
                             cwd=DIRECTORY, env=ENVIRONMENT, text=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    SERVERS.append(child)
    for line in child.stdout:
        said = re.match(r"ACCEPT .*:(\d+)$", line)
        if said:
            return int(said[1])
    return None


def shake(port, case):
    """What a client that accepts anything negotiates: "TLSv1.2 ECDHE-…", or None."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-cipher", ANY, "-psk_identity",
                           "x", *case["client"]], cwd=DIRECTORY, capture_output=True, text=True, timeout=20,
                          env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                          check=False)
    version, cipher = re.search(r"^New, (.*), Cipher is (.*)$", done.stdout, re.M).groups()
    protocol = re.search(r"^ *Protocol *: (.*)$", done.stdout, re.M) # absent with TLS 1.3
    return None if cipher == "(NONE)" else f"{protocol[1] if protocol else version} {cipher}"


def open_case(case):
    port = start(case)
    seen = port and shake(port, case)
    return {"port": port or 0, "host": case["host"], "valid": bool(seen), "seen": seen or ""}


def watch_hellos(child):
    """Ask for a new handshake as soon as there is a request; count the handshakes in a file."""
    count = 0
    for line in child.stdout:
        count += "read client hello" in line
        if line.startswith("GET"):
            child.stdin.write("R\n")
            child.stdin.flush()
        with open(path("hellos.new"), "w") as file:
            file.write(str(count))
        os.replace(path("hellos.new"), path("hellos"))


def hellos():
    with open(path("hellos")) as file:
        return int(file.read())


def renegotiator():
    """The server that wants to renegotiate; valid when a client that may does so."""
    port = free_port()
    child = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-state", "-tls1_2", "-cert",
                              "good.pem", "-key", "common.key"], cwd=DIRECTORY, text=True, stdin=subprocess.PIPE,
                             env=ENVIRONMENT, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT)
    SERVERS.append(child)
    threading.Thread(target=watch_hellos, args=(child,), daemon=True).start()
    while not os.path.exists(path("hellos")):
        time.sleep(0.02)
    client = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2", "-quiet"],
                              text=True, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    client.stdin.write("GET /v1.0/ok HTTP/1.0\n\n")
    client.stdin.flush()
    deadline = time.monotonic() + 5
    while hellos() < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    client.kill()
    return {"port": port, "host": "127.0.0.1", "valid": hellos() == 2, "seen": "TLSv1.2"}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def stop(*_):
    for child in SERVERS:
        child.kill()
    os._exit(0)


def main():
    signal.signal(signal.SIGALRM, stop)
    signal.signal(signal.SIGTERM, stop)
    signal.alarm(120)
    os.mkdir(path("v1.0"))
    with open(path("v1.0/ok"), "w", newline="") as file:
        file.write(ANSWER)
    make_keys()
    make_authorities()
    make_certificates()
    found = cases()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        opened = dict(zip(found, pool.map(open_case, found.values())))
    opened["renegotiates"] = renegotiator()
    print(json.dumps({"ca": path("ca.pem"), "sloppy_ca": path("sloppy.pem"), "cases": opened}), flush=True)
    sys.stdin.read()
    stop()


main()
