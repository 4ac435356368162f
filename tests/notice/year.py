"""A year of notices by the built program, on the emulator's clock, judged by the world alone.

    year.py FOLDER DAYS HOURS

plays DAYS in which a look is made each HOURS: secrets are made, handed over late or in time and rotated, role
assignments end, are taken away and are given anew; receivers are down for two days, answer an error after they took a
notice, or answer too late. Prints one JSON line: problems, and counts of what was expected and what arrived.

What has to be told is computed here, from Graph's lists and from what people did; nothing of the program is used for
that. A thing is named by its kind, the end of its key id (or its role) and its application.
"""

import collections
import datetime
import email
import email.policy
import json
import os
import re
import ssl
import subprocess
import sys
import time
import urllib.request

FOLDER, DAYS, HOURS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.environ["MOONLATCH"]
DAY, SPANS = 86400, (30, 7, 0)
SETUP = "setup/entra-pam-provider"
TARGETS = ("good", "down", "errs", "late", "mail")
OUTAGES = ((60, 63), (90, 92), (199, 202))  # days, in which something is due

TELL = """local peer = require "peer"
return {
  summary = "tell", args = { to = { type = "string", required = true, help = "peer" } },
  needs = { peers = { ["{to}"] = { "POST /" } } },
  tell = function(notice, args) peer[args.to]:post("/", notice, { timeout = 1, what = "tell " .. args.to }) end,
}
"""
RULES = """local notice = require "notice"
local what = { expiring = { first = { "30d", "7d" } } }
local rules = { { to = "notify/sendmail", args = { to = { "a@contoso.com" } }, what = what } }
for _, name in ipairs { "good", "down", "errs", "late" } do
  rules[#rules + 1] = { to = "notify/own", args = { to = name }, what = what }
end
return notice { summary = "the year", rules = rules }
"""
POLICY = """local policy = require "policy"
return policy {
  summary = "%s", select = policy.applications { client_id = { "%s" } },
  every = "80d", lifetime = "90d", grace = "7d", limits = { max_changes = 10 },
  sink = policy.devolutions.server { path = "Entra" },
}
"""


def moment(text):
    return datetime.datetime.fromisoformat(text[:19] + "+00:00").timestamp()


