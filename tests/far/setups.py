"""Two set-ups at once, from two machines: the first is held at one request, or both are, and everything that they say
is compared with what is there."""

import threading

import far as rules
from program import Installation, Run

ADMIN = ["Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All", "RoleManagement.ReadWrite.Directory",
         "Directory.Read.All", "User.Read.All", "Group.Read.All", "Policy.Read.All", "Organization.Read.All"]
NAME = "Devolutions PAM"
WORDS = ("apply", "setup/entra-pam-provider", "--yes", "--json")
DAY = 86400
MOST = 30  # requests that a set-up makes from the one for the client secret on, at most


class Hold:
    """Holds one request: the n-th that matches, before it is carried out or after."""

    def __init__(self, far, match, number, before):
        self.match, self.left, self.before = match, number, before
        self.came, self.go = threading.Event(), threading.Event()
        self.lock = threading.Lock()
        far.rule(self.is_held, self.act)

    def is_held(self, exchange):
        if not self.match(exchange):
            return False
        with self.lock:
            self.left -= 1
            return self.left == 0

    def act(self, exchange):
        answer = None if self.before else exchange.apply()
        self.came.set()
        self.go.wait(120)
        return exchange.apply() if self.before else answer

    def await_held(self, child):
        """Wait until the request has come, or the process has ended without it: then nothing is held any more."""
        while not self.came.wait(0.02):
            if child.poll() is not None:
                with self.lock:
                    self.left = 0
                return self.came.is_set()
        return True


def machines(far, linked=True):
    """Two machines whose administrators have an application each to sign in as."""
    return [Installation(far, far.folder, name, linked=linked,
                         client=far.directory.add_client(f"Admin {name}", ADMIN, ["Global Administrator"]))
            for name in ("one", "two")]


# What is there

def applications(far):
    return [one for one in far.directory.applications.values() if one["uniqueName"]]


def entries(far):
    return [one for one in far.vault.living() if one["name"] == NAME]


def living_values(far):
    return {far.directory.values[one["keyId"]] for application in applications(far)
            for one in application["passwordCredentials"]}


def several(far):
    """Of what there may be only one, what there is several times."""
    found = [f"{len(things)} {name}" for name, things in (("applications", applications(far)),
                                                          ("entries", entries(far))) if len(things) > 1]
    for name, things, members in (("grants", far.directory.grants, ("principalId", "appRoleId")),
                                  ("roles", far.directory.assignments, ("principalId", "roleDefinitionId"))):
        keys = [tuple(one[member] for member in members) for one in things.values()]
        found += [f"the same among {name} twice"] if len(keys) != len(set(keys)) else []
    return found


def wrong_value(far):
    """Does an entry hold a secret that does not sign in?"""
    return [f"the entry {one['id']} holds a secret that does not sign in" for one in entries(far)
            if one["data"].get("clientSecret") not in living_values(far)]


def secrets(far):
    return [one for application in applications(far) for one in application["passwordCredentials"]]


class Watch:
    """What was said, and what was there when it was said."""

    def __init__(self, far, secrets=1):
        self.far, self.secrets, self.runs, self.stored = far, secrets, [], []

    def end(self, child):
        """Wait for a process of the program, and note what lies in the entry when it says that all is done."""
        out, err = child.communicate(timeout=300)
        run = Run(child.returncode, out, err)
        self.runs.append(run)
        if run.status == 0:
            self.stored.append([one["data"].get("clientSecret") for one in entries(self.far)])

    def judge(self):
        """What no two runs may leave, whatever they say; and what they may not say."""
        far, problems = self.far, several(self.far) + wrong_value(self.far)
        for run in self.runs:
            if run.status not in (0, 1) or run.document is None:
                problems.append(f"status {run.status}: {run.err[-300:]}")
        for stored in self.stored:
            if len(stored) != 1:
                problems.append(f"said to be done, and there are {len(stored)} entries")
            elif stored != [one["data"].get("clientSecret") for one in entries(far)]:
                problems.append("said to be done, and the entry was written once more after that")
        if all(run.status == 0 for run in self.runs) and len(secrets(far)) != self.secrets:
            problems.append(f"both said to be done, and there are {len(secrets(far))} client secrets")
        return problems


