"""Doubles of services that keep secrets: HashiCorp Vault or OpenBao (KV version 2), Azure Key Vault, Kubernetes.
It starts as double.py says.

Below /vault: /v1/MOUNT/data/PATH and /v1/MOUNT/metadata/PATH, with compare-and-set. Below /keys: /secrets/NAME, with
versions, soft delete, and 401 with a challenge that leads elsewhere. Below /kubernetes: Secrets, with resourceVersion
and merge patches.

DIRECTORY/rules has one JSON line for each rule; a rule is used once and then forgotten: {"method", "path": the end of
the path, "do": "cut" (make the change, send no answer), "refuse" (end the connection before the change), "other"
(somebody else writes first), "pass" (nothing special), or a status with "body" and "headers"}.

Sources: developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2, openbao.org/api-docs/secret/kv/kv-v2 (check-and-set
texts, 404 of a deleted version with a body); learn.microsoft.com/rest/api/keyvault/secrets (answers, versions);
learn.microsoft.com/azure/key-vault/general/rest-error-codes (errors); kubernetes.io/docs/reference/using-api/api-concepts
and RFC 7386 (patches, Status); kubernetes.io/docs/concepts/configuration/secret (keys of kubernetes.io/tls).
"""

import base64
import json
import os
import secrets
import time
import urllib.parse

import double

TOKEN = "hvs.CAESIJ-token-of-the-stores"  # each service takes it as a bearer token
VAULT, KEYS, SECRETS = {}, {}, {}
RULES = os.path.join(double.DIRECTORY, "rules")


def take_rule(method, path):
    """Return the first rule for this request, and forget it."""
    with double.LOCK:
        if not os.path.exists(RULES):
            return None
        with open(RULES, encoding="utf-8") as file:
            rules = [json.loads(line) for line in file if line.strip()]
        for rule in rules:
            if rule["method"] == method and path.split("?")[0].endswith(rule["path"]):
                rules.remove(rule)
                with open(RULES, "w", encoding="utf-8") as file:
                    file.writelines(json.dumps(one) + "\n" for one in rules)
                return rule
    return None


def merge(target, patch):
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    target = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = merge(target.get(name), value)
    return target


class Vault:
    """KV version 2: {path: [version, …]}, a version being {"data", "deleted"}."""

    @staticmethod
    def answer(method, path, body, headers):
        if headers.get("X-Vault-Token") != TOKEN and headers.get("Authorization") != "Bearer " + TOKEN:
            return 403, {"errors": ["permission denied"]}
        _, _, mount, kind, name = path.split("/", 4)
        key = mount + "/" + name
        if kind == "metadata":
            return Vault.metadata(method, key)
        if kind == "destroy":
            return Vault.destroy(key, body)
        return Vault.read(key) if method == "GET" else Vault.write(method, key, body)

    @staticmethod
    def metadata(method, key):
        if method == "DELETE":
            VAULT.pop(key, None)
            return 204, None
        if key not in VAULT:
            return 404, {"errors": []}
        return 200, {"data": {"current_version": len(VAULT[key]), "versions": {}}}

    @staticmethod
    def destroy(key, body):
        for number in body["versions"]:
            if 0 < number <= len(VAULT.get(key, [])):
                VAULT[key][number - 1] = {"data": None, "deleted": True, "destroyed": True}
        return 204, None

    @staticmethod
    def read(key):
        versions = VAULT.get(key)
        if not versions:
            return 404, {"errors": []}
        last = versions[-1]
        status = 404 if last["deleted"] else 200
        return status, {"data": {"data": None if last["deleted"] else last["data"],
                                 "metadata": {"version": len(versions), "deletion_time": "",
                                              "destroyed": last.get("destroyed", False)}}}

    @staticmethod
    def write(method, key, body):
        versions = VAULT.get(key, [])
        if method == "DELETE":
            if versions:
                versions[-1]["deleted"] = True
            return 204, None
        cas = body.get("options", {}).get("cas")
        if cas is None:
            return 400, {"errors": ["check-and-set parameter required for this call"]}
        if not isinstance(cas, int) or isinstance(cas, bool):
            return 400, {"errors": ["error parsing check-and-set parameter"]}
        if cas != len(versions):
            return 400, {"errors": ["check-and-set parameter did not match the current version"]}
        VAULT[key] = versions + [{"data": body["data"], "deleted": False}]
        return 200, {"data": {"version": len(versions) + 1, "created_time": "2026-12-01T00:00:00Z"}}

    @staticmethod
    def other(path):
        _, _, mount, _, name = path.split("/", 4)
        VAULT.setdefault(mount + "/" + name, []).append({"data": {"other": "x"}, "deleted": False})


