"""What a hostile HTTP server may do instead of answering, for hostile.py and tap.py.

PLAIN: path -> bytes to send, or a function that gives an iterator of them.
ANSWERS: the same made of a right answer in JSON (`right`, a dict) and of what
was asked (`asked`, with its secrets), so that the far side's part in a leak is
played as well. After what is sent the connection closes, except for KEPT.
"""

import gzip
import json
import time
import zlib


def lines(*parts):
    return "\r\n".join(parts).encode("latin-1")


def plain(body, *headers, status="200 OK"):
    return lines(f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", "") + body


def said(text, *headers, status="200 OK", kind="application/json"):
    """An answer that holds this text."""
    body = text if isinstance(text, bytes) else text.encode("utf-8")
    return plain(body, f"Content-Type: {kind}", *headers, status=status)


OK = b"{}"
MIB = b"x" * (1 << 20)


def endless(head, part, pause=0.0, most=1 << 14):
    """The head, then the part again and again, until the other side has enough."""
    yield head
    for _ in range(most):
        time.sleep(pause)
        yield part


def silence(head, seconds=60):
    yield head
    time.sleep(seconds)


def gzip_members(count):
    """Many small gzip streams in one, each of a megabyte of zeros."""
    return gzip.compress(b"\0" * (1 << 20)) * count


PLAIN = {
    "ok": lambda: plain(OK, "Content-Type: application/json", "X-Two: words here"),
    "same_lengths": lambda: plain(OK, "Content-Length: 2"),
    "empty": lambda: lines("HTTP/1.1 204 No Content", "", ""),
    "early_hints": lambda: lines("HTTP/1.1 103 Early Hints", "Link: </a>", "", "") + plain(OK),
    "trailer": lambda: lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "2", "{}", "0", "X-Late: 1", "", ""),
    "gzip": lambda: plain(gzip.compress(b'{"a":1}'), "Content-Encoding: gzip"),
    "bomb": lambda: plain(gzip.compress(b"\0" * (64 << 20)), "Content-Encoding: gzip"),
    "bomb_of_many": lambda: plain(gzip_members(64), "Content-Encoding: gzip"),
    "gzip_broken": lambda: plain(gzip.compress(b'{"a":1}')[:-9] + b"\xff" * 9, "Content-Encoding: gzip"),
    "gzip_no_more": lambda: plain(gzip.compress(b'{"a":1}')[:14], "Content-Encoding: gzip"),
    "deflate": lambda: plain(zlib.compress(b'{"a":1}'), "Content-Encoding: deflate"),
    "gzip_twice": lambda: plain(gzip.compress(gzip.compress(OK)), "Content-Encoding: gzip, gzip"),
    "odd_encoding": lambda: plain(OK, "Content-Encoding: rot13"),
    "big": lambda: endless(lines("HTTP/1.1 200 OK", "Content-Length: 17825792", "", ""), MIB),
    "big_chunks": lambda: endless(lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", ""),
                                  b"100000\r\n" + MIB + b"\r\n"),
    "endless_headers": lambda: endless(lines("HTTP/1.1 200 OK", ""), b"X-More: " + b"x" * 1000 + b"\r\n"),
    "endless_header": lambda: endless(lines("HTTP/1.1 200 OK", "X-More: "), b"x" * 1000),
    "endless_status": lambda: endless(b"HTTP/1.1 200 ", b"x" * 1000),
    "many_headers": lambda: plain(OK, *[f"X-{i}: x" for i in range(30000)]),
    "endless_hints": lambda: endless(b"", lines("HTTP/1.1 100 Continue", "X: " + "x" * 1000, "", "")),
    "bare_hints": lambda: endless(b"", lines("HTTP/1.1 102 Processing", "", "") * 100),
    "endless_extension": lambda: endless(lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "2;x="), b"x" * 1000),
    "endless_trailer": lambda: endless(lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "2", "{}", "0", ""),
                                       b"X-More: " + b"x" * 1000 + b"\r\n"),
    "endless_trailer_line": lambda: endless(lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "2", "{}", "0",
                                                  "X-More: "), b"x" * 1000),
    "two_lengths": lambda: lines("HTTP/1.1 200 OK", "Content-Length: 2", "Content-Length: 3", "", "{} "),
    "length_and_chunks": lambda: lines("HTTP/1.1 200 OK", "Content-Length: 2", "Transfer-Encoding: chunked", "",
                                       "2", "{}", "0", "", ""),
    "length_text": lambda: lines("HTTP/1.1 200 OK", "Content-Length: 2, 2", "", "{}"),
    "length_negative": lambda: lines("HTTP/1.1 200 OK", "Content-Length: -2", "", "{}"),
    "length_enormous": lambda: lines("HTTP/1.1 200 OK", "Content-Length: 99999999999999999999", "", "{}"),
    "chunk_negative": lambda: lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "-2", "{}", "0", "", ""),
    "chunk_enormous": lambda: lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "FFFFFFFFFFFFFFFFFF", "{}"),
    "chunk_text": lambda: lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "two", "{}", "0", "", ""),
    "odd_transfer": lambda: lines("HTTP/1.1 200 OK", "Transfer-Encoding: identity, odd", "", "{}"),
    "folded": lambda: lines("HTTP/1.1 200 OK", "X-A: 1", " folded", "Content-Length: 2", "", "{}"),
    "nameless": lambda: lines("HTTP/1.1 200 OK", "no colon here", "Content-Length: 2", "", "{}"),
    "spaced": lambda: lines("HTTP/1.1 200 OK", "Content-Length : 2", "", "{}"),
    "nul_in_header": lambda: lines("HTTP/1.1 200 OK", "X-A: 1\0 2", "Content-Length: 2", "", "{}"),
    "cr_in_header": lambda: lines("HTTP/1.1 200 OK", "X-A: 1\rX-B: 2", "Content-Length: 2", "", "{}"),
    "status_999": lambda: plain(OK, status="999 Odd"),
    "status_099": lambda: plain(OK, status="099 Odd"),
    "status_600": lambda: plain(OK, status="600 Odd"),
    "status_101": lambda: lines("HTTP/1.1 101 Switching Protocols", "Upgrade: x", "Connection: Upgrade", "", ""),
    "status_304": lambda: lines("HTTP/1.1 304 Not Modified", "", ""),
    "status_407": lambda: plain(OK, 'Proxy-Authenticate: Basic realm="x"', status="407 Proxy Authentication Required"),
    "claims_h2": lambda: lines("HTTP/2 200 OK", "Connection: close", "", "{}"),
    "partial": lambda: plain(OK, "Content-Range: bytes 0-1/2", status="206 Partial Content"),
    "no_length": lambda: lines("HTTP/1.1 200 OK", "Connection: close", "", "{}"),
    "http09": lambda: b"{}",
    "http3": lambda: lines("HTTP/3.0 200 OK", "Content-Length: 2", "", "{}"),
    "not_http": lambda: b"220 mail.example.test ESMTP\r\n",
    "garbage": lambda: bytes(range(256)) * 64,
    "two_answers": lambda: plain(OK) + plain(b'{"path":"/v1.0/stolen"}'),
    "cut": lambda: lines("HTTP/1.1 200 OK", "Content-Length: 100", "", "{"),
    "cut_chunk": lambda: lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "64", "{"),
    "cut_head": lambda: lines("HTTP/1.1 200 OK", "Content-Le"),
    "cut_status": lambda: b"HTTP/1.1 2",
    "drop": lambda: b"",
    "redirect": lambda: plain(OK, "Location: /landed", status="302 Found"),
    "redirect_away": lambda: plain(OK, "Location: https://127.0.0.1:1/landed", status="307 Temporary Redirect"),
    "redirect_plain": lambda: plain(OK, "Location: http://127.0.0.1:1/landed", status="308 Permanent Redirect"),
    "redirect_file": lambda: plain(OK, "Location: file:///etc/passwd", "Refresh: 0; url=/landed", status="301 Moved"),
    "cookie": lambda: plain(OK, "Set-Cookie: a=b; Path=/", 'Alt-Svc: h2="127.0.0.1:1"'),
    "challenge": lambda: plain(OK, "WWW-Authenticate: NTLM", "WWW-Authenticate: Negotiate", status="401 No"),
    "stall": lambda: silence(b""),
    "stall_head": lambda: silence(b"HTTP/1.1 200 OK\r\nContent-"),
    "stall_body": lambda: silence(lines("HTTP/1.1 200 OK", "Content-Length: 100", "", "{")),
    "drip": lambda: endless(lines("HTTP/1.1 200 OK", "Content-Length: 99999", "", "{"), b" ", 0.1, 600),
    "drip_head": lambda: endless(lines("HTTP/1.1 200 OK", "X-A: "), b"x", 0.1, 600),
    "drip_hints": lambda: endless(b"", lines("HTTP/1.1 102 Processing", "", ""), 0.1, 600),
}
KEPT = {"ok", "two_answers", "same_lengths", "empty", "gzip", "redirect", "cookie", "early_hints", "trailer", "challenge"}