def judge_end(far, again):
    """After one more run of each: all is there once, works, and nothing that was to go is left."""
    problems = several(far) + wrong_value(far)
    problems += [f"a later run: {run.status} {run.err[-400:]}" for run in again if run.status != 0]
    left = [one["name"] for one in far.vault.living() if one["name"] != NAME]
    problems += [f"left in the vault: {name}" for name in left]
    return problems if len(entries(far)) == 1 else problems + [f"{len(entries(far))} entries in the end"]


def outcome(far, case, seed, problems, runs, again, **more):
    return {"case": case, "seed": seed, "problems": problems, "status": [run.status for run in (*runs, *again)],
            "kinds": {f"secrets {len(secrets(far))}, statuses {sorted(run.status for run in runs)}": 1},
            "errors": [run.err[-300:] for run in (*runs, *again)] if problems else [],
            "strange": far.strange(), **more}


# Which requests

def every(_exchange):
    return True


class Since:
    """Every request from the first that is made, on."""

    def __init__(self, first):
        self.first, self.begun = first, False

    def __call__(self, exchange):
        self.begun = self.begun or self.first(exchange)
        return self.begun


CHANGES = [rules.asks("graph", "PATCH", "/applications"), rules.asks("graph", "POST", "/addPassword"),
           rules.asks("vault", "POST", "/entry"), rules.asks("graph", "POST", "/appRoleAssignedTo"),
           rules.asks("graph", "PATCH", "/servicePrincipals"), rules.asks("graph", "POST", "/roleAssignments")]


# The plays

def play(far, case, seed, hold, both=None, secrets_there=1):
    """The first is held at one request while the second runs to its end; then each runs once more."""
    both, watch = both or machines(far), Watch(far, secrets_there)
    child = both[0].start(*WORDS)
    met = hold.await_held(child)
    watch.end(both[1].start(*WORDS))
    hold.go.set()
    watch.end(child)
    problems = watch.judge()
    again = once_more(far, both)
    return outcome(far, case, seed, problems + judge_end(far, again), watch.runs, again, met=met)


def once_more(far, both):
    """A run of each, when listings show what was written before."""
    runs = []
    for one in both:
        far.clock.advance(5)
        runs.append(one.run(*WORDS))
    return runs


def hold_of(far, seed, match):
    """Seed 1 holds before the first request, 2 after the first, 3 before the second …"""
    return Hold(far, match, (seed + 1) // 2, seed % 2 == 1)


def changes(far, seed):
    """Held at one of its changes."""
    return play(far, "two set-ups", seed, Hold(far, CHANGES[seed % len(CHANGES)], 1, True))


def steps(far, seed):
    """Held at any request."""
    return play(far, "two set-ups, step by step", seed, hold_of(far, seed, every))


def late_steps(far, seed):
    """The same, counted from the request for the client secret on."""
    return play(far, "two set-ups, from the client secret on", seed, hold_of(far, seed, Since(CHANGES[1])))


def renewals(far, seed):
    """Both have the same client secret on record, and both make a new one at once, beside the one that retires."""
    both = machines(far)
    problems = [f"before: {run.err[-300:]}" for run in [one.run(*WORDS) for one in both] if run.status]
    far.clock.advance(170 * DAY)  # the client secret lives 180 days
    result = play(far, "two renewals", seed, hold_of(far, seed, Since(CHANGES[1])), both, 2)
    result["problems"] += problems
    return result


def behind(far, seed):
    """From the client secret on, and listings of the vault lag by up to two seconds, a machine's own entries too."""
    far.vault.stale = far.dice.uniform(0.2, 2)
    return late_steps(far, seed)


def alone(far, seed):
    """The same in a vault that allows no equal names."""
    far.vault.equal_names = False
    return late_steps(far, seed)


def crossed(far, seed):
    """The first is held, then the second; the first goes on to its end, then the second does."""
    both, watch, (one, two) = machines(far), Watch(far), divmod(seed - 1, MOST)
    first = Hold(far, Since(CHANGES[1]), one + 1, True)
    child = both[0].start(*WORDS)
    first.await_held(child)
    second = Hold(far, Since(CHANGES[1]), two + 1, True)
    other = both[1].start(*WORDS)
    second.await_held(other)
    first.go.set()
    watch.end(child)
    second.go.set()
    watch.end(other)
    problems = watch.judge()
    again = once_more(far, both)
    return outcome(far, "two set-ups, crossed", seed, problems + judge_end(far, again), watch.runs, again)
