"""A far side that shares nothing with the product: login, Microsoft Graph and Devolutions
Server on loopback, with rules for single requests and the truth about what came of them.

    far.py FOLDER [USERS]

makes a tenant with that many users in the group "PAM managed tier 0", prints one JSON line
(addresses, authority, who signs in, a control address) and serves until its standard input
ends. Tests import it instead, and write rules as functions.
"""

import json
import os
import random
import sys
import threading
import time

from clock import Clock
from directory import ROTATOR, Directory, guid
from graph import Graph, Login
from vault import Vault
from wire import CUT, Server, certificates

GROUP = "PAM managed tier 0"


class Exchange:
    """One request under a rule: `apply` does what it asks, as often as it is called, and gives the answer."""

    def __init__(self, far, place, request):
        self.far, self.place, self.request, self.number = far, place, request, 0

    @property
    def user(self):
        """The account that the path names, if it does."""
        parts = self.request.path.split("/")
        return parts[3] if self.place == "graph" and len(parts) > 3 and parts[2] == "users" else None

    @property
    def client(self):
        """The application that asks Graph."""
        token = self.far.login.tokens.get(self.request.headers.get("authorization", "").removeprefix("Bearer "))
        return token and token.app_id

    def apply(self):
        with self.far.lock:
            return self.far.places[self.place](self.request)

    def refused(self, status):
        """An answer of this status, whatever was done."""
        graph = self.far.graph
        if self.place != "graph":
            return self.far.vault.refuse(status, "no")
        codes = {403: "Authorization_RequestDenied", 404: "Request_ResourceNotFound",
                 409: "Directory_ConcurrencyViolation", 503: "serviceNotAvailable"}
        texts = {403: "Insufficient privileges to complete the operation."}
        return graph.refuse(self.request, status, codes.get(status, "Request_BadRequest"), texts.get(status, "no"))


class Rule:
    """What becomes of the requests that `match` says, so many times (None: always)."""

    def __init__(self, match, act, times=1):
        self.match, self.act, self.times, self.met = match, act, times, 0


class Far:
    """The three services, and everything that tests ask of them."""

    def __init__(self, folder, seed=1):
        self.folder, self.lock, self.dice = folder, threading.RLock(), random.Random(seed)
        self.clock = Clock(os.path.join(folder, "clock"))
        self.directory, self.vault = Directory(self.clock), Vault(self.clock)
        self.login = Login(self.directory, self.clock)
        self.graph = Graph(self.directory, self.login, self.clock)
        self.places = {"login": self.login, "graph": self.graph, "vault": self.vault}
        self.rules, self.requests, self.latency, self.world = [], [], None, None
        context, self.ca, _ = certificates()
        self.servers = {name: Server(self.front(name), context) for name in self.places}
        self.login.base, self.graph.base = self.servers["login"].url(), self.servers["graph"].url()

    # Serving

    def front(self, place):
        def application(request):
            exchange = Exchange(self, place, request)
            if self.latency:
                time.sleep(self.dice.uniform(*self.latency))
            self.clock.catch_up()
            answer = self.rule_for(exchange)(exchange)
            with self.lock:
                self.requests.append((self.clock.now(), place, request, "cut" if answer is CUT else answer.status))
            return answer
        return application

    def rule_for(self, exchange):
        with self.lock:
            for rule in self.rules:
                if rule.times != 0 and rule.match(exchange):
                    rule.met += 1
                    exchange.number = rule.met
                    rule.times = rule.times and rule.times - 1
                    return rule.act
        return Exchange.apply

    def await_closed(self):
        """Wait until what processes that ended have sent was carried out, or never will be."""
        for server in self.servers.values():
            server.await_closed()

    def close(self):
        for server in self.servers.values():
            server.close()

    # What tests say

    def rule(self, match, act, times=1):
        """Add a rule; the first that matches counts."""
        made = Rule(match, act, times)
        with self.lock:
            self.rules.append(made)
        return made

    def people(self, count, group=GROUP, prefix="t0", **more):
        """So many users in a group; their ids."""
        ids = [self.directory.add_user(f"{prefix}-{number:02d}", **more) for number in range(count)]
        self.directory.add_group(group, ids)
        return ids

    def rotator(self, name="Rotator", roles=(), more=()):
        """An application with the rights that rotation takes: id and secret."""
        return self.directory.add_client(name, [*ROTATOR, *more], roles)

    def stranger(self, key, force=False):
        """Somebody else sets a password, and keeps it elsewhere; the value. `force`: its user must choose another."""
        value = f"Stranger {self.dice.random()} x"
        with self.lock:
            self.directory.set_password(key, value, "stranger", force)
        return value

    def strange(self):
        """Requests that this far side did not understand: there should be none."""
        return self.graph.strange + self.vault.strange


