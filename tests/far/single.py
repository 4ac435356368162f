"""What can happen to one account: each case alone, on a clock that the program's waits move.

A case is a function that has something happen and runs the program; what it must never do
is checked after each run, what must be so in the end by the case itself.
"""

import far as rules
from directory import PERMISSIONS, ROLES
from program import Installation
from verdict import account, dark, look

CASES = {}
LATE = 160  # seconds after which no request of ours can land any more
DAY = 86400


def case(name, **options):
    """Register a case under a name; options are kept beside it."""
    def keep(function):
        CASES[name] = (function, options)
        return function
    return keep


class Stage:
    """A far side with some accounts and one installation; collects what went wrong."""

    def __init__(self, far, count=1, more=(), **policy):
        self.far, self.keys = far, far.people(count)
        self.one = Installation(far, far.folder, "one", client=far.rotator("Rotator", more=more), **policy)
        self.problems, self.runs = [], []
        self.done = False  # must it end without a person?
        self.vandal = False  # did a person take a value out of the vault?

    @property
    def key(self):
        return self.keys[0]

    def name(self, key=None):
        return self.far.directory.users[key or self.key].now["userPrincipalName"]

    def problem(self, text):
        self.problems.append(f"run {len(self.runs)}: {text}")

    def check(self, wanted, text):
        if not wanted:
            self.problem(text)

    def rotate_plainly(self, *words):
        """Run once."""
        self.runs.append(self.one.rotate(*words))
        return self.runs[-1]

    def rotate(self, *words):
        """Run once and check what no run may do."""
        run = self.rotate_plainly(*words)
        if run.document is None:
            self.problem(f"no JSON, status {run.status}: {run.err[-300:]}")
        for key, one in look(self.far).items():
            self.check_claim(run, key, one)
        for one in dark(self.far, {self.one.client}) if not self.vandal else []:
            self.problem(f"dark: no entry holds the password of {one['name']} that we set")
        return run

    def check_claim(self, run, key, one):
        said = run.said(one["name"])
        if said == "changed" and not one["held_current"]:
            self.problem(f"said changed of {one['name']}, and its entry is not what is in force ({one['who']})")
        elif run.status == 0 and one["dead_current"] and key in self.keys:
            self.problem(f"exit 0 ({said}), and the entry of {one['name']} is not what is in force ({one['who']})")

    def ended(self, run):
        """Has it ended, or does it name a person's part? Nothing may be stuck."""
        one = account(self.far, self.key)
        is_done = run.status == 0 and one["held_current"] and one["pending"] == 0
        is_named = run.status == 1 and run.said(one["name"]) in ("stop", "person", "orphaned")
        self.check(is_done or is_named and not self.done,
                   f"{'a person is asked' if is_named else 'stuck'}: status {run.status}, said {run.said(one['name'])}, current {one['held_current']}, "
                   f"pending {one['pending']}: {(run.accounts().get(one['name']) or {}).get('why')}")

    def later(self, seconds):
        self.far.clock.advance(seconds)

    def through(self, runs=3, pause=LATE + 30):
        """Runs with enough time between them; the last must have ended it."""
        for number in range(runs):
            last = self.rotate()
            if number < runs - 1:
                self.later(pause)
        self.ended(last)
        return last

    def outcome(self):
        """Who set it last, and what became of it."""
        one = account(self.far, self.key) if self.key in self.far.directory.users else {}
        return {"said": [run.said(one.get("name", "")) for run in self.runs],
                "status": [run.status for run in self.runs], "setters": len(one.get("setters", [])),
                "stranger_last": one.get("who") == "stranger", "held": one.get("held")}


# Somebody else, while ours never arrived

