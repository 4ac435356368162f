"""Random worlds on the far side, one a seed: ten accounts, and anything may become of any request.

A seed says what becomes of each account's passwords, when somebody else sets one, how far reads
and listings lag, how wrong the directory's clock is, whether there is a second installation,
when a run is killed, what a person does, what becomes of the users, and how long it is until
the next run. What a run says is held against the truth; what no rule can know is counted by kind.
"""

import os
import random
import signal

import far as rules
from program import Installation
from together import end
from verdict import account, entries_of, look

ACCOUNTS = 10
TIMEOUT, LATE = 30, 120
HOUR, DAY = 3600, 86400
PAUSES = [20, 60, 160, 200, 400, 2 * HOUR, DAY]


def fates(dice):
    """What becomes of an account's next requests to set its password."""
    odd = [rules.cut_before, rules.cut_after, rules.twice_after(dice.randrange(1, 140)),
           rules.late(dice.randrange(1, 145)), rules.done_but_answered(404), rules.done_but_answered(409),
           rules.done_but_answered(503), rules.answered(503), rules.answered(404), rules.answered(429),
           rules.answered(403), rules.not_done, rejected]
    found = []
    for _ in range(dice.randrange(0, 5)):
        act = dice.choice(odd) if dice.random() < 0.5 else rules.Exchange.apply
        found.append(then_stranger(act, dice.random() ** 3 * 200) if dice.random() < 0.15 else act)
    return found


def then_stranger(act, seconds):
    """Somebody else sets the password so much after this request."""
    def both(exchange):
        if exchange.far.world:
            exchange.far.clock.later(seconds, lambda: exchange.far.world.stranger(exchange.user))
        return act(exchange)
    both.__qualname__ = f"{act.__qualname__.split('.')[0]}+stranger"
    return both


def rejected(exchange):
    """Refused as a password."""
    return exchange.far.graph.refuse(
        exchange.request, 400, "Request_BadRequest",
        "The specified password does not comply with password complexity requirements. Please provide a different "
        "password.")


def entry_fate(dice):
    return dice.choice([rules.cut_before, rules.cut_after, rules.answered(503)])


