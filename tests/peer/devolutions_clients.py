"""Makes the calls that two open clients of Devolutions Server make, in their order and form, and says what came back.

The call sequences are facts read from the clients' sources; nothing of their code is here:
- Devolutions/ansible-dvls@8400e4f (modules create_secret, fetch_secrets, fetch_server; lookups secret, secret_full):
  login with a JSON body, the header tokenId, a list of entries without a page, filters name, tag, path and type, the
  member "subtype", logout with the header Content-Type and an empty body.
- adbertram/devolutions-server-get-entry@8325d03 (GitHub Action): the vault by its name, the entry by ?name=, then the
  entry with ?includeSensitiveData=true; it never logs out.

devolutions_clients.py BASE CA APP-KEY SECRET-FILE VAULT-NAME
Prints one JSON document: for each client a list of calls { call, status } and what it made of the answers.
"""
import json
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request

BASE, CA, APP_KEY, SECRET_FILE, VAULT_NAME = sys.argv[1:]
with open(SECRET_FILE, encoding="utf-8") as file:
    APP_SECRET = file.read()
CONTEXT = ssl.create_default_context(cafile=CA)


class Client:
    """One run of a client: its session, and the calls that it made."""

    def __init__(self, content_type):
        self.content_type = content_type
        self.token = None
        self.calls = []

    def ask(self, method, path, query=None, body=None):
        """Make one call; the decoded answer."""
        url = BASE + path + ("?" + urllib.parse.urlencode(query) if query else "")
        data = json.dumps(body).encode() if body is not None else b"" if method == "POST" else None
        request = urllib.request.Request(url, data=data, method=method)
        if body is not None or self.content_type:
            request.add_header("Content-Type", "application/json")
        if self.token:
            request.add_header("tokenId", self.token)
        try:
            with urllib.request.urlopen(request, context=CONTEXT) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            status, text = refused.code, refused.read()
        self.calls.append({"call": f"{method} {path}", "status": status})
        return json.loads(text) if text else None

    def login(self):
        self.token = self.ask("POST", "/api/v1/login", body={"appKey": APP_KEY, "appSecret": APP_SECRET})["tokenId"]

    def logout(self):
        self.ask("POST", "/api/v1/logout")


def entries_of(vault):
    return f"/api/v1/vault/{vault}/entry"


def fetch_server(client):
    vaults = client.ask("GET", "/api/v1/vault")["data"]
    public = client.ask("GET", "/api/public-instance-information")["data"]
    private = client.ask("GET", "/api/private-instance-information")["data"]
    return {"version": public.get("version"), "has_uri": "accessURI" in private,
            "vaults": [vault["name"] for vault in vaults]}


def vault_of(client):
    return next(vault["id"] for vault in client.ask("GET", "/api/v1/vault")["data"] if vault["name"] == VAULT_NAME)


def create_secret(client, vault, name, value, path):
    """Create the entry, or replace it where the list has one of that name and path."""
    listed = client.ask("GET", entries_of(vault))["data"]
    body = {"name": name, "type": "Credential", "subtype": "Default", "path": path, "description": None,
            "data": {"username": name, "password": value}}
    there = [entry for entry in listed if entry["name"] == name and (not path or entry["path"] == path)]
    if there:
        client.ask("PUT", f"{entries_of(vault)}/{there[0]['id']}", body=body)
        return there[0]["id"]
    return client.ask("POST", entries_of(vault), body=body)["id"]


def read_entry(client, vault, number, query=None):
    """Name and password of an entry."""
    data = client.ask("GET", f"{entries_of(vault)}/{number}", query=query)["data"]
    return [data["username"], data["password"]]


def fetch_secrets(client, vault, name, number):
    """By name, by id, and all by each filter."""
    listed = client.ask("GET", entries_of(vault))["data"]
    found = next(entry["id"] for entry in listed if entry["name"] == name)
    read = {"by name": read_entry(client, vault, found), "by id": read_entry(client, vault, number)}
    for word, value in {"name": name, "path": "Ansible", "type": "Credential", "tag": "none"}.items():
        rows = client.ask("GET", entries_of(vault), query={word: value})["data"]
        read["filter " + word] = [row["name"] for row in rows]
    return read


def look_up(client, vault, name):
    """The lookup plugins: the first entry of that name, then the entry itself."""
    first = client.ask("GET", entries_of(vault), query={"name": name})["data"][0]["id"]
    return read_entry(client, vault, first)


def run_ansible():
    """The modules, each with a session of its own."""
    result = {}
    client = Client(content_type=True)
    client.login()
    result["server"] = fetch_server(client)
    vault = vault_of(client)
    client.logout()
    for turn, value in {"created": "first-value", "updated": "second-value"}.items():
        client.login()
        result[turn] = create_secret(client, vault, "svc-ansible", value, "Ansible")
        client.logout()
    client.login()
    result["read"] = fetch_secrets(client, vault, "svc-ansible", result["created"])
    result["looked up"] = look_up(client, vault, "svc-ansible")
    client.logout()
    client.ask("GET", "/api/v1/vault")  # what the session is worth after the logout
    return {"calls": client.calls, "result": result}


def run_get_entry():
    """The action takes the answer to ?name= for one entry; the official clients get a list."""
    client = Client(content_type=False)
    client.login()
    vault = vault_of(client)
    answer = client.ask("GET", entries_of(vault), query={"name": "svc-ansible"})
    data = answer["data"]
    if not isinstance(data, dict):
        return {"calls": client.calls, "result": f"a list of {len(data)}, and no entry"}
    entry = read_entry(client, vault, data["id"], {"includeSensitiveData": "true"})
    return {"calls": client.calls, "result": entry}


def run_get_entry_by_id(number):
    """Its last call, with the id that it would need."""
    client = Client(content_type=False)
    client.login()
    vault = vault_of(client)
    entry = read_entry(client, vault, number, {"includeSensitiveData": "true"})
    return {"calls": client.calls, "result": entry}


ansible = run_ansible()
json.dump({"ansible": ansible, "get-entry": run_get_entry(),
           "get-entry, last call": run_get_entry_by_id(ansible["result"]["created"])}, sys.stdout)