def key_vault_error(status, code, inner, message):
    error = {"code": code, "message": message}
    if inner:
        error["innererror"] = {"code": inner}
    return status, {"error": error}


class Keys:
    """Key Vault: {name: {"versions": [bundle, …], "deleted": bool}}."""

    @staticmethod
    def answer(method, path, body, headers):
        if headers.get("Authorization") != "Bearer " + TOKEN:
            return key_vault_error(401, "Unauthorized", None, "AKV10000: Request is missing a Bearer or PoP token.")
        if "api-version" not in urllib.parse.parse_qs(headers["query"]):
            return key_vault_error(400, "BadParameter", None, "api-version must be specified")
        parts = path.split("/")[2:]
        entry = KEYS.get(parts[0])
        if method == "PUT":
            return Keys.put(parts[0], entry, body)
        if method == "DELETE":
            entry["deleted"] = True
            return 200, {"recoveryId": "x"}
        if not entry or entry["deleted"]:
            return key_vault_error(404, "SecretNotFound", None, f"A secret with (name/id) {parts[0]} was not found.")
        found = entry["versions"][-1]
        if parts[1:] == ["versions"]:
            return Keys.versions(parts[0], entry, headers)
        if len(parts) > 1 and parts[1]:
            found = next(one for one in entry["versions"] if one["id"].endswith(parts[1]))
        if method == "PATCH":
            found["attributes"].update(body.get("attributes", {}))
            return 200, {name: value for name, value in found.items() if name != "value"}
        if not found["attributes"]["enabled"]:
            return key_vault_error(403, "Forbidden", "SecretDisabled", "Operation get is not allowed on a disabled "
                                   "secret.")
        return 200, found

    @staticmethod
    def versions(name, entry, headers):
        """A page of the versions, without values, newest first. A page has 2 versions here, 25 in the service."""
        asked = urllib.parse.parse_qs(headers["query"])
        begin = int(asked.get("$skiptoken", ["0"])[0].removeprefix("eyJ/"))
        found = entry["versions"][::-1]
        link = f"https://keys.vault.azure.net:443/secrets/{name}/versions?api-version=7.4&$skiptoken=eyJ%2F{begin + 2}"
        return 200, {"value": [{member: value for member, value in one.items() if member != "value"}
                               for one in found[begin:begin + 2]],
                     "nextLink": link + "&maxresults=25" if begin + 2 < len(found) else None}

    @staticmethod
    def put(name, entry, body):
        if not name.replace("-", "").isalnum() or not name.isascii() or len(name) > 127:
            return key_vault_error(400, "BadParameter", None, "The request URI contains an invalid name")
        if entry and entry["deleted"]:
            return key_vault_error(409, "Conflict", "ObjectIsDeletedButRecoverable",
                                   f"Secret {name} is currently in a deleted but recoverable state")
        now = int(time.time())
        attributes = {"enabled": True, "created": now, "updated": now, "recoveryLevel": "Recoverable+Purgeable",
                      "recoverableDays": 90, **body.get("attributes", {})}
        bundle = {"value": body["value"], "contentType": body.get("contentType"), "attributes": attributes,
                  "id": f"https://keys.vault.azure.net/secrets/{name}/{secrets.token_hex(16)}",
                  "tags": body.get("tags", {})}
        KEYS.setdefault(name, {"versions": [], "deleted": False})["versions"].append(bundle)
        return 200, bundle

    @staticmethod
    def other(path):
        name = path.split("/")[2]
        Keys.put(name, KEYS.get(name), {"value": "x"})


def status_of(code, reason, message):
    return code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message,
                  "code": code}


# What kubectl asks for first: which kinds there are.
DISCOVERY = {
    "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [
        {"name": "secrets", "singularName": "secret", "namespaced": True, "kind": "Secret",
         "verbs": ["create", "get", "list", "patch"]}]},
}