def taken_for_ours(seconds, wait=5, kept=False, audit=False, force=False):
    """`wait`: until the second run, after the stranger; `kept`: the stranger's must not be overwritten."""
    def play(far):
        stage = Stage(far, more=["AuditLog.Read.All"] if audit else [])
        cut = far.rule(rules.password_of(stage.key), rules.cut_before, None)
        start = far.clock.now()
        far.clock.later(seconds, lambda: far.stranger(stage.key, force=force))
        stage.rotate()
        cut.times = 0
        stage.later(max(0, start + seconds + wait - far.clock.now()))
        stage.rotate()
        stage.later(LATE)
        stage.ended(stage.rotate())
        who = account(far, stage.key)["who"]
        stage.check(not kept or who == "stranger", f"what the stranger set was overwritten by {who}")
        return stage
    return play


for moment in (3, 20, 100, 145):
    case(f"cut before it arrived, a stranger {moment} s later")(taken_for_ours(moment))
case("cut before it arrived, a stranger 400 s later")(taken_for_ours(400, kept=True))
case("cut before it arrived, a stranger 100 s later, seen after two hours")(taken_for_ours(100, 7200, kept=True))
case("cut before it arrived, a stranger 100 s later, whom the audit log names")(
    taken_for_ours(100, 200, kept=True, audit=True))
case("cut before it arrived, a stranger 100 s later, who makes its user choose another")(
    taken_for_ours(100, 200, kept=True, force=True))


# What becomes of a request

def one_fault(act, times=1, **switches):
    def play(far):
        stage = Stage(far, more=["AuditLog.Read.All"] if switches.get("audit") else [])
        stage.done = switches.get("done", False)
        far.directory.skew, far.directory.stale = switches.get("skew", 0), switches.get("stale", 0)
        far.vault.stale, far.vault.equal_names = switches.get("late_lists", 0), switches.get("equal_names", True)
        if act:
            far.rule(rules.password_of(stage.key), act, times)
        stage.through(switches.get("runs", 3))
        return stage
    return play


FAULTS = {
    "cut before it arrived": one_fault(rules.cut_before, done=True),
    "cut before it arrived, five times": one_fault(rules.cut_before, 5, done=True),
    "done, and the answer cut": one_fault(rules.cut_after, done=True),
    "done, and the answer cut, and the audit log names us": one_fault(rules.cut_after, done=True, audit=True),
    "done, and the answer cut, five times": one_fault(rules.cut_after, 5, done=True),
    "delivered twice": one_fault(rules.twice, done=True),
    "delivered twice, 60 s apart": one_fault(rules.twice_after(60), done=True),
    "done 40 s later": one_fault(rules.late(40), done=True),
    "done 100 s later": one_fault(rules.late(100), done=True),
    "done 140 s later, five times": one_fault(rules.late(140), 5),
    "accepted and not done": one_fault(rules.not_done, runs=4, done=True),
    "accepted and not done, ever": one_fault(rules.not_done, None, runs=4),
    "reads 30 s behind": one_fault(None, stale=30, done=True),
    "reads 200 s behind": one_fault(None, stale=200),
    "reads 400 s behind": one_fault(None, stale=400),
    "lists 2 s behind": one_fault(None, late_lists=2, done=True),
    "no equal names": one_fault(None, equal_names=False, done=True),
}
for status in (403, 404, 409, 503):
    FAULTS[f"done, and answered {status}"] = one_fault(rules.done_but_answered(status), done=status != 403)
    FAULTS[f"not done, and answered {status}"] = one_fault(rules.answered(status), done=True)
for seconds in (-20, -3, -1, 1, 3, 20):
    FAULTS[f"the directory's clock {seconds:+d} s"] = one_fault(None, skew=seconds, done=True)
    FAULTS[f"the directory's clock {seconds:+d} s, the answer cut"] = one_fault(rules.cut_after, skew=seconds, done=seconds in (1, 3))
for name, function in FAULTS.items():
    case(name)(function)


def known_offset(seconds):
    """The directory's clock is wrong, and a change before has shown how much: then an answer is cut."""
    def play(far):
        stage = Stage(far)
        far.directory.skew = seconds
        stage.rotate()
        stage.later(31 * DAY)
        far.rule(rules.password_of(stage.key), rules.cut_after)
        stage.done = True
        stage.through(2)
        return stage
    return play


