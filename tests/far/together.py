"""What happens when several rotate at once: real processes, real time, answers that take 20 to 60 ms."""

import os
import signal
import threading
import time

import far as rules
from program import Installation, Run
from verdict import account, dark, entries_of, false_successes, look

LATENCY = (0.02, 0.06)
LATE, DAY = 160, 86400


def end(child, seconds=600):
    """Wait for a process of the program; its run."""
    out, err = child.communicate(timeout=seconds)
    return Run(child.returncode, out, err)


def begin(far, count):
    far.latency = LATENCY
    keys = far.people(count)
    return keys, [Installation(far, far.folder, name, virtual=False) for name in ("one", "two")]


def judge(far, both, runs):
    """What no run may do, whoever else runs."""
    problems = [f"dark: {one['name']}" for one in dark(far, {one.client for one in both})]
    for run in runs:
        for _, one in false_successes(far, run):
            problems.append(f"said changed of {one['name']}, and its entry is not what is in force")
    problems += [f"an entry of {one['name']} claims what is not in force" for one in look(far).values()
                 if one["dead_current"]]
    for run in runs:
        if run.document is None and run.status >= 0:
            problems.append(f"status {run.status}: {run.err[-300:]}")
    return problems


def unfinished(far):
    """Accounts that were not changed, or of which more lies in the vault than the one entry."""
    return [one["name"] for one in look(far).values()
            if one["changes"] == 0 or not one["held_current"] or one["current"] != 1 or one["pending"] != 0]


def two(far, seed):
    """Two installations with the same policy, started together, then one more run."""
    keys, both = begin(far, 15)
    children = [one.start("rotate", one.policy, "--yes", "--json") for one in both]
    runs = [end(child) for child in children]
    problems = judge(far, both, runs)
    once = sum(1 for one in look(far).values() if one["changes"] == 1)
    again = both[seed % 2].rotate()
    problems += judge(far, both, [again])
    problems += [f"after one more run not done: {name}" for name in unfinished(far)]
    return {"case": "two installations", "seed": seed, "problems": problems, "once": once, "of": len(keys),
            "status": [run.status for run in runs], "again": again.status,
            "said": [tally(run) for run in (*runs, again)], "strange": far.strange()}


def two_behind(far, seed):
    """The same, and listings lag by up to two seconds, each installation's own entries too."""
    far.vault.stale = far.dice.uniform(0.2, 2)
    return two(far, seed)


def two_alone(far, seed):
    """The same, in a vault that allows no equal names."""
    far.vault.equal_names = False
    return two(far, seed)


def tally(run):
    counts = {}
    for one in run.accounts().values():
        counts[one["what"]] = counts.get(one["what"], 0) + 1
    return counts


def two_killed(far, seed):
    """The same, and one is killed between a password and its answer; then it runs again, then the other."""
    keys, both = begin(far, 15)
    children = [one.start("rotate", one.policy, "--yes", "--json") for one in both]
    unlucky = seed % 2
    sends = rules.password_of()
    left = [far.dice.randrange(1, 6)]

    def is_last(exchange):
        if not sends(exchange) or exchange.client != both[unlucky].client:
            return False
        left[0] -= 1
        return left[0] == 0

    def kill(exchange):
        exchange.apply()
        os.kill(children[unlucky].pid, signal.SIGKILL)
        return rules.CUT
    far.rule(is_last, kill)
    runs = [end(child) for child in children]
    problems = judge(far, both, runs)
    once = sum(1 for one in look(far).values() if one["changes"] == 1)
    far.await_closed()
    far.clock.advance(LATE)
    for one in both:
        one.use_clock(True)
    again = [both[unlucky].rotate(), both[1 - unlucky].rotate()]
    problems += judge(far, both, again)
    problems += [f"after one more run of each not done: {name}" for name in unfinished(far)]
    return {"case": "two installations, one killed", "seed": seed, "problems": problems, "once": once,
            "of": len(keys), "killed": left[0] <= 0, "status": [run.status for run in runs],
            "again": [run.status for run in again], "said": [tally(run) for run in (*runs, *again)],
            "strange": far.strange()}


# Another kind of rotator

