"""Random worlds: a person, Devolutions and Moonlatch over months; whatever happens, Moonlatch must not lie.

    fate.py [--seeds N] [--seed S] [--acts N] [--lanes N]

What is true is kept here and read from the emulator's control pages; nothing is taken from the program's own rules.
R1 no false peace, R2 no murder, R3 no forgetting, R4 no dead end, R5 exit statuses agree with words, R6 no false alarm.
One line of JSON a seed. Exit status 1: a rule was broken. --seed alone plays that one again and tells it; what is
killed with kill -9 dies by this machine's clock, so such an act may end otherwise.
"""

import argparse
import collections
import json
import random
import re
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from acts import ACTS, ACCOUNT, receive
from world import Machine, World

KINDS = [("cloud", False, False), ("cloud", False, False), ("server", False, False), ("server", True, False),
         ("cloud", False, True)]
# What other checks tell and no consumer waits for.
ASIDE = {"privilege", "credentials", "clock", "machine"}
ABSENT, ALIVE = "absent", "in force"


class Fate:
    """One world, played."""

    def __init__(self, seed, acts, folder, talk):
        self.seed, self.random, self.talk = seed, random.Random(seed), talk
        self.length = acts or self.random.randint(20, 40)
        edition, linked, self.by_hand = KINDS[seed % len(KINDS)]
        self.world = World(folder, edition, linked, self.by_hand)
        self.machines = {}
        self.machine = self.machine_named("A")
        self.holds = self.world.by_hand_key  # key id of what the provider holds
        self.word = {}  # of each machine, by client id: key id of what its journal says the consumer has
        self.given, self.backups, self.problems, self.log = set(), [], [], []
        self.counts, self.refusals = collections.Counter(), set()
        self.count, self.may_remove, self.said_now, self.learnt = 0, None, False, {}
        self.ever = {}

    # The book

    def machine_named(self, name):
        """A machine; a new one is set up when it is first asked for."""
        if name not in self.machines:
            self.machines[name] = Machine(self.world, name)
        return self.machines[name]

    def tell(self, text):
        """Put a line into the story."""
        self.log.append(text)
        if self.talk:
            print(text, file=sys.stderr, flush=True)

    def problem(self, rule, text):
        """A rule is broken."""
        self.problems.append(f"{rule} after act {self.count}: {text}")
        self.tell(f"  !! {rule} {text}")

    def short(self, key):
        """As people name one."""
        return "…" + key[-4:] if key else "nothing"

    def learn(self, value):
        """Which key a value is of: a provider that nobody uses is given it."""
        if value in self.learnt:
            return
        self.world.paste(value, "Scratch")
        for one in self.world.ask("GET", "/" + self.world.edition)["providers"]:
            if one["name"] == "Scratch" and one["secret"].get("key"):
                self.learnt[value] = one["secret"]["key"]
                self.world.values[one["secret"]["key"]] = value

    def key_of(self, value):
        """The key id of a value that was seen."""
        return value and (self.learnt.get(value) or self.world.key_of(value))

    def paste(self, value):
        """The provider has this one from now on."""
        self.world.paste(value)
        if self.world.held()["state"] != ABSENT:
            self.holds = self.key_of(value)

    def link(self):
        """The provider reads the entry from now on."""
        self.world.link()

    def first_words(self):
        """Of an adopted application whose client secret a person pasted before."""
        return ("--in-use", self.world.by_hand_key) if self.by_hand and "A" == self.machine.name else ()

    def rows(self):
        """What the journal lists."""
        return self.machine.run("journal", "list", "--json").document or []

    def handovers(self, machine=None):
        """What `handover` says, newest last."""
        run = (machine or self.machine).run("handover", "--json")
        return (run.document or {}).get("handovers", []), run

    def handover(self, machine=None):
        """The one of the application that is there, else the newest."""
        list_, _ = self.handovers(machine)
        alive = [one for one in list_ if not one["destroyed"]]
        return (alive or list_ or [None])[-1]

    def named(self, machine):
        """The word that names a hand-over where there are several."""
        list_, _ = self.handovers(machine)
        one = self.handover(machine)
        return (one["client_id"],) if one and len(list_) > 1 and one["client_id"] else ()

    def refused(self, run):
        """Keep what it said when it refused."""
        if run.status not in (0, 3) and run.status > 0:
            self.refusals.add(" ".join(run.words[:3]) + " :: " + run.told()[-420:])

    def applied(self, run):
        """What an apply came to."""
        self.refused(run) if run.status == 1 and "waits for a person" not in run.out else None
        self.said_now = self.said_now or self.machine.linked or self.by_hand
        self.last_apply = run
        return f"apply {' '.join(word for word in run.words if word in ('--renew', '--old-now'))}: {run.status}"

    def confirm(self):
        """A person says that what waits is pasted."""
        run = self.machine.run("handover", *self.named(self.machine), "--confirm")
        self.refused(run)
        self.said_something(run.status == 0)
        return run

    def said_something(self, something):
        """A person said something that may change what the journal says of the consumer."""
        self.said_now = self.said_now or something

    # The rules

    def key_by_short(self, short):
        """The key id of what the program names so."""
        return next((key for key in self.ever if short and key[-4:] == short[-4:]), short)

    def told_has(self, machine):
        """For each application: which key the journal says the consumer has."""
        found = {}
        for one in self.handovers(machine)[0]:
            has = one["secret"].get("has")
            found[one["client_id"]] = has and self.key_by_short(has["short"])
        return found

    def check_murder(self, before, held):
        """R2."""
        key = self.holds
        gone = key and key in before and held["client"] and key not in self.world.accepted()
        if not gone or before[key] <= self.world.after(0):
            return
        if self.may_remove:
            return
        word = self.word.get(self.machine.name, {}).get(held["client"])
        if word and word != key:
            self.counts["removed by a false word"] += 1
        else:
            self.problem("R2", f"{self.short(key)}, which the consumer has, was removed; said: {self.short(word)}")

    def check_forgetting(self, before, after):
        """R3."""
        for client, key in before.items():
            if key and after.get(client, key) != key and not self.said_now:
                self.problem("R3", f"the journal said {self.short(key)}, and says {self.short(after[client])} now")

    def peace(self, doctor):
        """Does the doctor see nothing to do that the consumer needs?"""
        return doctor.document and not [one for one in doctor.document["findings"]
                                        if one["verdict"] != "ok" and one["check"] not in ASIDE]

    def check_peace(self, machine, doctor, verify, held):
        """R1 and R6."""
        said, app = self.word.get(machine.name, {}).get(held["client"]), self.world.application()
        secret = [one for one in doctor.document["findings"] if one["check"] == "client secret"]
        broken = [one for one in secret if one["verdict"] == "broken"]
        is_true = said is not None and said == self.holds and app and app["appId"] == held["client"]
        linked_lie = machine.linked and (not held["linked"] or app and app["appId"] != held["client"])
        if held["state"] not in (ABSENT, ALIVE):
            self.counts["consumer's secret is dead"] += 1
            if self.peace(doctor) or verify.status == 0:
                if linked_lie:
                    self.counts["peace by the word linked"] += 1
                elif said and not is_true:
                    self.counts["peace by a false word"] += 1
                else:
                    self.problem("R1", f"{machine.name}: the consumer's {self.short(self.holds)} is {held['state']}; "
                                 f"doctor {doctor.document['verdict']}, verify {verify.status}")
            elif is_true and not broken and not linked_lie:
                self.problem("R1", f"{machine.name}: {self.short(said)} is {held['state']} and in use by a true word; "
                             f"doctor does not call it broken: {json.dumps(secret, ensure_ascii=False)}")
        elif held["state"] == ALIVE:
            self.counts["consumer's secret works"] += 1
            alarms = (verify.document or {}).get("alarms") or []
            if is_true and not linked_lie and (broken or alarms) and abs(machine.skew) <= 300:
                self.problem("R6", f"{machine.name}: {self.short(said)} works and is in use: {broken} {alarms}")

    def check_statuses(self, machine, doctor, verify):
        """R5."""
        verdicts = {one["verdict"] for one in doctor.document["findings"]}
        expected = 1 if "broken" in verdicts else 3 if verdicts & {"warning", "unknown"} else 0
        if doctor.status != expected:
            self.problem("R5", f"doctor ends with {doctor.status}, and its findings say {expected}")
        list_, run = self.handovers(machine)
        complete = all(one["complete"] for one in list_)
        if run.status != (0 if complete else 3):
            self.problem("R5", f"handover ends with {run.status}, complete is {complete}")
        for one in list_:
            has = one["secret"].get("has")
            if one["complete"] and not one["destroyed"] and (not has or has["expired"]):
                self.problem("R5", f"handover calls {one['name']} complete, and its client secret is {has}")
        found = verify.document
        if found and verify.status == 0 and (found.get("waiting") or found.get("alarms") or found.get("unknown")):
            self.problem("R5", "verify ends with 0, and something is open")
        if found and verify.status == 0 and not doctor.status == 0 and [
                one for one in doctor.document["findings"] if one["check"] == "client secret"
                and one["verdict"] == "broken"]:
            self.problem("R5", "verify ends with 0, and the doctor calls the client secret broken")
        if self.last_apply and self.last_apply.status == 0 and list_ and not complete and not [
                one for one in list_ if one["destroyed"]]:
            self.problem("R5", "apply ended with 0, and handover says that something is open")

    def judge(self, machine):
        """Ask all that can be asked of a machine, and compare."""
        doctor, verify = machine.doctor(), machine.setup("verify", "--json", "--managed", ACCOUNT)
        if "findings" not in (doctor.document or {}):
            return self.problem("R5", f"doctor says nothing: {doctor.told()}")
        if verify.status == 1 and not verify.document:
            self.refused(verify)
        held = self.world.held()
        self.check_peace(machine, doctor, verify, held)
        self.check_statuses(machine, doctor, verify)
        self.counts["judged"] += 1

    # Playing

    def note_held(self):
        """What the provider holds, where it reads an entry."""
        held = self.world.held()
        if held["linked"] and held["key"]:
            self.holds = held["key"]
        return held

    def step(self, function):
        """One act, and what the rules say to it."""
        self.count += 1
        self.machine, self.may_remove, self.said_now, self.last_apply = self.machines["A"], None, False, None
        before, held = self.world.accepted(), self.note_held()
        self.ever.update(before)
        text = function(self)
        self.tell(f"{self.count:3} {text}")
        self.ever.update(self.world.accepted())
        self.counts["acts"] += 1
        machine = self.machine
        after = self.told_has(machine)
        self.check_murder(before, held)
        self.check_forgetting(self.word.get(machine.name, {}), after)
        self.word[machine.name] = after
        self.note_held()
        self.judge(machine)

    def play(self):
        """All acts, then the way back."""
        names = list(ACTS)
        weights = [ACTS[name][0] for name in names]
        self.step(ACTS["apply"][1])
        if self.random.random() < 0.7:
            self.step(ACTS["hand_over"][1])
        for name in self.random.choices(names, weights, k=self.length - 1):
            self.step(ACTS[name][1])
        self.machine = self.machines["A"]
        self.heal(self.machine)

    # The way back

    def finish_items(self, machine):
        """All that is open is done and ticked."""
        for one in self.handovers(machine)[0]:
            keys = [item["key"] for item in one["items"] if item["state"] == "open" and item["required"]
                    and item["key"] != "provider"]
            if keys and one["client_id"]:
                self.refused(machine.run("handover", one["client_id"], "--done", ",".join(keys)))

    def follow(self, machine, doctor):
        """What the doctor's fixes name."""
        for one in (doctor.document or {}).get("findings", []):
            if one["verdict"] == "ok" or one["check"] == "privilege":
                continue
            retire = re.search(r"moonlatch journal retire (\S+)", one.get("fix") or "")
            if retire and retire[1] != self.holds:
                self.refused(machine.run("journal", "retire", retire[1], "--yes"))
            elif one["check"] == "client secret" and one["verdict"] == "unknown":
                self.refused(machine.setup("apply", "--renew", "--yes", "--managed", ACCOUNT))

    def heal(self, machine):
        """R4: by what is documented, everything works again."""
        machine.skew = 0
        machine.configure()
        self.tell("--- the way back")
        for number in range(6):
            applied = machine.setup("apply", "--yes", "--managed", ACCOUNT, "--lifetime", "90d", *self.first_words())
            self.refused(applied) if "waits for a person" not in applied.out else None
            if machine.linked:
                self.link()
            else:
                state = self.handover(machine)
                if state and not state["destroyed"] and state["secret"]["state"] != "none":
                    value = receive(self, machine)
                    if value:
                        self.paste(value)
                    if state["secret"].get("waiting"):
                        self.refused(machine.run("handover", *self.named(machine), "--confirm"))
            self.finish_items(machine)
            self.world.drop_consents()
            self.world.later(120)
            doctor, held = machine.doctor(), self.note_held()
            for key in re.findall(r"remove it with: moonlatch journal retire (\S+)", applied.out):
                if key != self.holds:
                    self.refused(machine.run("journal", "retire", key, "--yes"))
            if (doctor.document or {}).get("verdict") == "healthy" and held["state"] == ALIVE:
                self.tell(f"--- healthy after {number + 1} rounds")
                return
            self.last = doctor
            self.follow(machine, doctor)
        left = [one for one in (doctor.document or {}).get("findings", []) if one["verdict"] != "ok"]
        self.problem("R4", f"not healthy after {number + 1} rounds; the provider's is {held['state']}; apply "
                     f"{applied.status}: {applied.told()[-300:]}; {json.dumps(left, ensure_ascii=False)[:1500]}")