for seconds in (-20, -3, -1, 3, 20):
    case(f"the directory's clock is known to be {seconds:+d} s, the answer cut")(known_offset(seconds))


def stranger_around(**when):
    def play(far):
        stage = Stage(far)

        def change(_exchange):
            far.stranger(stage.key)
        far.rule(rules.password_of(stage.key), rules.around(**{name: change for name in when}))
        run = stage.rotate()
        stage.later(LATE + 30)
        stage.rotate()
        stage.later(LATE + 30)
        stage.ended(stage.rotate())
        stage.check(run is not None, "")
        return stage
    return play


case("a stranger just before ours is done")(stranger_around(before=True))
case("a stranger between doing and answer", u9="between send and answer")(stranger_around(between=True))


@case("the directory's clock -3 s, a stranger 4 s after ours was set")
def stranger_behind(far):
    """Two new moments are seen after one request: one of the two changes cannot be ours."""
    stage = Stage(far)
    far.directory.skew = -3

    def act(exchange):
        far.clock.later(4, lambda: far.stranger(stage.key))
        return exchange.apply()
    far.rule(rules.password_of(stage.key), act)
    stage.through(2)
    return stage


@case("the directory's clock +3 s, found out within a minute")
def soon_found(far):
    stage = Stage(far)
    far.directory.skew = 3
    began = far.clock.now()
    stage.rotate()
    stage.check(far.clock.now() - began < 60, f"it took {far.clock.now() - began:.0f} s")
    return stage


@case("a stranger 2 s after ours was changed")
def stranger_soon(far):
    stage = Stage(far)

    def act(exchange):
        far.clock.later(2, lambda: far.stranger(stage.key))
        return exchange.apply()
    far.rule(rules.password_of(stage.key), act)
    stage.rotate()
    stage.later(LATE + 30)
    last = stage.rotate()
    stage.check(last.status == 1 and last.names(stage.name()), "a change by somebody else is not reported")
    return stage


@case("A times out, its repeat is refused, B is accepted, A lands")
def forgotten_too_soon(far):
    stage, values = Stage(far), []

    def act(exchange):
        values.append(exchange)
        if len(values) == 1:
            return rules.late(100)(exchange)
        if len(values) == 2:
            answer = exchange.far.graph.refuse(
                exchange.request, 400, "Request_BadRequest",
                "The specified password does not comply with password complexity requirements. Please provide a "
                "different password.")
            return answer
        return exchange.apply()
    far.rule(rules.password_of(stage.key), act, None)
    stage.through(4)
    return stage


@case("an unanswered send lands after it was rotated again")
def lands_after_rotation(far):
    """The second rotation is asked for by a person: it must wait until nothing of the first can land."""
    stage = Stage(far)
    far.rule(rules.password_of(stage.key), rules.late(140))
    stage.rotate()
    run = stage.rotate("--now", stage.name())
    stage.check(run.status in (0, 1), f"status {run.status}: {run.err[-200:]}")
    stage.later(2 * LATE)
    stage.ended(stage.rotate())
    return stage


@case("rights are withdrawn, and given back")
def rights(far):
    stage = Stage(far)
    principal = far.directory.principal_of(stage.one.client)["id"]
    permission = PERMISSIONS["User-PasswordProfile.ReadWrite.All"]
    for key, grant in list(far.directory.grants.items()):
        if (grant["principalId"], grant["appRoleId"]) == (principal, permission):
            del far.directory.grants[key]
    run = stage.rotate()
    stage.check(run.status == 1, f"exit {run.status} without the right")
    stage.later(LATE)
    far.directory.grant(principal, permission)
    stage.done = True
    stage.through(2)
    return stage


# Accounts that go while it is unknown

