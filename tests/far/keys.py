"""Two installations that rotate the certificates of one application: the list of certificates is written as a whole,
so each may overwrite what the other wrote."""

import base64
import secrets

import far as rules
from pairs import Pair
from program import Installation
from single import DAY, LATE, case
from together import end

POLICY = """local policy = require "policy"
return policy {{
  summary = "certificates", select = policy.applications {{ client_id = "{client}" }}, credential = "certificate",
  every = "90d", lifetime = "360d", grace = "7d", sink = policy.handover {{}},
}}
"""
RIGHTS = ["Application.ReadWrite.All"]


class Keys(Pair):
    """Two installations before one application, which has a certificate that a person made."""

    def __init__(self, far):
        super().__init__(far, virtual=True)
        self.app = far.directory.add_application("Billing")
        far.directory.add_principal(self.app["appId"], "Billing")
        far.directory.write_keys(self.app, [{
            "keyId": rules.guid(), "displayName": "by hand", "type": "AsymmetricX509Cert", "usage": "Verify",
            "key": base64.b64encode(secrets.token_bytes(64)).decode(), "startDateTime": "2020-01-01T00:00:00Z",
            "endDateTime": "2099-01-01T00:00:00Z"}], "person")
        far.clock.advance(3600)
        self.one, self.two = [Installation(far, far.folder, f"certificates {name}",
                                           client=far.rotator(f"Rotator of {name}", more=RIGHTS)) for name in "ab"]
        for one in (self.one, self.two):
            one.write("policy.lua", POLICY.format(client=self.app["appId"]))
        self.said = {}  # of each installation: did its last run say that its certificate is there?

    def makers(self):
        """Who wrote the certificates that are there now."""
        return [one["by"] for one in self.app["keyCredentials"]]

    def note(self, one, run):
        """What a run says of the certificate: it waits for a person to use it, or it is in force."""
        self.runs.append(run)
        said = run.said("Billing")
        self.said[one.client] = said in ("person", "wait", "changed")
        self.check(run.document is not None and run.status in (0, 1), f"status {run.status}: {run.err[-300:]}")
        return said

    def judge(self):
        """No certificate is missing of which somebody said that it is there."""
        there = self.makers()
        self.check("person" in there, "the certificate that a person made is gone")
        for one in (self.one, self.two):
            if self.said.get(one.client):
                self.check(one.client in there, f"said to be there, and gone: the certificate of {one.home}")

    def settle(self):
        """Time passes; each runs once more, and all three are there."""
        self.later(LATE + 600)
        for one in (self.one, self.two):
            self.note(one, one.rotate())
            self.later(LATE)
        self.judge()
        self.check(sorted(self.makers()) == sorted(["person", self.one.client, self.two.client]),
                   f"in the end there are {len(self.makers())} certificates")


def reads_list(one):
    """An installation reads the application by itself."""
    return lambda exchange: (exchange.place == "graph" and exchange.request.method == "GET"
                             and exchange.client == one.client and exchange.request.path.endswith(one.app_path))


def writes_list(one):
    return lambda exchange: (exchange.place == "graph" and exchange.request.method == "PATCH"
                             and exchange.client == one.client and exchange.request.path.endswith(one.app_path))


def stale_by(seconds):
    """It is answered with what was there so long ago."""
    def act(exchange):
        directory = exchange.far.directory
        with exchange.far.lock:
            directory.stale_keys = seconds
            answer = exchange.apply()
            directory.stale_keys = 0
        return answer
    return act


def begin(far):
    keys = Keys(far)
    for one in (keys.one, keys.two):
        one.app_path = "/applications/" + keys.app["id"]
    return keys


def after_a_stale_read(number):
    """The second reads the list once without the first's certificate, at its nth read."""
    @case(f"certificates: the second's read {number} of the list is stale")
    def play(far):
        keys = begin(far)
        keys.note(keys.one, keys.one.rotate())
        seen = [0]

        def is_nth(exchange):
            seen[0] += reads_list(keys.two)(exchange)
            return seen[0] == number and reads_list(keys.two)(exchange)
        far.rule(is_nth, stale_by(3000))
        keys.note(keys.two, keys.two.rotate())
        keys.judge()
        keys.settle()
        return keys


for nth in range(1, 6):
    after_a_stale_read(nth)


def held_write(name, until):
    """Both read the list, and the second writes when the first has come to a point."""
    @case(f"certificates: the second writes {name}")
    def play(far):
        keys = begin(far)
        came, go = keys.hold(writes_list(keys.two), True)
        child = keys.two.start("rotate", keys.two.policy, "--yes", "--json")
        keys.check(came.wait(30), "the second did not come to its write")
        written = [False]

        def is_point(exchange):
            written[0] = written[0] or writes_list(keys.one)(exchange)
            return written[0] and until(keys, exchange)
        far.rule(is_point, rules.around(after=lambda _: go.set()))
        keys.note(keys.one, keys.one.rotate())
        go.set()
        keys.note(keys.two, end(child))
        keys.judge()
        keys.settle()
        return keys


held_write("after the first has written", lambda keys, exchange: writes_list(keys.one)(exchange))
held_write("after the first has read its own", lambda keys, exchange: reads_list(keys.one)(exchange))
held_write("while the first proves its own", lambda keys, exchange: exchange.place == "login"
           and keys.app["appId"].encode() in exchange.request.body)
