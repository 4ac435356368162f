"""Microsoft's own client library signs in at the emulator.

usage: msal_sign_in.py secret|certificate|device|code LOGIN TENANT GRAPH CLIENT_ID [SECRET | KEY_AND_CERTIFICATE]
The certificate authority comes by REQUESTS_CA_BUNDLE. Prints one JSON object.
"""
import hashlib
import json
import ssl
import sys
from urllib.parse import parse_qsl, urlsplit

import jwt
import msal
import requests


def verified(login, tenant, token, audience):
    """The claims of an access token, its signature held against the published keys."""
    document = requests.get(f"{login}/{tenant}/v2.0/.well-known/openid-configuration", timeout=10).json()
    kid = jwt.get_unverified_header(token)["kid"]
    row = next(key for key in requests.get(document["jwks_uri"], timeout=10).json()["keys"] if key["kid"] == kid)
    key = jwt.algorithms.RSAAlgorithm.from_jwk(json.dumps(row))
    return jwt.decode(token, key, algorithms=["RS256"], audience=audience)


def by_secret(app, graph):
    return app.acquire_token_for_client(scopes=[f"{graph}/.default"])


def certificate(file):
    """The key with the SHA-1 thumbprint that this library goes by."""
    with open(file) as opened:
        text = opened.read()
    der = ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN CERTIFICATE"):])
    return {"private_key": text, "thumbprint": hashlib.sha1(der).hexdigest()}


def by_device(app, graph):
    flow = app.initiate_device_flow(scopes=[f"{graph}/User.Read"])
    assert "user_code" in flow, flow
    return app.acquire_token_by_device_flow(flow)


def by_code(app, graph):
    flow = app.initiate_auth_code_flow([f"{graph}/User.Read"], redirect_uri="http://localhost:4000")
    page = requests.get(flow["auth_uri"], allow_redirects=False, timeout=10)
    query = dict(parse_qsl(urlsplit(page.headers["Location"]).query))
    return app.acquire_token_by_auth_code_flow(flow, query)


def main(how, login, tenant, graph, client_id, secret=None):
    kind = msal.ConfidentialClientApplication if secret else msal.PublicClientApplication
    options = {"client_credential": certificate(secret) if how == "certificate" else secret} if secret else {}
    app = kind(client_id, authority=f"{login}/{tenant}", validate_authority=False, instance_discovery=False, **options)
    result = {"secret": by_secret, "certificate": by_secret, "device": by_device, "code": by_code}[how](app, graph)
    if "access_token" not in result:
        print(json.dumps({key: result.get(key) for key in ("error", "error_codes", "error_description")}))
        return
    report = {"claims": verified(login, tenant, result["access_token"], graph)}
    for account in app.get_accounts():
        report["account"] = account["username"]
        fresh = app.acquire_token_silent([f"{graph}/User.Read"], account=account, force_refresh=True)
        report["refreshed"] = fresh["access_token"] != result["access_token"]
        short = [app.acquire_token_silent(["User.Read"], account=account)["access_token"] for _ in range(2)]
        report["cached"] = short[0] == short[1]
    print(json.dumps(report))


main(*sys.argv[1:])
