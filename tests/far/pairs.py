"""Two installations, one of them held at an exact moment: what the rules between them must stand."""

import os
import signal
import threading

import far as rules
from program import Installation
from single import DAY, LATE, Stage, case
from together import end
from verdict import account


class Pair(Stage):
    """Two installations before the same accounts."""

    def __init__(self, far, virtual=False):
        super().__init__(far)
        self.two = Installation(far, far.folder, "two", virtual=virtual)
        self.one.use_clock(virtual)
        self.ours = {self.one.client, self.two.client}

    def hold(self, match, before):
        """Hold one request, before it is done or after; the events that it came and that it may go on."""
        came, go = threading.Event(), threading.Event()

        def act(exchange):
            answer = None if before else exchange.apply()
            came.set()
            go.wait(60)
            return exchange.apply() if before else answer
        self.far.rule(match, act)
        return came, go

    def of_two(self, match):
        """What the second installation asks of Graph."""
        return lambda exchange: exchange.client == self.two.client and match(exchange)

    def settle(self):
        """Time passes, and each runs once more."""
        for one in (self.one, self.two):
            one.use_clock(True)
        self.later(LATE + 30)
        for one in (self.two, self.one):
            self.watch(one.rotate())
        self.watch_end()

    def watch(self, run):
        self.runs.append(run)
        one = account(self.far, self.key)
        if run.said(one["name"]) == "changed" and not one["held_current"]:
            self.problem(f"said changed, and no current entry is what is in force ({one['who']})")
        if one["who"] in self.ours and not one["held"]:
            self.problem("dark: no entry holds the password that we set")

    def watch_end(self):
        one = account(self.far, self.key)
        self.check(one["held_current"] and not one["dead_current"] and one["current"] == 1 and one["pending"] == 0,
                   f"in the end: {one}")


def held(name, match, before):
    """The second is held at one request while the first runs whole: one of them changes it, once."""
    @case(f"two: {name}")
    def play(far):
        pair = Pair(far)
        came, go = pair.hold(match(pair), before)
        child = pair.two.start("rotate", pair.two.policy, "--yes", "--json")
        pair.check(came.wait(30), "the second did not come so far")
        pair.watch(pair.one.rotate())
        go.set()
        pair.watch(end(child))
        changes = account(far, pair.key)["changes"]
        pair.check(changes == 1, f"changed {changes} times")
        pair.settle()
        return pair


held("the second's password is held before it is set", lambda pair: pair.of_two(rules.password_of()), True)
held("the second's answer is held after its password is set", lambda pair: pair.of_two(rules.password_of()), False)
held("the second's pending entry is held before it is made", lambda pair: pending_entry, True)
held("the answer to the second's pending entry is held", lambda pair: pending_entry, False)


def pending_entry(exchange):
    """The first pending entry of all."""
    return (exchange.place == "vault" and exchange.request.method == "POST"
            and b"moonlatch-password-pending" in exchange.request.body)


@case("two: one is killed, its password lands 60 s later, and a person passes over it")
def passed_over(far):
    pair = Pair(far, virtual=True)
    name = pair.name()
    child = []

    def kill(exchange):
        far.clock.later(60, exchange.apply)
        os.kill(child[0].pid, signal.SIGKILL)
        return rules.CUT
    far.rule(rules.password_of(pair.key), kill)
    child.append(pair.two.start("rotate", pair.two.policy, "--yes", "--json"))
    end(child[0])
    first = pair.one.rotate()
    pair.watch(first)
    pair.check(first.status == 1 and first.names(name), f"another's pending entry is not reported: {first.status}")
    marker = next(word.split("/")[0].strip("(") for entry in far.vault.living()
                  for word in entry["description"].split() if "ml:" in word)
    pair.watch(pair.one.run("journal", "resume", name, "--over", marker, "--yes"))
    pair.watch(pair.one.rotate())
    pair.later(LATE)
    pair.watch(pair.two.rotate())
    pair.later(LATE)
    pair.watch(pair.one.rotate())
    one = account(far, pair.key)
    pair.check(one["held"], f"in the end no entry holds what is in force: {one}")
    return pair


@case("two: one dies for good with a pending entry, and a person passes over it")
def passed_over_for_good(far):
    pair = Pair(far, virtual=True)
    name, child = pair.name(), []

    def kill(_exchange):
        os.kill(child[0].pid, signal.SIGKILL)
        return rules.CUT
    far.rule(rules.password_of(pair.key), kill)
    child.append(pair.two.start("rotate", pair.two.policy, "--yes", "--json"))
    end(child[0])
    pair.later(DAY)
    pair.watch(pair.one.rotate())
    marker = next(word.split("/")[0].strip("(") for entry in far.vault.living()
                  for word in entry["description"].split() if "ml:" in word)
    resumed = pair.one.run("journal", "resume", name, "--over", marker, "--yes")
    pair.check(resumed.status == 0, f"resume: {resumed.status} {resumed.err[-300:]}")
    for _ in range(2):
        pair.watch(pair.one.rotate())
        pair.later(LATE + 30)
    one = account(far, pair.key)
    pair.check(one["held_current"] and one["who"] == pair.one.client, f"it is not changed: {one}")
    return pair


@case("two: the account is renamed before one writes its pending entry and after the other began")
def renamed_between(far):
    pair = Pair(far)
    name, new_name = pair.name(), "renamed@far.example"
    at_pending, write = pair.hold(lambda exchange: pending_entry(exchange) and name.encode() in exchange.request.body, True)
    first = pair.one.start("rotate", pair.one.policy, "--yes", "--json")
    pair.check(at_pending.wait(30), "the first did not come to its pending entry")
    far.directory.change_user(pair.key, userPrincipalName=new_name)
    at_send, send = pair.hold(pair.of_two(rules.password_of()), True)
    second = pair.two.start("rotate", pair.two.policy, "--yes", "--json")
    pair.check(at_send.wait(30), "the second did not come to its password")
    # The first looks at the account once more, then sends or gives way; the second sends only after that look.
    far.rule(lambda exchange: exchange.client == pair.one.client and exchange.request.method == "GET"
             and exchange.user == pair.key, rules.around(after=lambda _: send.set()))
    write.set()
    pair.watch(end(first))
    pair.watch(end(second))
    changes = account(far, pair.key)["changes"]
    pair.check(changes == 1, f"changed {changes} times")
    pair.settle()
    return pair