def leaves(what):
    def play(far):
        stage = Stage(far, count=2)
        cut = far.rule(rules.password_of(stage.key), rules.cut_before, None)
        stage.rotate()
        cut.times = 0
        what(far, stage.key)
        stage.later(LATE + 30)
        stage.rotate()
        stage.later(DAY)
        last = stage.rotate()
        stage.check(last.status == 0, f"stuck: status {last.status} a day later: {last.out[-400:]} {last.err[-300:]}")
        return stage
    return play


case("unknown, then it leaves the group")(leaves(lambda far, key: far.directory.leave_group(rules.GROUP, key)))
case("unknown, then it is deleted")(leaves(lambda far, key: far.directory.delete_user(key)))


# A person's part

def closed_by_hand(*words):
    def play(far):
        stage = Stage(far)
        cut = far.rule(rules.password_of(stage.key), rules.cut_after, None)
        stage.rotate()
        cut.times = 0
        early = stage.one.run("journal", "close", stage.name(), "--yes", *words)
        stage.check(early.status == 1, f"closed while a request may still land: {early.status} {early.out}")
        stage.later(LATE)
        late = stage.one.run("journal", "close", stage.name(), "--yes", *words)
        stage.check(late.status == 0, f"not closed: {late.status} {late.err[-300:]}")
        pending = account(far, stage.key)["pending"]
        stage.check(pending == (0 if words else 1), f"{pending} pending entries after {words}")
        stage.vandal = bool(words)
        stage.rotate()
        return stage
    return play


case("a person closes what is not known")(closed_by_hand())
case("a person closes what is not known, and drops its entries")(closed_by_hand("--drop"))


@case("overtaken, and a person goes on with it")
def resumed(far):
    stage = Stage(far)
    cut = far.rule(rules.password_of(stage.key), rules.cut_before, None)
    far.clock.later(400, lambda: far.stranger(stage.key))
    stage.rotate()
    stage.later(500)
    cut.times = 0
    for _ in range(3):
        stage.rotate()
        resumed = stage.one.run("journal", "resume", stage.name(), "--yes")
        stage.check(resumed.status in (0, 1, 2), f"resume: {resumed.status} {resumed.err[-300:]}")
        stage.check(account(far, stage.key)["pending"] <= 1, "a pending entry more each time")
        stage.later(LATE + 30)
    stage.done = True
    stage.ended(stage.rotate())
    return stage


# Whose password is refused

def refused(prepare):
    def play(far):
        stage = Stage(far, count=3)
        prepare(far, stage)
        name = stage.name()
        plan = stage.one.plan()
        stage.check(plan.status == 3, f"plan says {plan.status} of accounts that are refused")
        run = stage.rotate()
        stage.check(run.status == 1, f"exit {run.status} with a refused account (said {run.said(name)})")
        stage.check(run.names(name), f"{name} is not named")
        return stage
    return play


def second_entry(far, stage):
    for _ in range(2):
        far.vault.add({"name": stage.name(), "path": "Entra\\Tier0", "type": "Credential", "subType": "Default",
                       "tags": ["moonlatch-password"], "data": {"username": stage.name(), "password": "x"}}, "person")


REFUSED = {
    "a guest": lambda far, stage: far.directory.change_user(stage.key, userType="Guest"),
    "a synced user": lambda far, stage: far.directory.change_user(stage.key, onPremisesSyncEnabled=True),
    "a disabled user": lambda far, stage: far.directory.change_user(stage.key, accountEnabled=False),
    "an administrator beyond reach": lambda far, stage: far.directory.assign_role(
        stage.key, ROLES["Global Administrator"]),
    "two entries of its name": second_entry,
}


for name, function in REFUSED.items():
    case(f"refused: {name}")(refused(function))


# Who it is

@case("the user is renamed")
def renamed(far):
    stage = Stage(far)
    stage.rotate()
    far.directory.change_user(stage.key, userPrincipalName="new-name@far.example")
    stage.later(31 * DAY)
    stage.rotate()
    one = account(far, stage.key)
    names = [entry["name"] for entry in far.vault.living()]
    stage.check(one["held_current"], "the entry of its new name does not hold what is in force")
    stage.check(names == ["new-name@far.example"] or stage.runs[-1].names("t0-00@far.example"),
                f"the old entry is left without a word: {names}")
    return stage