def play(seed, acts, talk):
    """Play a seed; what came of it."""
    with tempfile.TemporaryDirectory(prefix="fate-") as folder:
        fate = Fate(seed, acts, folder, talk)
        try:
            fate.play()
        except Exception as error:  # a fault of this play, or words that are no JSON
            import traceback
            fate.problems.append("the play itself: " + repr(error) + traceback.format_exc()[-600:])
        finally:
            fate.world.close()
        return {"seed": seed, "kind": KINDS[seed % len(KINDS)], "problems": fate.problems, "counts": fate.counts,
                "refusals": sorted(fate.refusals), "log": fate.log}


def main():
    """Play the seeds that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--acts", type=int, help="in each world; 20 to 40 by default")
    parser.add_argument("--lanes", type=int, default=2)
    options = parser.parse_args()
    first, count = options.seed or 1, options.seeds or (1 if options.seed else 20)
    talk, bad, sums = options.seed is not None and not options.seeds, 0, collections.Counter()
    with ThreadPoolExecutor(options.lanes) as pool:
        for result in pool.map(lambda seed: play(seed, options.acts, talk), range(first, first + count)):
            bad += bool(result["problems"])
            sums.update(result["counts"])
            print(json.dumps(result, ensure_ascii=False), flush=True)
    print(f"{count} seeds from {first}, {bad} with something wrong; {dict(sums)}", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
