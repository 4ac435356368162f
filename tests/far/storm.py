"""Two installations that overlap in real time while requests are lost, late, doubled or refused;
whoever is not done after a while is killed. Then time passes, and each finishes in turn."""

import os
import random
import signal
import subprocess
import threading

import far as rules
from program import Run
from together import LATE, LATENCY, begin, judge, tally, unfinished
from verdict import look
from worlds import entry_fate, fates

PATIENCE = 15  # real seconds until who still runs is killed


def finish(child):
    """The run of a process that has so long."""
    try:
        out, err = child.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.kill(child.pid, signal.SIGKILL)
        out, err = child.communicate()
    return Run(child.returncode, out, err)


def trouble(far, dice, keys):
    """Let things go wrong."""
    waiting = {key: fates(dice) for key in keys}
    log = []

    def act(exchange):
        one = waiting[exchange.user].pop(0) if waiting[exchange.user] else rules.Exchange.apply
        answer = one(exchange)
        log.append((exchange.client[:4], exchange.user, getattr(one, "__qualname__", "").split(".")[0],
                    "cut" if answer is rules.CUT else answer.status))
        return answer
    far.rule(rules.password_of(), act, None)
    far.rule(lambda exchange: exchange.place == "vault" and exchange.request.method != "GET" and dice.random() < 0.04,
             lambda exchange: entry_fate(dice)(exchange), None)
    far.vault.stale = dice.choice([0, 0, 0.3, 2])
    far.vault.equal_names = dice.random() < 0.7
    return log


def left(far, runs):
    """Accounts that are neither done nor named as a person's."""
    bad = set(unfinished(far))
    for run in runs:
        bad -= {one["name"] for one in run.accounts().values() if one["what"] == "stop" and run.status == 1}
    return bad


def play(far, seed):
    """One seed's storm."""
    dice = random.Random(seed)
    keys, both = begin(far, 8)
    far.latency = LATENCY
    log = trouble(far, dice, keys)
    children = [one.start("rotate", one.policy, "--yes", "--json") for one in both]
    runs = [None, None]
    threads = [threading.Thread(target=lambda place=place: runs.__setitem__(place, finish(children[place])))
               for place in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    problems = judge(far, both, [run for run in runs if run.status >= 0])
    far.rules.clear()
    far.vault.stale = 0
    for one in both:
        one.use_clock(True)
    again = []
    for one in [both[seed % 2], both[1 - seed % 2]] * 3:
        far.await_closed()
        far.clock.advance(LATE)
        again.append(one.rotate())
        problems += judge(far, both, again[-1:])
    problems += [f"in the end neither done nor a person's: {name}" for name in left(far, again[-2:])]
    names = {key: one["name"] for key, one in look(far).items()}
    whys = {one["why"] for run in again[-2:] for one in run.accounts().values() if one["what"] == "stop"}
    return {"case": "storm", "seed": seed, "stops": sorted(whys), "problems": problems, "status": [run.status for run in (*runs, *again)],
            "kinds": tally(again[-1]), "said": [tally(run) for run in (*runs, *again)], "strange": far.strange(),
            "log": [(client, names[user], what, str(answer)) for client, user, what, answer in log] if problems or whys else []}