class World:
    """One seed's world."""

    def __init__(self, far, seed):
        self.far, self.dice = far, random.Random(seed)
        self.keys = far.people(ACCOUNTS)
        far.world, names = self, ["one", "two"][:self.dice.choice([1, 1, 2])]
        self.installations = [Installation(far, far.folder, name) for name in names]
        self.clients = {one.client for one in self.installations}
        self.problems, self.kinds, self.log, self.runs = [], {}, [], 0
        self.excused, self.gone = {}, set()
        self.draw()

    def draw(self):
        dice, far = self.dice, self.far
        far.directory.skew = dice.choice([0, 0, 0, -0.7, 1, -3, 4, -9])
        far.directory.stale = dice.choice([0, 0, 0, 5, 40, 250])
        far.vault.stale = dice.choice([0, 0, 0, 0.5, 3])
        far.vault.equal_names = dice.random() < 0.7
        self.fates = {key: fates(dice) for key in self.keys}
        far.rule(rules.password_of(), self.fate, None)
        for _ in range(dice.randrange(0, 4)):
            far.rule(self.some_entry(dice.randrange(1, 30)), entry_fate(dice))
        for key in dice.sample(self.keys, dice.randrange(0, 5)):
            far.clock.later(dice.choice([0.2, 1, 3, 30, 100, 150, 300, 900]) * dice.random() * 2,
                            lambda key=key: self.stranger(key))
        self.settings = f"skew {far.directory.skew} stale {far.directory.stale} lists {far.vault.stale}"

    def some_entry(self, number):
        left = [number]

        def match(exchange):
            if exchange.place != "vault" or exchange.request.method == "GET" or "/entry" not in exchange.request.path:
                return False
            left[0] -= 1
            return left[0] == 0
        return match

    def fate(self, exchange):
        waiting = self.fates[exchange.user]
        act = waiting.pop(0) if waiting else rules.Exchange.apply
        name = getattr(act, "__qualname__", str(act)).split(".")[0]
        began = self.far.clock.now()
        answer = act(exchange)
        self.log.append((began, self.far.clock.now(), exchange.user, name,
                         "cut" if answer is rules.CUT else answer.status))
        return answer

    def stranger(self, key):
        self.far.stranger(key)
        self.log.append((self.far.clock.now(), self.far.clock.now(), key, "stranger", ""))

    # Judging

    def looks(self, key):
        return [when for when, place, request, status in self.far.requests
                if place == "graph" and request.method == "GET" and key in request.path and status == 200]

    def excuse(self, key):
        """Why no rule can know that the stranger's is in force; nil when one can."""
        room = abs(self.far.directory.skew) + 2
        theirs = [one[0] for one in self.log if one[2] == key and one[3] == "stranger"]
        answered = [one for one in self.log if one[2] == key and one[4] == 204]
        looks = self.looks(key)
        for moment in theirs:
            if not looks or moment >= looks[-1] - self.far.directory.stale - 0.2:
                return "a stranger after the last look, or not shown by it yet"
            if any(one[0] - room <= moment <= one[1] + room for one in answered):
                return "a stranger between send and answer"
            if any(one[3] == "not_done" for one in answered):
                return "a stranger, and a 204 that was never applied"
        return None

    def count(self, kind):
        self.kinds[kind] = self.kinds.get(kind, 0) + 1

    def trouble(self, key, text):
        """Something that must not be, unless no rule can know it."""
        if key in self.excused:
            return
        excuse = self.excuse(key) if account(self.far, key)["who"] == "stranger" else None
        if excuse:
            self.excused[key] = excuse
            return self.count(excuse)
        self.problems.append(f"run {self.runs}, {account(self.far, key)['name']}: {text}; {self.story(key)}")

    def story(self, key):
        start = self.far.requests[0][0]
        told = [f"{began - start:.0f}-{ended - start:.0f} {what} {status}" for began, ended, who, what, status in self.log
                if who == key]
        return f"{self.settings}; " + ", ".join(told)

    def run(self, one, *words, kill=False):
        """One run of an installation, killed at some request or not; what it says is held against the truth."""
        child, left, far = [], [self.dice.randrange(1, 80)], self.far

        def is_last(exchange):
            left[0] -= 1
            return left[0] == 0 and exchange.place != "login"

        def end_it(exchange):
            self.fate(exchange) if rules.password_of()(exchange) else exchange.apply()
            os.kill(child[0].pid, signal.SIGKILL)
            return rules.CUT
        if kill:
            far.rules.insert(0, rules.Rule(is_last, end_it))
        child.append(one.start("rotate", one.policy, "--yes", "--json", *words))
        run = end(child[0])
        if kill:
            far.rules.pop(0)
        self.runs += 1
        if run.document is None and run.status != -signal.SIGKILL:
            self.problems.append(f"run {self.runs}: status {run.status}, no JSON: {run.err[-400:]}")
        for key, each in look(far).items():
            self.hold(key, each, run.said(each["name"]))
        return run

    def hold(self, key, one, said):
        """What was said of an account, held against the truth."""
        self.count(f"said {said}")
        if said == "changed" and not one["held_current"]:
            self.trouble(key, f"said changed, and in force is one of {one['who']}")
        elif said in ("changed", "wait") and one["dead_current"]:
            self.trouble(key, f"said {said}, and the entry is not what is in force ({one['who']})")
        if one["who"] in self.clients and not one["held"]:
            self.trouble(key, f"dark, said {said}")

    def happen(self):
        """Something else: a person goes on with what stopped, or asks for one at once; a user changes."""
        dice, directory, one = self.dice, self.far.directory, self.dice.choice(self.installations)
        key = dice.choice(list(directory.users))
        name, what = directory.users[key].now["userPrincipalName"], dice.randrange(8)
        self.log.append((self.far.clock.now(), self.far.clock.now(), key, f"event {what}", ""))
        if what == 0:
            one.run("journal", "resume", name, "--yes")
        elif what == 1:
            self.run(one, "--now", name)
        elif what == 2:
            directory.change_user(key, userPrincipalName=f"new-{name}")
        elif what == 3:
            directory.change_user(key, accountEnabled=not directory.users[key].now["accountEnabled"])
        elif what == 4:
            directory.leave_group(rules.GROUP, key)
            self.gone.add(key)

    def ends(self):
        """Faults are over, and there was time: each has ended, or names a person's part."""
        far = self.far
        far.rules.clear()
        far.rule(rules.password_of(), self.plain, None)
        far.directory.stale = far.vault.stale = 0
        said = {}
        self.began = far.clock.now()  # of the last runs
        for one in self.installations * 3:
            far.clock.advance(TIMEOUT + LATE + 30)
            run = self.run(one)
            said.update({(name, one.client): each for name, each in run.accounts().items()})
        for key, one in look(far).items():
            self.has_ended(key, one, [said.get((one["name"].lower(), client)) for client in self.clients])

    def has_ended(self, key, one, accounts):
        """Nothing is stuck: at least one installation is done with it, or each stopped for a person."""
        words = [each and each["what"] for each in accounts]
        if set(words) & {"changed", "wait"}:
            self.is_found(key, one, words)
        if key in self.gone or not self.far.directory.users[key].now["accountEnabled"]:
            return
        if words[0] in ("changed", "wait") and len(words) == 1 and not entries_of(self.far, one["name"])[1]:
            return
        if len(words) == 2 and set(words) & {"changed", "wait"}:
            return
        if set(words) <= {"stop", "busy"} and "stop" in words:
            return self.count("in the end: a person")
        self.trouble(key, f"stuck: said {words}: {[each and each.get('why') for each in accounts]}")

    def is_found(self, key, one, words):
        """A stranger's change that the directory shows as a later one is not overlooked for ever."""
        passwords = self.far.directory.users[key].passwords
        history = passwords.history
        if self.excused.get(key, "").endswith("answer") or self.is_near_answer(key) or passwords.times[-1] > self.began:
            return
        if one["who"] == "stranger" and history[-1][0] > history[-2][0] + 1 and history[-2][2] in self.clients:
            self.problems.append(f"{one['name']}: said {words} to the end, and a stranger's is in force; "
                                 f"{self.story(key)}")

    def is_near_answer(self, key):
        """Is a stranger's change so near to an answered send that its moment may be taken for ours?"""
        room = abs(self.far.directory.skew) + 2
        theirs = [one[0] for one in self.log if one[2] == key and "stranger" == one[3]]
        return any(one[0] - room <= moment <= one[1] + room for moment in theirs for one in self.log
                   if one[2] == key and one[4] == 204)

    def plain(self, exchange):
        began, answer = self.far.clock.now(), exchange.apply()
        self.log.append((began, self.far.clock.now(), exchange.user, "plain", answer.status))
        return answer


def play(far, seed):
    """Play one seed; what went wrong."""
    world = World(far, seed)
    for _ in range(world.dice.randrange(1, 5)):
        world.run(world.dice.choice(world.installations), kill=world.dice.random() < 0.25)
        if world.dice.random() < 0.4:
            world.happen()
        far.clock.advance(world.dice.choice(PAUSES))
    world.ends()
    return {"case": "world", "seed": seed, "problems": world.problems, "kinds": world.kinds,
            "strange": far.strange()}