class World:
    """The emulator, and what people do in it."""

    def __init__(self):
        self.home = os.path.join(FOLDER, "home")
        os.makedirs(self.home)
        self.child = subprocess.Popen(
            [PROGRAM, "emulator", "--private", "--lag", "0", "--interval", "1", "--directory", FOLDER + "/emulator"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=self.environment())
        self.ready = json.loads(self.child.stdout.readline())
        self.context = ssl.create_default_context(cafile=self.ready["ca"])
        self.held, self.foreign, self.names, self.watched = {}, set(), {}, {}

    def environment(self):
        return {"HOME": self.home, "LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}

    def control(self, method, path, body=None):
        request = urllib.request.Request(self.ready["control"] + path, method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, context=self.context, timeout=60) as answer:
            return json.loads(answer.read() or b"{}")

    def graph(self, path):
        answer = self.control("GET", "/graph/v1.0" + path.replace(" ", "%20"))
        return answer.get("value", answer)

    def admin(self, what, *arguments):
        return self.control("POST", "/tenant", {"do": what, "with": list(arguments)})["result"]

    def now(self):
        return time.time() + float(self.control("GET", "/clock")["offset"])

    def run(self, *words, status=(0,), profile="cloud"):
        found = subprocess.run([PROGRAM, *words, "--config", self.ready["config"], "--profile", profile], text=True,
                               stdin=subprocess.DEVNULL, capture_output=True, timeout=300, env=self.environment(),
                               check=False)
        if found.returncode not in status:
            raise AssertionError(f"{words}: status {found.returncode}\n{found.stdout}{found.stderr}")
        return found

    def credentials(self, app_id):
        """The secrets of an application that were made in the play, oldest first."""
        found = self.graph(f"/applications(appId='{app_id}')")
        made = [one for one in found["passwordCredentials"] if one["keyId"] not in self.foreign]
        return sorted(made, key=lambda one: one["startDateTime"])

    # ---- what has to be told ----

    def secrets(self, app_id, by_hand):
        """The things of an application: what its consumer has, and what waits for a person."""
        name, made = self.names[app_id], self.credentials(app_id)
        if not made:
            return {}
        newest, ends = made[-1], {one["keyId"]: moment(one["endDateTime"]) for one in made}
        held = self.held.get(app_id) if by_hand else newest["keyId"]
        things = {}
        if held:
            things["client secret", held[-4:], name] = ends.get(held) or self.ended[held]
            self.ended[held] = things["client secret", held[-4:], name]
        if newest["keyId"] != held:
            key = newest["keyId"]
            things["client secret", key[-4:], name] = ends[key]
            things["hand-over", key[-4:], name] = self.ended[held] if held else ends[key]
        return things

    def roles(self, principal, name):
        things = {}
        for one in self.graph("/roleManagement/directory/roleAssignmentScheduleInstances"
                              f"?$filter=principalId eq '{principal}'"):
            if one.get("endDateTime"):
                role = self.graph(f"/roleManagement/directory/roleDefinitions/{one['roleDefinitionId']}")
                things["role", role["displayName"], name] = moment(one["endDateTime"])
        return things

    ended = {}

    def things(self):
        found = {}
        for app_id, by_hand in self.watched.items():
            found.update(self.secrets(app_id, by_hand))
        for principal, name in self.principals.items():
            found.update(self.roles(principal, name))
        return found

    principals = {}


class Target:
    """What has to arrive at one receiver, and what did."""

    def __init__(self, name):
        self.name, self.ids, self.level = name, set(), {}
        self.expected, self.arrived = collections.defaultdict(list), collections.defaultdict(list)

    def expect(self, things, now):
        for thing, ends in things.items():
            level = sum(ends - now <= span * DAY for span in SPANS)
            if level > self.level.get(thing, 0):
                self.expected["told", thing].append(now)
            if level or thing in self.level:
                self.level[thing] = level
        for thing in [thing for thing in self.level if thing not in things]:
            del self.level[thing]
            self.expected["resolved", thing].append(now)

    def arrive(self, notice_id, titles, now):
        if notice_id in self.ids:
            return
        self.ids.add(notice_id)
        for title in titles:
            self.arrived[thing_of(title)].append(now)

    def problems(self, latest):
        """latest(now): when what was due at a moment has to be there."""
        for event in sorted(set(self.expected) | set(self.arrived), key=str):
            due, came = self.expected[event], self.arrived[event]
            if event[0] == "other":
                continue
            if len(due) != len(came):
                yield f"{self.name}: {event}: due at {days(due)}, came at {days(came)}"
            for one, other in zip(due, came):
                if not one - 1 <= other <= latest(one) + 1:
                    yield f"{self.name}: {event}: due on day {days([one])}, came on day {days([other])}"


BEGAN = 0


def days(moments):
    return [round((one - BEGAN) / DAY, 2) for one in moments]


FORMS = (
    re.compile(r"the (client secret|hand-over) …(\w+) of '(.*)', (?:in use|waiting|to confirm)(?::.*)?$"),
    re.compile(r"the (role) '([^']*)' of '(.*)', (?:assigned|eligible)(?::.*)?$"),
)


def thing_of(title):
    state, rest = re.match(r"(resolved: |worse: |still: )?(.*)", title, re.S).groups()
    for form in FORMS:
        found = form.match(rest)
        if found:
            return ("resolved" if state == "resolved: " else "told"), found.groups()
    return "other", title


class Year:
    def __init__(self):
        self.world, self.targets = World(), {name: Target(name) for name in TARGETS}
        self.receiver = subprocess.Popen(
            ["/usr/bin/python3", "-B", HERE + "/receiver.py", self.folder("receiver")], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, env=self.world.environment())
        self.service = json.loads(self.receiver.stdout.readline())
        self.mails, self.log, self.statuses = self.folder("mails"), 0, collections.Counter()
        self.seen_mails, self.others = set(), collections.Counter()
        self.scripts = self.folder("scripts")
        self.write("scripts/notify/own.lua", TELL)
        self.write("scripts/notices/year.lua", RULES)
        self.configure()

    def folder(self, name):
        path = os.path.join(FOLDER, name)
        os.makedirs(path, exist_ok=True)
        return path

    def write(self, name, text):
        path = os.path.join(FOLDER, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def configure(self):
        peers = "".join(f'{name} = {{ url = "{self.service["base"]}/{name}", ca = "{self.service["ca"]}" }},'
                        for name in TARGETS if name != "mail")
        more = (f'peers = {{ {peers} }}, programs = {{ sendmail = {{ "/usr/bin/python3", "-B", "{HERE}/mailer.py", '
                f'"{self.mails}" }} }},')
        path = self.world.ready["config"]
        with open(path, encoding="utf-8") as file:
            text = file.read().replace("emulator = { clock", more + "\n    emulator = { clock")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    # ---- what people do ----

    def begin(self):
        world = self.world
        identity = world.admin("add_identity", {
            "name": "Looks", "permissions": ["Directory.Read.All", "RoleManagement.Read.Directory"], "roles": []})
        world.principals = {identity["principal"]: "Looks"}
        self.identity = identity["principal"]
        world.run("login", "--for", SETUP)
        self.apply()
        app = next(one for one in world.graph("/applications?$top=999") if one.get("uniqueName", "")
                   == "moonlatch-setup-entra-pam-provider-devolutions-pam")
        self.provider = app["appId"]
        world.names[self.provider], world.watched[self.provider] = app["displayName"], True
        principal = world.graph(f"/servicePrincipals(appId='{self.provider}')")["id"]
        world.principals[principal] = app["displayName"]
        self.principal = principal
        for name in ("Billing", "Payroll <b>*x*"):
            made = world.admin("add_app", {"name": name, "permissions": [], "roles": [], "days": 400})
            for one in world.graph(f"/applications(appId='{made['appId']}')")["passwordCredentials"]:
                world.foreign.add(one["keyId"])
            world.names[made["appId"]], world.watched[made["appId"]] = name, False
            path = self.write(f"{name.split()[0].lower()}.lua", POLICY % (name.split()[0], made["appId"]))
            world.run("login", "--for", path, profile="emulator")

    def apply(self):
        self.world.run("apply", SETUP, "--yes", "--lifetime", "120d", "--renew-before", "20d", "--grace", "5d",
                       "--no-evidence", status=(0, 1))

    def rotate(self, name):
        self.world.run("rotate", os.path.join(FOLDER, name + ".lua"), "--yes", "--no-evidence", profile="emulator")

    def confirm(self):
        """A person pastes the newest secret of the provider, and says so."""
        if self.world.credentials(self.provider)[-1]["keyId"] != self.world.held.get(self.provider):
            self.world.run("handover", "--secret-file", os.path.join(FOLDER, f"given-{self.world.now()}"))
            self.world.run("handover", "--confirm", status=(0, 1))
            self.world.held[self.provider] = self.world.credentials(self.provider)[-1]["keyId"]

    def act(self, day):
        """What happens on a day, before its first look."""
        if day in (3, 104, 250, 320):  # in time, in time, 25 days late, in time
            self.confirm()
        if day % 10 == 0:
            self.apply()
        if day % 20 == 1:
            self.rotate("billing")
        if day in (1, 110, 300):  # the second and the third time after it had expired
            self.rotate("payroll")
        assign = {2: ("Reports Reader", 45), 60: ("Directory Readers", 90), 150: ("Reports Reader", 20),
                  200: ("Security Reader", 100)}
        if day in assign:
            role, length = assign[day]
            self.world.admin("assign_role", self.principal if day != 200 else self.identity, role, {"days": length})
        if day == 270:
            self.world.admin("remove_role", self.identity, "Security Reader")

    # ---- looking ----

    def set_down(self, is_down):
        for folder in (FOLDER + "/receiver", self.mails):
            path = os.path.join(folder, "down")
            if is_down and not os.path.exists(path):
                open(path, "w", encoding="ascii").close()
            elif not is_down and os.path.exists(path):
                os.remove(path)

    def collect(self, now):
        with open(self.service["log"], encoding="utf-8") as log:
            log.seek(self.log)
            for line in log:
                request = json.loads(line)
                notice = json.loads(request["body"])
                self.targets[request["path"][1:]].arrive(notice["id"], [one["title"] for one in notice["items"]], now)
                self.others.update(one["kind"] for one in notice["items"])
            self.log = log.tell()
        for name in sorted(set(os.listdir(self.mails)) - self.seen_mails - {"down"}):
            self.seen_mails.add(name)
            with open(os.path.join(self.mails, name), "rb") as file:
                mail = email.message_from_binary_file(file, policy=email.policy.default)
            titles = [line[2:] for line in mail.get_content().splitlines() if re.match("[!-] ", line)]
            self.targets["mail"].arrive(name, titles, now)

    def look(self):
        now, things = self.world.now(), self.world.things()
        self.statuses[self.world.run("notify", "notices/year", "--scripts", self.scripts, status=(0, 1, 3),
                                     profile="identity").returncode] += 1
        for target in self.targets.values():
            target.expect(things, now)
        self.collect(now)

    def play(self):
        global BEGAN
        BEGAN = self.world.now()
        self.begin()
        for hour in range(0, DAYS * 24, HOURS):
            day = hour / 24
            self.set_down(any(first <= day < last for first, last in OUTAGES))
            if hour % 24 == 0:
                self.act(hour // 24)
            self.pass_until(hour + 1.5)  # no date is so near to a look that the two readings of it could differ
            self.look()
            self.pass_until(hour + HOURS)

    def pass_until(self, hour):
        wait = BEGAN + hour * 3600 - self.world.now()
        self.world.control("POST", "/clock", {"advance": max(0, wait)})

    def latest(self, name):
        """Until when a receiver has to be told of what was due at a moment."""
        step = HOURS * 3600
        slack = {"good": 0, "errs": step, "late": step}.get(name, 0)

        def latest(due):
            for first, last in OUTAGES:
                if name in ("down", "mail") and first * DAY <= due - BEGAN < last * DAY:
                    return BEGAN + last * DAY + 6 * 3600 + step  # the longest pause between two tries
            return due + slack
        return latest

    def verdict(self):
        problems = [one for name, target in self.targets.items() for one in target.problems(self.latest(name))]
        good = self.targets["good"]
        return {"problems": problems, "statuses": dict(self.statuses), "items": dict(self.others),
                "expected": sum(map(len, good.expected.values())),
                "told": sum(len(times) for event, times in good.arrived.items() if event[0] == "told"),
                "resolved": sum(len(times) for event, times in good.arrived.items() if event[0] == "resolved"),
                "things": len({event[1] for event in good.expected}),
                "delivery": sorted({str(event[1]) for target in self.targets.values() for event in target.arrived
                                    if event[0] == "other"})[:20]}

    def close(self):
        for child in (self.receiver, self.world.child):
            child.stdin.close()
            child.wait(20)


if __name__ == "__main__":
    YEAR = Year()
    try:
        YEAR.play()
        print(json.dumps(YEAR.verdict()))
    finally:
        YEAR.close()