@case("the user is renamed, and not due")
def renamed_not_due(far):
    stage = Stage(far)
    stage.rotate()
    far.directory.change_user(stage.key, userPrincipalName="new-name@far.example")
    stage.later(DAY)
    last = stage.rotate()
    names = [entry["name"] for entry in far.vault.living()]
    stage.check(names == ["new-name@far.example"] or last.names("t0-00@far.example"),
                f"the old name is left without a word: {names}")
    return stage


def touched(what, word=None):
    """Something is done to the entry between two runs: the next says so, or puts it right."""
    def play(far):
        stage = Stage(far)
        stage.rotate()
        stage.vandal = True
        if not far.vault.living():
            stage.problem("no entry was made")
            return stage
        stage.later(60)  # entries tell whole seconds
        what(far, far.vault.living()[0]["id"])
        stage.later(DAY)
        run = stage.rotate_plainly()
        one = account(far, stage.key)
        right = one["held_current"] and not one["dead_current"] and not word
        stage.check(right or said_of(run, word or stage.name()) or said_of(run, stage.name()), f"not a word of it: status {run.status}")
        stage.later(31 * DAY)
        run = stage.rotate_plainly()
        one = account(far, stage.key)
        stage.check(one["held_current"] or run.status == 1, "a month later no entry holds what is in force")
        stage.check(not one["dead_current"] or said_of(run, word or stage.name()),
                    f"a month later, status {run.status}: {one['dead_current']} is not what is in force")
        return stage
    return play


def said_of(run, name):
    """Does the run name it, other than as one account that is well?"""
    texts = [account.get("why", "") for account in run.accounts().values()
             if account["what"] in ("stop", "failed", "refuse", "person")]
    return run.status == 1 and run.names(name) or name in run.err or any(name in text for text in texts)


case("the entry is deleted")(touched(lambda far, key: far.vault.remove(key)))
case("the entry is moved")(touched(lambda far, key: far.vault.change(key, "person", path="Elsewhere"), "Elsewhere"))
case("the entry is renamed")(touched(lambda far, key: far.vault.change(key, "person", name="Anna"), "Anna"))
case("the entry's password is edited")(touched(lambda far, key: far.vault.change(
    key, "person", data={"username": "t0-00@far.example", "password": "edited"})))


def left_over(what, doctor=False):
    """An account that is rotated no more: its entry is listed by plan and rotate, and after a run by doctor."""
    def play(far):
        stage = Stage(far, count=2)
        stage.rotate()
        name = stage.name()
        what(far, stage.key)
        stage.later(DAY)
        runs = [stage.one.plan(), stage.rotate()]
        for run in runs + [stage.one.run("doctor", "--json")] * doctor:
            stage.check(run.names(name), f"its entry is not mentioned: {run.out[-300:]}")
        return stage
    return play


case("left over, and doctor: it left the group")(
    left_over(lambda far, key: far.directory.leave_group(rules.GROUP, key), True))
case("left over: it left the group")(left_over(lambda far, key: far.directory.leave_group(rules.GROUP, key)))
case("left over: it was disabled")(left_over(lambda far, key: far.directory.change_user(key, accountEnabled=False)))
case("left over: it is synced")(left_over(lambda far, key: far.directory.change_user(
    key, onPremisesSyncEnabled=True)))
case("left over: it was deleted")(left_over(lambda far, key: far.directory.delete_user(key)))


def play(name, far):
    """Play a case; what went wrong, and what came of it."""
    function, options = CASES[name]
    stage = function(far)
    problems = stage.problems + [f"not understood: {one}" for one in far.strange()]
    return {"case": name, "problems": problems, "u9": options.get("u9"), "outcome": stage.outcome()}