class Stranger(threading.Thread):
    """Sets passwords and keeps them elsewhere, one account after another, while we run."""

    def __init__(self, far, keys, pause):
        super().__init__(daemon=True)
        self.far, self.keys, self.pause, self.elsewhere, self.go = far, keys, pause, {}, threading.Event()

    def run(self):
        self.go.wait(60)
        for key in self.keys:
            time.sleep(self.far.dice.uniform(0, 2 * self.pause))
            self.elsewhere[key] = self.far.stranger(key)


def looks_at(far, key):
    """When this user was read by itself, in order."""
    return [when for when, place, request, _ in far.requests if place == "graph" and request.method == "GET"
            and key in request.path]


def kind_of(far, key, run, known):
    """What became of an account that the stranger touched; `known`: we had set it before."""
    passwords, one = far.directory.users[key].passwords, account(far, key)
    ours = [when for when, (_, _, who) in zip(passwords.times, passwords.history) if who not in ("stranger", "nobody")]
    theirs = [when for when, (_, _, who) in zip(passwords.times, passwords.history) if who == "stranger"]
    looks = looks_at(far, key)
    if run.status == 1 and run.said(one["name"]) in ("stop", "failed", "busy", "refuse", "person"):
        return "reported"
    if not ours and not known:
        return "never ours: " + str(run.said(one["name"]))
    if one["who"] != "stranger":
        before = [look for look in looks if look < ours[-1]]
        if (known or before[0] < theirs[-1]) and theirs[-1] < before[-1] - 0.1:
            return "NOT REPORTED: seen, and overwritten"
        return "overwritten between the last look and the send" if theirs[-1] > before[-1] - 0.1 else \
            "overwritten, set before we began with the account"
    if theirs[-1] > looks[-1] - 0.1:
        return "U9: after the last look"
    answers = [when for when, place, request, _ in far.requests
               if place == "graph" and request.method == "PATCH" and key in request.path]
    if ours[-1] - 1.1 <= theirs[-1] <= answers[-1] + 1.1:
        return "U9: between send and answer, give or take a second"
    return "NOT REPORTED"


def found_later(far, keys, run):
    """Of the accounts whose password the stranger's is: which does a run name a while after, and which never?"""
    kinds = {}
    for key in keys:
        one, passwords = account(far, key), far.directory.users[key].passwords
        if one["who"] != "stranger" or passwords.history[-2][2] in ("nobody", "stranger"):
            continue
        same = passwords.history[-1][0] - passwords.history[-2][0] <= 1
        found = run.status == 3 and run.said(one["name"]) not in ("wait", "changed")
        kind = "next run: named" if found else "next run: U9, in the same second or the next" if same else \
            "NOT REPORTED by the next run"
        kinds[kind] = kinds.get(kind, 0) + 1
    return kinds


def rotators(far, seed):
    """We rotate 60 accounts, for the first time or not, and somebody else sets their passwords meanwhile."""
    keys, known = far.people(60), seed % 3 > 0
    one = Installation(far, far.folder, "one", virtual=known)
    if known:
        one.rotate()
        far.clock.advance(31 * DAY)
    far.latency, order = LATENCY, keys[:]
    far.dice.shuffle(order)
    stranger = Stranger(far, order, (0.001, 0.01, 0.03, 0.06)[seed % 4])
    stranger.start()
    first = rules.asks("vault", "POST", "/entry") if seed % 2 else rules.password_of()
    started = far.rule(first, lambda exchange: stranger.go.set() or exchange.apply(), 2)
    run = end(one.start("rotate", one.policy, "--yes", "--json"))
    stranger.join(30)
    kinds = {}
    for key in keys:
        kind = kind_of(far, key, run, known)
        kinds[kind] = kinds.get(kind, 0) + 1
    lost = [f"dark: {each['name']}" for each in dark(far, {one.client})]
    one.use_clock(True)
    far.clock.advance(LATE + 30)
    kinds.update(found_later(far, keys, one.plan()))
    problems = [f"{kind}: {count}" for kind, count in kinds.items() if kind.startswith("NOT")] + lost
    return {"case": "another rotator", "seed": seed, "problems": problems, "kinds": kinds, "status": run.status,
            "said": tally(run), "begun": started.met > 0, "strange": far.strange()}
