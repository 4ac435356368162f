"""Devolutions Server's public API: sign-in of an application, one vault, its entries."""

import json
import re
import secrets

from clock import http_date, iso
from directory import guid
from wire import Answer

SECRET = ("password", "clientSecret")
VERSION = "2026.2.12.0"


class Entry:
    """One entry, with its versions: listings may be late."""

    def __init__(self, number, moment, fields):
        self.number, self.versions = number, [(moment, fields)]

    @property
    def now(self):
        return self.versions[-1][1]

    def at(self, moment):
        """As it was; None where it was not there yet, or not any more."""
        found = None
        for when, fields in self.versions:
            if when <= moment:
                found = fields
        return found


class Vault:
    """The server."""

    def __init__(self, clock, name="Privileged"):
        self.clock, self.name, self.id = clock, name, guid()
        self.key, self.secret = guid(), secrets.token_urlsafe(32)
        self.equal_names = True  # may two entries of one folder have the same name?
        self.stale = 0.0  # seconds that listings lag
        self.entries, self.sessions, self.number = {}, set(), 0
        self.strange = []

    # What is so

    def living(self):
        """The entries that are there, oldest first."""
        return [entry.now for entry in sorted(self.entries.values(), key=lambda one: one.number)
                if entry.now is not None]

    def add(self, fields, who):
        """A new entry; its id."""
        key, now = guid(), self.clock.now()
        self.number += 1
        self.entries[key] = Entry(self.number, now, {
            "id": key, "name": fields["name"], "path": fields.get("path") or "", "type": fields.get("type"),
            "subType": fields.get("subType"), "description": fields.get("description") or "",
            "tags": fields.get("tags") or [], "data": fields.get("data") or {}, "createdBy": who,
            "createdOn": iso(now), "modifiedBy": who, "modifiedOn": iso(now),
        })
        return key

    def change(self, key, who, **fields):
        """Change an entry, as a person does in the web interface too."""
        entry, now = self.entries[key], self.clock.now()
        entry.versions.append((now, {**entry.now, **fields, "modifiedBy": who, "modifiedOn": iso(now)}))

    def remove(self, key):
        self.entries[key].versions.append((self.clock.now(), None))

    # What is asked

    def answer(self, status, thing=None):
        headers = {"Date": http_date(self.clock.now()), "Cache-Control": "no-store"}
        if thing is None:
            return Answer(status, b"", headers)
        headers["Content-Type"] = "application/json; charset=utf-8"
        return Answer(status, json.dumps(thing).encode(), headers)

    def refuse(self, status, message):
        return self.answer(status, {"message": message})

    def __call__(self, request):
        if request.path == "/api/v1/login" and request.method == "POST":
            return self.login(json.loads(request.body))
        if request.path == "/api/public-instance-information":
            return self.answer(200, {"result": 1, "data": {
                "accessURI": "https://127.0.0.1", "selectedTimeZoneId": "UTC", "servername": "far", "version": VERSION,
                "systemMessage": ""}})
        session = request.headers.get("tokenid")
        if request.path == "/api/is-logged":
            return self.answer(200, session in self.sessions)
        if session not in self.sessions:
            return self.refuse(401, "The session is not valid.")
        for method, pattern, name in ROUTES:
            match = re.fullmatch(pattern, request.path)
            if match and method == request.method:
                return getattr(self, name)(request, *match.groups())
        self.strange.append(f"{request} {request.query}")
        return self.refuse(404, "Not found.")

    def login(self, body):
        if (body.get("appKey"), body.get("appSecret")) != (self.key, self.secret):
            return self.refuse(401, "Invalid application key or secret.")
        session = secrets.token_urlsafe(24)
        self.sessions.add(session)
        return self.answer(200, {"tokenId": session})

    def logout(self, request):
        self.sessions.discard(request.headers["tokenid"])
        return self.answer(200)

    def page(self, request, items):
        size = int(request.query.get("pageSize", 100))
        number = int(request.query.get("pageNumber", request.query.get("page", 1)))
        return self.answer(200, {
            "data": items[(number - 1) * size:number * size], "currentPage": number, "pageSize": size,
            "totalCount": len(items), "totalPage": max(1, -(-len(items) // size)),
        })

    def vault_fields(self):
        return {"id": self.id, "name": self.name, "description": "", "contentType": "Credentials",
                "securityLevel": "Standard", "visibility": "Default", "type": "Shared"}

    def get_vaults(self, request):
        return self.page(request, [self.vault_fields()])

    def get_vault(self, request, key):
        return self.answer(200, self.vault_fields()) if key == self.id else self.refuse(404, "Vault not found.")

    def is_meant(self, fields, query):
        """The filters of a listing: the path's is not exact."""
        name, path, tag = query.get("name"), query.get("path"), query.get("tag")
        return ((not name or fields["name"].lower() == name.lower())
                and (not path or path.lower() in fields["path"].lower())
                and (not tag or tag in fields["tags"]))

    def get_entries(self, request, _):
        moment, found = self.clock.now() - self.stale, []
        for entry in sorted(self.entries.values(), key=lambda one: one.number):
            fields = entry.at(moment)
            if fields and self.is_meant(fields, request.query):
                found.append({name: value for name, value in fields.items() if name != "data"})
        return self.page(request, found)

    def get_entry(self, _request, _vault, key):
        entry = self.entries.get(key)
        if not entry or entry.now is None:
            return self.refuse(404, "Entry not found.")
        return self.answer(200, entry.now)

    def has_name(self, fields, besides=None):
        wanted = (fields["name"].lower(), (fields.get("path") or "").lower())
        return any((one["name"].lower(), one["path"].lower()) == wanted for one in self.living()
                   if one["id"] != besides)

    def post_entry(self, request, _):
        body = json.loads(request.body)
        if not self.equal_names and self.has_name(body):
            return self.refuse(409, "An entry of this name already exists.")
        return self.answer(201, {"id": self.add(body, "application")})

    def put_entry(self, request, _vault, key):
        entry, body = self.entries.get(key), json.loads(request.body)
        if not entry or entry.now is None:
            return self.refuse(404, "Entry not found.")
        if not self.equal_names and self.has_name(body, key):
            return self.refuse(409, "An entry of this name already exists.")
        self.change(key, "application", name=body["name"], path=body.get("path") or "",
                    description=body.get("description") or "", tags=body.get("tags") or [],
                    data=body.get("data") or {})
        return self.answer(200, {"id": key})

    def delete_entry(self, _request, _vault, key):
        entry = self.entries.get(key)
        if not entry or entry.now is None:
            return self.refuse(404, "Entry not found.")
        self.remove(key)
        return self.answer(200)


KEY = r"([^/]+)"
ROUTES = [
    ("POST", "/api/v1/logout", "logout"),
    ("GET", "/api/v1/vault", "get_vaults"),
    ("GET", f"/api/v1/vault/{KEY}", "get_vault"),
    ("GET", f"/api/v1/vault/{KEY}/entry", "get_entries"),
    ("POST", f"/api/v1/vault/{KEY}/entry", "post_entry"),
    ("GET", f"/api/v1/vault/{KEY}/entry/{KEY}", "get_entry"),
    ("PUT", f"/api/v1/vault/{KEY}/entry/{KEY}", "put_entry"),
    ("DELETE", f"/api/v1/vault/{KEY}/entry/{KEY}", "delete_entry"),
]