# ---- answers whose frame is right and whose content is not ----

def twice(right):
    """The first member named once more, with another value."""
    text = json.dumps(right)
    return text[:-1] + "," + json.dumps(next(iter(right))) + ":null}"


def everything(asked):
    """All that came with the request, as a careless far side would repeat it."""
    return f"{asked['method']} {asked['path']} {dict(asked['headers'])} {asked['body']}"


def as_error(text):
    """An error in the words of each of the three services at once."""
    return json.dumps({
        "error": {"code": text, "message": text, "innerError": {"request-id": text, "client-request-id": text},
                  "details": [{"code": text, "message": text, "target": text}]},
        "message": text, "errorMessage": text})


def as_oauth_error(text):
    return json.dumps({"error": text, "error_description": text, "suberror": text, "trace_id": text,
                       "error_codes": [text], "message": text})


def with_members(right, **members):
    return said(json.dumps({**right, **members}))


def deep(levels):
    return '{"value":' + "[" * levels + "]" * levels + "}"


ANSWERS = {
    "html": lambda right, asked: said("<html><body>Sign in to the Wi-Fi</body></html>", kind="text/html"),
    "html_as_json": lambda right, asked: said("<html><body>Sign in to the Wi-Fi</body></html>"),
    "nothing": lambda right, asked: said(""),
    "null": lambda right, asked: said("null"),
    "array": lambda right, asked: said("[]"),
    "string": lambda right, asked: said('"x"'),
    "deep": lambda right, asked: said(deep(1000000)),
    "deep_65": lambda right, asked: said(deep(65)),
    "twice": lambda right, asked: said(twice(right)),
    "trailing": lambda right, asked: said(json.dumps(right) + "{}"),
    "trailing_nul": lambda right, asked: said(json.dumps(right) + "\0"),
    "bad_utf8": lambda right, asked: said(json.dumps({**right, "x": "@"}).encode().replace(b"@", b"\xff\xfe")),
    "overlong_utf8": lambda right, asked: said(json.dumps({**right, "x": "@"}).encode().replace(b"@", b"\xc0\xaf")),
    "surrogate": lambda right, asked: said(json.dumps({**right, "x": "@"}).replace("@", "\\ud800")),
    "raw_control": lambda right, asked: said(json.dumps({**right, "x": "@"}).replace("@", "\n\0")),
    "utf16": lambda right, asked: said(json.dumps(right).encode("utf-16")),
    "huge_number": lambda right, asked: said(json.dumps(right)[:-1] + ',"x":1e999}'),
    "huge_integer": lambda right, asked: said(json.dumps(right)[:-1] + ',"x":' + "9" * 5000 + "}"),
    "not_a_number": lambda right, asked: said(json.dumps(right)[:-1] + ',"x":NaN}'),
    "half": lambda right, asked: said(json.dumps(right)[:-3]),
    "long_member": lambda right, asked: said(json.dumps({**right, "x" * (5 << 20): 1})),
    "long_text": lambda right, asked: said(json.dumps({**right, "x": "x" * (8380000 if "value" in right else 4190000)})),
    "many_members": lambda right, asked: said(json.dumps({**right, **{f"m{i}": i for i in range(399000)}})),
    "many_arrays": lambda right, asked: said(json.dumps({**right, "x": [[]] * 399000})),
    "many_objects": lambda right, asked: said(json.dumps({**right, "x": [{}] * 399000})),
    "many_numbers": lambda right, asked: said(json.dumps({**right, "x": [1] * 399000})),
    "too_many_numbers": lambda right, asked: said(json.dumps({**right, "x": [1] * 1200000})),
    "wait_for_ever": lambda right, asked: said("{}", "Retry-After: 99999999999", status="429 Too Many Requests"),
    "wait_till_9999": lambda right, asked: said("{}", "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT",
                                                status="503 Service Unavailable"),
    "wait_nonsense": lambda right, asked: said("{}", "Retry-After: -1e99 soon", status="429 Too Many Requests"),
    "repeats_all": lambda right, asked: said(as_error(everything(asked)), status="400 Bad Request"),
    "repeats_all_401": lambda right, asked: said(as_oauth_error(everything(asked)), status="401 Unauthorized"),
    "repeats_all_oauth": lambda right, asked: said(as_oauth_error(everything(asked)), status="400 Bad Request"),
    "repeats_all_ok": lambda right, asked: said(as_error(everything(asked))),
    "repeats_all_html": lambda right, asked: said(f"<html>{everything(asked)}</html>", kind="text/html",
                                                  status="500 Internal Server Error"),
    "repeats_all_broken": lambda right, asked: said(everything(asked)),
    "repeats_in_headers": lambda right, asked: plain(
        OK, *[f"{name}: {everything(asked)[:4000]}".replace("\r", " ").replace("\n", " ")
              for name in ("request-id", "WWW-Authenticate", "Location", "Retry-After", "Date", "Content-Type")],
        status="403 Forbidden"),
    "repeats_in_status": lambda right, asked: lines(f"HTTP/1.1 400 {everything(asked)[:2000]}", "Content-Length: x",
                                                    "", ""),
}

# ---- for tokens and session ids only ----

TOKENS = {
    "token_with_lines": "abc\r\nX-Evil: 1",
    "token_with_line": "abc\nX-Evil: 1",
    "token_with_nul": "abc\0def",
    "token_with_space": "abc def",
    "token_beyond_ascii": "abc\u00e9",
    "token_of_megabytes": "a" * (3 << 20),
    "token_empty": "",
    "token_number": 17,
    "token_null": None,
    "token_table": {"a": "b"},
}
EXPIRIES = {"ends_never": 1e308, "ends_before": -1, "ends_now": 0, "ends_in_words": "soon", "ends_in_parts": 0.5,
            "ends_in_a_century": 3600 * 24 * 36500}


def token_answers(right, member):
    """The misdeeds that are about this member of the right answer."""
    made = {name: with_members(right, **{member: value}) for name, value in TOKENS.items()}
    made["token_missing"] = said(json.dumps({name: value for name, value in right.items() if name != member}))
    if "expires_in" in right:
        made.update({name: with_members(right, expires_in=value) for name, value in EXPIRIES.items()})
        made["token_type_mac"] = with_members(right, token_type="mac")
    return made
