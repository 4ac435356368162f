"""Plays cases on the far side and says what went wrong, one JSON line each.

    cases.py names                     the names of the cases of single.py and pairs.py
    cases.py one NAME                  that case
    cases.py single [PART]             every case of single.py and pairs.py whose name has this part
    cases.py all [N [EACH]]            all of them, or each EACHth; N side by side (4)
    cases.py PLAY [ROUNDS [FIRST]]     rounds of a play of together.py, each from its seed
    cases.py measure PLAY ROUNDS [N]   the same, N side by side (4), and their sums

Plays: together (two installations started together), behind (listings lag), alone (the vault
allows no equal names), killed (one is killed between a password and its answer), rotators
(a second rotator of another kind), worlds (anything may happen), storm (two installations while
requests are lost, late or doubled); setups, steps, late_steps, steps_behind, steps_alone, renewals
and crossed (two set-ups at once, see setups.py).
MOONLATCH names the program (build/release/moonlatch). Exit status 1: something went wrong.
"""

import json
import multiprocessing
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor

import keys  # noqa: its cases are among those of single
import pairs  # noqa: the same
import setups
import single
import storm
import together
import worlds
from far import Far
from wire import certificates

ROUNDS = {
    "together": together.two, "behind": together.two_behind, "alone": together.two_alone,
    "killed": together.two_killed, "rotators": together.rotators, "setups": setups.changes,
    "steps": setups.steps, "late_steps": setups.late_steps, "renewals": setups.renewals, "crossed": setups.crossed,
    "steps_behind": setups.behind, "steps_alone": setups.alone,
    "worlds": worlds.play, "storm": storm.play,
}


def on_far(function, seed=1):
    """Call function(far) with a far side of its own."""
    with tempfile.TemporaryDirectory(prefix="far-") as folder:
        far = Far(folder, seed)
        try:
            return function(far)
        finally:
            far.close()


def outcome_of_case(name):
    """The result of a case; a case that fails to run is a problem, too."""
    try:
        return on_far(lambda far: single.play(name, far))
    except Exception as error:  # pylint: disable=broad-except
        return {"case": name, "problems": [f"it did not come to its end: {error!r}"]}


def outcome_of_round(play, seed):
    """The result of a round, in the same way."""
    try:
        return on_far(lambda far: ROUNDS[play](far, seed), seed)
    except Exception as error:  # pylint: disable=broad-except
        return {"case": play, "seed": seed, "problems": [f"it did not come to its end: {error!r}"]}


def side_by_side(at_once, function, *arguments):
    """The results of a function for each of the arguments, so many at once, in processes forked from this one."""
    certificates()  # once, for all of them
    with ProcessPoolExecutor(int(at_once), multiprocessing.get_context("fork")) as pool:
        return list(pool.map(function, *arguments))


def say(result):
    print(json.dumps(result), flush=True)
    return bool(result["problems"]) and not result.get("u9")


def play_names():
    print(json.dumps(list(single.CASES)))


def play_one(name):
    return say(outcome_of_case(name))


def play_single(part=""):
    return sum(play_one(name) for name in single.CASES if part in name)


def play_rounds(play, rounds="1", first="1"):
    return sum(say(outcome_of_round(play, seed)) for seed in range(int(first), int(first) + int(rounds)))


def play_all(at_once="4", each="1"):
    cases = list(single.CASES)[::int(each)]
    return sum([say(result) for result in side_by_side(at_once, outcome_of_case, cases)])


def add_kinds(sums, kinds):
    for kind, count in kinds.items():
        sums[kind] = sums.get(kind, 0) + count


def measure(play, rounds, at_once="4"):
    """Many rounds; the sums over them."""
    seeds = range(1, int(rounds) + 1)
    results = side_by_side(at_once, outcome_of_round, [play] * len(seeds), seeds)
    sums = {"play": play, "rounds": len(results), "kinds": {}, "statuses": {}, "problems": [], "strange": []}
    sums["all_once"] = sum(1 for one in results if "once" in one and one["once"] == one["of"])
    sums["once"] = sum(one.get("once", 0) for one in results)
    sums["accounts"] = sum(one.get("of", 0) for one in results)
    for one in results:
        add_kinds(sums["kinds"], one.get("kinds", {}))
        add_kinds(sums["statuses"], {str(one.get("status")): 1})
        sums["problems"] += [f"seed {one['seed']}: {problem}" for problem in one["problems"]]
        sums["strange"] += one.get("strange", [])
    return say(sums)


PLAYS = {"names": play_names, "one": play_one, "single": play_single, "all": play_all, "measure": measure}


def main():
    play, words = (sys.argv[1:2] or [""])[0], sys.argv[2:]
    if play not in PLAYS and play not in ROUNDS:
        sys.exit(__doc__)
    return 1 if (PLAYS[play](*words) if play in PLAYS else play_rounds(play, *words)) else 0


if __name__ == "__main__":
    sys.exit(main())
