"""What one account's rotation asks, as steps for `requests -f`.

    steps.py READY_FILE TOKEN SESSION STAND_IN ACCOUNTS <RECORD

RECORD is the emulator's, of a run that changed ACCOUNTS accounts and was told to keep
what was said. The steps are those of the last account it looked at; that the others
made as many is checked. The list of all pending entries is left out: rotations share it. STAND_IN, an account that no policy selects, is changed in its
place, and the entries lie in another folder. Secrets are masked in the record, and the far side does not
say which headers it got: both are made up, of the same size.
"""
import collections
import json
import re
import sys

ready_file, token, session, stand_in, accounts = sys.argv[1:]
ready = json.load(open(ready_file))
entries = [entry for entry in json.load(sys.stdin)["requests"] if isinstance(entry["status"], int)]
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PASSWORD = "Aa1!" * 8  # as long as a policy's by default
COMMON = ["Accept: application/json", "Accept-Encoding: gzip", "User-Agent: moonlatch"]
HEADERS = {
    "graph": COMMON + ["client-request-id: 00000000-0000-4000-8000-000000000000", "return-client-request-id: true",
                       "Authorization: Bearer " + token],
    "devolutions": COMMON + ["tokenId: " + session],
}


def answer_of(entry):
    text = entry["exchange"].get("answer")
    return json.loads(text) if text else {}


def is_of(entry, words):
    """Does the request or its answer name the account or one of its entries?"""
    return any(word in entry["path"] or word in json.dumps(entry["exchange"]) for word in words)


def account_of(entry):
    found = re.match(r"/v1\.0/users/(" + GUID.pattern + ")$", entry["path"])
    return entry["method"] == "PATCH" and found and found[1]


def story(account):
    """One account with its name, and the requests about it, in their order."""
    looks = [entry for entry in entries if entry["path"].startswith("/v1.0/users/" + account)]
    name = next(filter(None, (answer_of(entry).get("userPrincipalName") for entry in looks)))
    own = [entry for entry in entries if "tag=" not in entry["path"]]
    about = [entry for entry in own if entry["peer"] == "devolutions" and "totalCount" not in answer_of(entry)]
    ids = {answer["id"] for answer in map(answer_of, about) if str(answer.get("name", "")).startswith(name)}
    name_in_query = re.compile(r"[?&]name=" + re.escape(name).replace("@", "(@|%40)"))
    mine = [entry for entry in own if entry in looks or entry["peer"] == "devolutions" and
            (is_of(entry, ids) or name_in_query.search(entry["path"]))]
    return account, name, [entry for entry in mine if "path=" not in entry["path"] or name_in_query.search(entry["path"])]


def body_of(entry, steps):
    if entry["exchange"].get("body"):
        return entry["exchange"]["body"]
    if entry["method"] not in ("POST", "PUT"):
        return ""
    made = answer_of(entry)["id"]
    read = next(answer for answer in map(answer_of, steps) if answer.get("id") == made and "data" in answer)
    return json.dumps({key: read[key] for key in ("name", "path", "type", "subType", "description", "tags", "data")},
                      separators=(",", ":"))


def line_of(entry, steps, made, account, name):
    base = ready["graph"][: -len("/v1.0")] if entry["peer"] == "graph" else ready["devolutions"]
    body = body_of(entry, steps)
    text = "\t".join([entry["method"], base + entry["path"], body.replace("[secret]", PASSWORD)])
    text = text.replace(account, stand_in).replace("Bench", "Other")
    for place, guid in enumerate(made):
        text = text.replace(guid, "{%d}" % (place + 1))
    for spelling in (name, name.replace("@", "%40")):
        text = text.replace(spelling, "{n}" + spelling[6:])
    kind = ["Content-Type: application/json"] if body else []
    return "\t".join([text, *kind, *HEADERS[entry["peer"]]])


stories = [story(account) for account in dict.fromkeys(filter(None, map(account_of, entries)))]
counts = collections.Counter(len(steps) for *_, steps in stories)
if len(stories) != int(accounts) or len(counts) != 1:
    sys.exit(f"{len(stories)} accounts made {dict(counts)} requests, not {accounts} the same number")
account, name, steps = stories[-1]
made = [answer_of(entry)["id"] for entry in steps if entry["method"] == "POST"]
for entry in steps:
    print(line_of(entry, steps, made, account, name))
