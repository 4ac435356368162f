"""What a person does over the months, wisely or not. Each act is a function of a fate and gives what it was, in words.

An act may change what the consumer has, what Entra accepts, or what a person said; the fate keeps the book of it.
"""

import os
import shutil

from world import ACCOUNT, OTHER

ACTS = {}
DAY = 86400


def act(weight):
    """A function that is an act, as likely as its weight."""
    def take(function):
        ACTS[function.__name__] = (weight, function)
        return function
    return take


def apply_words(fate):
    """The words of an apply; the lifetime is such that months matter."""
    return ("--yes", "--managed", ACCOUNT, "--lifetime", "90d", *fate.first_words())


@act(9)
def apply(fate):
    """As the schedule has it."""
    return fate.applied(fate.machine.setup("apply", *apply_words(fate)))


@act(3)
def apply_renew(fate):
    """A new one now."""
    return fate.applied(fate.machine.setup("apply", "--renew", *apply_words(fate)))


@act(2)
def apply_old_now(fate):
    """A new one now, and away with the old one."""
    return fate.applied(fate.machine.setup("apply", "--renew", "--old-now", *apply_words(fate)))


@act(2)
def only_old_now(fate):
    """The same command again, without a new one."""
    return fate.applied(fate.machine.setup("apply", "--old-now", *apply_words(fate)))


@act(8)
def time_passes(fate):
    """Hours to 200 days."""
    seconds = fate.random.choice([3600, 6 * 3600, DAY, 3 * DAY, 8 * DAY, 20 * DAY, 35 * DAY, 65 * DAY, 100 * DAY,
                                  200 * DAY])
    fate.world.later(seconds)
    return f"{seconds / DAY:g} days pass"


def receive(fate, machine=None):
    """A person has the client secret written to a file; its value, or None."""
    machine = machine or fate.machine
    path = machine.file()
    run = machine.run("handover", *fate.named(machine), "--secret-file", path)
    fate.refused(run)
    if run.status != 0:
        return None
    with open(path) as file:
        value = file.read().rstrip("\n")
    fate.learn(value)
    fate.given.add(fate.key_of(value))
    return value


@act(9)
def hand_over(fate):
    """As it is meant: receive, paste, confirm."""
    value = receive(fate)
    if not value:
        return "handed nothing over"
    fate.paste(value)
    run = fate.confirm()
    return f"handed over {fate.short(fate.key_of(value))}, confirm {run.status}"


@act(5)
def receive_and_paste(fate):
    """Pasted, and nobody says so."""
    value = receive(fate)
    if value:
        fate.paste(value)
    return f"received and pasted {fate.short(fate.key_of(value))}"


@act(3)
def only_receive(fate):
    """Received, and forgotten on a desk."""
    value = receive(fate)
    return f"received {fate.short(fate.key_of(value))}"


@act(3)
def paste_old(fate):
    """Any value that was ever seen."""
    if not fate.world.values:
        return "has no value to paste"
    key = fate.random.choice(sorted(fate.world.values))
    fate.paste(fate.world.values[key])
    return f"pasted {fate.short(key)}, one seen before"


@act(2)
def paste_nothing(fate):
    """Clicks through the form, and changes nothing."""
    return "pasted nothing"


@act(2)
def paste_wrong(fate):
    """Into the wrong provider, and confirmed."""
    value = receive(fate)
    if not value:
        return "pasted nothing into the wrong provider"
    fate.world.paste(value, OTHER)
    run = fate.confirm()
    return f"pasted {fate.short(fate.key_of(value))} into the wrong provider, confirm {run.status}"


@act(4)
def confirm(fate):
    """Says that it is pasted, whether it is or not."""
    return f"confirm {fate.confirm().status}"


@act(3)
def confirm_row(fate):
    """Confirms any record of a client secret."""
    rows = [row for row in fate.rows() if row["kind"] == "client secret"]
    if not rows:
        return "no row to confirm"
    row = fate.random.choice(rows)
    run = fate.machine.run("journal", "confirm", row["id"])
    fate.refused(run)
    fate.said_something(run.status == 0)
    return f"journal confirm {row['id']} ({row['state']}): {run.status}"


@act(2)
def take_back_row(fate):
    """Takes back any confirmation."""
    rows = [row for row in fate.rows() if row["kind"] == "client secret"]
    if not rows:
        return "no row to take back"
    row = fate.random.choice(rows)
    run = fate.machine.run("journal", "confirm", "--undo", row["id"])
    fate.refused(run)
    fate.said_something(run.status == 0)
    return f"journal confirm --undo {row['id']} ({row['state']}): {run.status}"


@act(3)
def undo_provider(fate):
    """It was not pasted after all."""
    run = fate.machine.run("handover", *fate.named(fate.machine), "--undo", "provider")
    fate.refused(run)
    fate.said_something(True)
    return f"handover --undo provider: {run.status}"


@act(4)
def tick(fate):
    """Ticks items, or takes them back."""
    state = fate.handover()
    keys = [item["key"] for item in state["items"] if item["key"] != "provider"] if state else []
    if not keys:
        return "nothing to tick"
    some = keys if fate.random.random() < 0.6 else fate.random.sample(keys, 2 if len(keys) > 1 else 1)
    how = "--done" if fate.random.random() < 0.8 else "--undo"
    run = fate.machine.run("handover", *fate.named(fate.machine), how, ",".join(some))
    fate.refused(run)
    return f"handover {how} {','.join(some)}: {run.status}"


@act(4)
def other_machine(fate):
    """A second machine, with a state folder of its own, applies too."""
    fate.machine = fate.machine_named("B")
    return "on B: " + apply(fate)