class Kubernetes:
    """The API server, for Secrets: {"namespace/name": object}."""

    version = 100

    @classmethod
    def keep(cls, key, thing):
        for name, text in thing.get("data", {}).items():
            try:
                base64.b64decode(text, validate=True)
            except ValueError:
                return status_of(400, "BadRequest", f"illegal base64 data in {name}")
        missing = [one for one in ("tls.crt", "tls.key") if one not in thing.get("data", {})]
        if thing.get("type") == "kubernetes.io/tls" and missing:
            return status_of(422, "Invalid", f'Secret "{key}" is invalid: data[{missing[0]}]: Required value')
        cls.version += 1
        thing["metadata"]["resourceVersion"] = str(cls.version)
        SECRETS[key] = thing
        return 200, thing

    @classmethod
    def answer(cls, method, path, body, headers):
        if headers.get("Authorization") != "Bearer " + TOKEN:
            return status_of(401, "Unauthorized", "Unauthorized")
        if path in DISCOVERY:
            return 200, DISCOVERY[path]
        parts = path.split("/")[4:]
        namespace, name = parts[0], parts[2] if len(parts) > 2 else None
        if method == "POST":
            name = body["metadata"]["name"]
            if namespace + "/" + name in SECRETS:
                return status_of(409, "AlreadyExists", f'secrets "{name}" already exists')
            status, result = cls.keep(namespace + "/" + name, body)
            return 201 if status == 200 else status, result
        found = SECRETS.get(namespace + "/" + name)
        if not found:
            return status_of(404, "NotFound", f'secrets "{name}" not found')
        if method == "GET":
            return 200, found
        return cls.patch(namespace + "/" + name, found, body, headers)

    @classmethod
    def patch(cls, key, found, body, headers):
        if headers.get("Content-Type") != "application/merge-patch+json":
            return status_of(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
        version = body.get("metadata", {}).get("resourceVersion")
        if version and version != found["metadata"]["resourceVersion"]:
            return status_of(409, "Conflict", "the object has been modified; please apply your changes to the latest "
                             "version and try again")
        if found.get("immutable") and body.get("data"):
            return status_of(422, "Invalid", "data: Forbidden: field is immutable when `immutable` is set")
        return cls.keep(key, merge(found, body))

    @classmethod
    def other(cls, path):
        parts = path.split("/")[4:]
        key = parts[0] + "/" + parts[2]
        cls.keep(key, merge(SECRETS[key], {"data": {"other": "eA=="}}))


SERVICES = {"vault": Vault, "keys": Keys, "kubernetes": Kubernetes}


def held(store, key):
    """Return the value as a consumer reads it."""
    if store == "vault":
        data = VAULT[key][-1]["data"]
        return data["password"] if "password" in data else data["client_secret"]
    if store == "keys":
        return KEYS[key]["versions"][-1]["value"]
    data = SECRETS[key]["data"]
    return base64.b64decode(data["password"] if "password" in data else data["client-secret"]).decode()


class Handler(double.Handler):
    def respond(self, path, body):
        if path == "/state":
            return self.answer(200, {"vault": VAULT, "keys": KEYS, "kubernetes": SECRETS})
        if path.startswith("/held/"):
            _, _, store, key = path.split("/", 3)
            try:
                return self.answer(200, held(store, key), "text/plain")
            except (KeyError, IndexError):
                return self.answer(404)
        if path == "/set":
            asked = json.loads(body)
            store = {"vault": VAULT, "keys": KEYS, "kubernetes": SECRETS}[asked["store"]]
            store.pop(asked["key"], None)
            if asked.get("value"):
                store[asked["key"]] = asked["value"]
            return self.answer(204)
        name, rest = path[1:].split("/", 1)
        return self.play(SERVICES[name], urllib.parse.unquote("/" + rest), json.loads(body) if body else None)

    def play(self, service, path, body):
        rule = take_rule(self.command, self.path) or {}
        what = rule.get("do")
        if what == "refuse":
            return self.cut()
        if isinstance(what, int):
            return self.answer(what, rule.get("body", b""), **rule.get("headers", {}))
        headers = dict(self.headers.items(), query=self.path.partition("?")[2])
        with double.LOCK:
            if what == "other":
                service.other(path)
            status, result = service.answer(self.command, path, body, headers)
        if what == "cut":
            return self.cut()
        if status == 401:
            return self.answer(status, result, WWW_Authenticate='Bearer authorization="https://evil.test/tenant", '
                               'resource="https://evil.test"')
        return self.answer(status, b"" if result is None else result)


double.serve(Handler, token=TOKEN)
