"""An HTTPS service for the specs of peers: a key-value store as HashiCorp Vault's, a webhook, answers of many makes, and
below /misdeed/ the misdeeds of misdeeds.py. It starts as double.py says.

Sources of the answers: developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2; learn.microsoft.com/azure/key-vault
(errors); kubernetes.io/docs/reference/using-api/api-concepts (Status); cloud.google.com/apis/design/errors;
api.slack.com/messaging/webhooks; standardwebhooks.com.
"""

import base64
import hashlib
import hmac
import json

import double
import misdeeds

TOKEN = "hvs.CAESIJ-test-token-of-the-vault"
HOOK = "/services/T0HOOK/B0PART/zVx3secretpart"
SIGNING = base64.b64encode(bytes(range(32))).decode()
RIGHT = {"data": {"note": "a value of the store"}, "value": [{"id": "1"}]}
STORE, COUNTS = {}, {}


# The answers that do not depend on the request, by path: status, type of the content, body.
ANSWERS = {
    "/azure": (403, "application/json", {"error": {"code": "Forbidden", "message": "Caller is not authorized",
                                                   "innererror": {"code": "ForbiddenByRbac"}}}),
    "/google": (409, "application/json", {"error": {"code": 409, "message": "already there", "status": "ABORTED"}}),
    "/kubernetes": (409, "application/json", {"kind": "Status", "status": "Failure", "reason": "Conflict",
                                              "message": "the object has been modified", "code": 409}),
    "/problem": (422, "application/problem+json", {"title": "Unprocessable", "detail": "the name is too long"}),
    "/plain-error": (400, "text/plain", "invalid_payload\r\nsecond line"),
    "/empty-error": (500, "text/plain", ""),
    "/html": (200, "text/html", "<html>sign in</html>"),
    "/text": (200, "text/plain", "ok"),
    "/list": (200, "application/json", ["a text", 7, {"name": "a name", "of": ["another", True]}]),
    "/broken": (200, "application/json", '{"a":'),
    "/redirect": (307, "text/plain", "elsewhere"),
    "/missing": (404, "application/json", {"errors": []}),
}


class Handler(double.Handler):
    def store(self, path, body):
        if self.headers.get("X-Vault-Token") != TOKEN:
            return self.answer(403, {"errors": ["permission denied"]})
        versions = STORE.setdefault(path, [])
        if self.command == "GET":
            if not versions:
                return self.answer(404, {"errors": []})
            return self.answer(200, {"data": {"data": versions[-1], "metadata": {"version": len(versions)}}})
        asked = json.loads(body)
        cas = asked.get("options", {}).get("cas")
        with double.LOCK:
            if cas is not None and cas != len(versions):
                return self.answer(400, {"errors": ["check-and-set parameter did not match the current version"]})
            versions.append(asked["data"])
            return self.answer(200, {"data": {"version": len(versions)}})

    def webhook(self, body):
        text = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.{body}"
        digest = hmac.new(base64.b64decode(SIGNING), text.encode(), hashlib.sha256).digest()
        good = self.headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
        return self.answer(204 if good else 401, b"" if good else {"message": "wrong signature"})

    def once(self, path, status, **headers):
        """Answer with this status the first time, and well afterwards."""
        COUNTS[path] = COUNTS.get(path, 0) + 1
        if COUNTS[path] == 1:
            return self.answer(status, {"message": "not now"}, **headers)
        return self.answer(200, {"tries": COUNTS[path]})

    def misbehave(self, name, body):
        """Answer as misdeeds.py has it, with all that came known to the far side."""
        asked = {"method": self.command, "path": self.path, "headers": self.headers.items(), "body": body}
        made = misdeeds.PLAIN[name]() if name in misdeeds.PLAIN else misdeeds.ANSWERS[name](RIGHT, asked)
        self.close_connection = True
        try:
            for part in [made] if isinstance(made, bytes) else made:
                self.wfile.write(part)
        except OSError:
            pass  # the other side has enough

    def respond(self, path, body):
        if path in ANSWERS:
            status, kind, content = ANSWERS[path]
            return self.answer(status, content, kind, Location="https://elsewhere.test/" + TOKEN)
        if path.startswith("/misdeed/"):
            return self.misbehave(path.split("/")[2], body)
        if path.startswith("/v1/"):
            return self.store(path, body)
        if path == HOOK:
            return self.answer(200, "ok", "text/plain")
        if path == "/webhook":
            return self.webhook(body)
        if path == "/busy":
            return self.once(path, 429, Retry_After="1")
        if path == "/expired":
            return self.once(path, 401)
        if path == "/token":
            return self.answer(200, {"authorization": self.headers.get("Authorization")})
        if path == "/lost":
            return self.cut()
        if path == "/deleted":  # the first request deletes it, and its answer is lost
            COUNTS[path] = COUNTS.get(path, 0) + 1
            return self.cut() if COUNTS[path] == 1 else self.answer(404, {"errors": []})
        if path == "/never-there":
            return self.answer(404, {"errors": []})
        return self.answer(200, {"method": self.command, "path": self.path, "headers": dict(self.headers),
                                 "body": body}, ETag='"7"')


double.serve(Handler, token=TOKEN, hook=HOOK, signing=SIGNING,
             misdeeds=sorted([*misdeeds.PLAIN, *misdeeds.ANSWERS]))