@act(2)
def other_machine_hands_over(fate):
    """And its person pastes what that one made."""
    fate.machine = fate.machine_named("B")
    return "on B: " + hand_over(fate)


@act(2)
def backup(fate):
    """A copy of the journal."""
    path = os.path.join(fate.machine.home, f"backup-{fate.count}")
    run = fate.machine.run("journal", "backup", path)
    fate.refused(run)
    if run.status == 0:
        shutil.copy(os.path.join(fate.machine.home, "journal.key"), path + ".key")
        fate.backups.append((fate.machine, path))
    return f"backup: {run.status}"


@act(2)
def restore(fate):
    """The journal of a while ago is brought back."""
    mine = [path for machine, path in fate.backups if machine is fate.machine]
    if not mine:
        return "no backup to restore"
    path = fate.random.choice(mine)
    more = fate.random.choice([(), ("--replaces",)])
    shutil.copy(path + ".key", os.path.join(fate.machine.home, "journal.key"))
    run = fate.machine.run("journal", "restore", path, "--set-aside", "--yes", *more)
    fate.refused(run)
    fate.said_something(True)
    return f"restored {os.path.basename(path)} {' '.join(more)}: {run.status}"


@act(1)
def compact(fate):
    """Old records go to a file of their own."""
    run = fate.machine.run("journal", "compact", "--yes", "--before", fate.world.after(-1)[:10])
    fate.refused(run)
    return f"compact: {run.status}"


@act(1)
def rekey(fate):
    """The journal gets a new key."""
    key = os.path.join(fate.machine.home, "journal.key")
    old = os.path.join(fate.machine.home, f"old-{fate.count}.key")
    if not os.path.exists(os.path.join(fate.machine.home, "state")):
        return "nothing to rekey"
    shutil.move(key, old)
    with open(key, "wb") as file:
        file.write(bytes(fate.random.randrange(33, 126) for _ in range(32)))
    os.chmod(key, 0o600)
    run = fate.machine.run("journal", "rekey", "--yes", "--old-key", "file:" + old)
    fate.refused(run)
    if run.status != 0:
        shutil.move(old, key)
    return f"rekey: {run.status}"


@act(1)
def destroy(fate):
    """All of it goes, and may come back."""
    fate.may_remove, fate.said_now = "destroy", True
    run = fate.machine.setup("destroy", "--yes")
    fate.refused(run)
    return f"destroy: {run.status}"


@act(1)
def destroy_for_good(fate):
    """All of it goes for good."""
    fate.may_remove, fate.said_now = "destroy", True
    run = fate.machine.setup("destroy", "--yes", "--purge")
    fate.refused(run)
    return f"destroy --purge: {run.status}"


@act(2)
def remove_in_portal(fate):
    """Somebody removes a client secret in the portal."""
    keys = sorted(fate.world.accepted())
    if not keys:
        return "nothing to remove in the portal"
    key = fate.random.choice(keys)
    fate.may_remove = "portal"
    fate.world.remove_secret(key)
    return f"removed {fate.short(key)} in the portal"


@act(2)
def made_by_hand(fate):
    """Somebody makes a client secret in the portal and pastes it."""
    if not fate.world.application():
        return "no application to make a client secret by hand"
    key = fate.world.add_secret("by hand", fate.random.choice([5, 60, 300]))
    fate.paste(fate.world.values[key])
    return f"made {fate.short(key)} by hand and pasted it"


@act(1)
def retire(fate):
    """A person removes any client secret with this program."""
    keys = sorted(fate.world.accepted())
    if not keys:
        return "nothing to retire"
    key = fate.random.choice(keys)
    fate.may_remove = "retire"
    run = fate.machine.run("journal", "retire", key, "--yes")
    fate.refused(run)
    return f"journal retire {fate.short(key)}: {run.status}"


@act(2)
def wrong_clock(fate):
    """The clock of this machine is wrong by minutes, or right again."""
    fate.machine.skew = fate.random.choice([0, 0, -240, 240, 900, -900, 3600])
    fate.machine.configure()
    return f"the clock is {fate.machine.skew} s ahead"


@act(2)
def killed_apply(fate):
    """kill -9 at any moment of an apply."""
    seconds = fate.random.uniform(0.05, 0.9)
    words = ("--renew",) if fate.random.random() < 0.4 else ()
    run = fate.machine.setup("apply", *words, *apply_words(fate), kill=seconds)
    fate.said_now = fate.said_now or fate.machine.linked or fate.by_hand
    return f"apply {' '.join(words)} killed after {seconds:.2f} s: {run.status}"


@act(1)
def killed_handover(fate):
    """kill -9 at any moment of a confirm."""
    seconds = fate.random.uniform(0.02, 0.2)
    run = fate.machine.run("handover", *fate.named(fate.machine), "--confirm", kill=seconds)
    fate.said_something(True)
    return f"confirm killed after {seconds:.2f} s: {run.status}"


@act(2)
def lost_answer(fate):
    """The answer to the next request for a client secret is lost."""
    fate.world.ask("POST", "/faults", {"rule": "POST /applications/*/addPassword drop-after 1"})
    said = fate.applied(fate.machine.setup("apply", "--renew", *apply_words(fate)))
    fate.world.ask("DELETE", "/faults")
    return "with a lost answer: " + said


@act(2)
def link(fate):
    """On Server: the provider reads the entry from now on, or no longer; the profile says so, or not."""
    if fate.world.edition != "server":
        return "is no Server"
    machine = fate.machine
    machine.linked = not machine.linked
    machine.configure()
    fate.said_now = True
    honest = fate.random.random() < 0.8
    if honest and machine.linked:
        fate.link()
    return f"linked = {machine.linked}, {'as it is' if honest and machine.linked else 'by word only'}"