# Rules: who is meant

def password_of(*keys):
    """PATCHes of these users' passwords, all without."""
    def match(exchange):
        return (exchange.place == "graph" and exchange.request.method == "PATCH" and exchange.user is not None
                and (not keys or exchange.user in keys))
    return match


def asks(place, method, part):
    """Requests of this method whose path has this part."""
    return lambda exchange: (exchange.place == place and exchange.request.method == method
                             and part in exchange.request.path)


# Rules: what becomes of it

def cut_before(_exchange):
    """It never arrives."""
    return CUT


def cut_after(exchange):
    """It is done, and nobody hears of it."""
    exchange.apply()
    return CUT


def twice(exchange):
    """It is delivered twice, a moment apart."""
    answer = exchange.apply()
    time.sleep(1.1)
    exchange.apply()
    return answer


def twice_after(seconds):
    """It is done and answered, and once more later."""
    def act(exchange):
        exchange.far.clock.later(seconds, exchange.apply)
        return exchange.apply()
    return act


def late(seconds):
    """No answer comes, and it is done so much later."""
    def act(exchange):
        exchange.far.clock.later(seconds, exchange.apply)
        return CUT
    return act


def done_but_answered(status):
    """It is done, and answered with this status."""
    def act(exchange):
        exchange.apply()
        return exchange.refused(status)
    return act


def answered(status):
    """It is not done, and answered with this status."""
    return lambda exchange: exchange.refused(status)


def not_done(exchange):
    """It is accepted, and nothing comes of it."""
    with exchange.far.lock:
        return exchange.far.graph.answer(exchange.request, 204)


def around(before=None, between=None, after=None):
    """Something happens just before it is done, between that and the answer, or just after the answer."""
    def act(exchange):
        if before:
            before(exchange)
        answer = exchange.apply()
        if between:
            between(exchange)
        if after:
            threading.Timer(0.05, after, (exchange,)).start()
        return answer
    return act


def held(go, seconds=30):
    """It waits until the event is set."""
    def act(exchange):
        go.wait(seconds)
        return exchange.apply()
    return act


# By hand

BY_WORD = {"cut_before": cut_before, "cut_after": cut_after, "twice": twice, "not_done": not_done}


def control(far):
    """POST {"rule": word, "number": n, "user": id, "times": n} or {"do": "stranger", "user": id}; GET: the truth."""
    from verdict import look
    from wire import Answer
    made = {"late": late, "twice_after": twice_after, "done_but_answered": done_but_answered, "answered": answered}

    def application(request):
        if request.method == "GET":
            return Answer(200, json.dumps(look(far)).encode(), {"Content-Type": "application/json"})
        asked = json.loads(request.body)
        if asked.get("do") == "stranger":
            far.stranger(asked["user"])
        elif asked.get("do") == "later":
            far.clock.advance(asked["number"])
        else:
            word = asked["rule"]
            act = BY_WORD.get(word) or made[word](asked["number"])
            far.rule(password_of(*[asked["user"]] if "user" in asked else []), act, asked.get("times", 1))
        return Answer(204)
    return application


def main():
    folder, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 15
    far = Far(folder)
    far.people(count)
    from program import Installation
    one = Installation(far, folder, "one")
    page = Server(control(far))
    print(json.dumps({"config": one.config, "policy": one.policy, "ca": far.ca, "control": page.url(),
                      **{name: server.url() for name, server in far.servers.items()}}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
