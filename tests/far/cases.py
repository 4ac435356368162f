"""Plays cases on the far side and says what went wrong, one JSON line each.

    cases.py names                     the names of the cases of single.py and pairs.py
    cases.py one NAME                  that case
    cases.py single [PART]             every case of single.py and pairs.py whose name has this part
    cases.py all [N]                   all of them, N side by side (4)
    cases.py PLAY [ROUNDS [FIRST]]     rounds of a play of together.py, each from its seed
    cases.py measure PLAY ROUNDS [N]   the same, N side by side (4), and their sums

Plays: together (two installations started together), behind (listings lag), alone (the vault
allows no equal names), killed (one is killed between a password and its answer), rotators
(a second rotator of another kind), setups (two set-ups at once), worlds (anything may happen),
storm (two installations while requests are lost, late or doubled).
MOONLATCH names the program (build/release/moonlatch). Exit status 1: something went wrong.
"""

import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import pairs  # noqa: its cases are among those of single
import single
import storm
import together
import worlds
from far import Far

ROUNDS = {
    "together": together.two, "behind": together.two_behind, "alone": together.two_alone,
    "killed": together.two_killed, "rotators": together.rotators, "setups": together.setups,
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


def say(result):
    print(json.dumps(result), flush=True)
    return bool(result["problems"]) and not result.get("u9")


def play_names():
    print(json.dumps(list(single.CASES)))


def play_one(name):
    return say(on_far(lambda far: single.play(name, far)))


def play_single(part=""):
    return sum(play_one(name) for name in single.CASES if part in name)


def play_rounds(play, rounds="1", first="1"):
    function, bad = ROUNDS[play], 0
    for seed in range(int(first), int(first) + int(rounds)):
        bad += say(on_far(lambda far, seed=seed: function(far, seed), seed))
    return bad


def apart(*words):
    """Play something in a process of its own; its result."""
    done = subprocess.run([sys.executable, "-B", __file__, *words], stdout=subprocess.PIPE, check=False)
    try:
        return json.loads(done.stdout)
    except ValueError:
        return {"case": words[1], "seed": words[-1], "problems": ["it did not come to its end"]}


def play_all(at_once="4"):
    with ThreadPoolExecutor(int(at_once)) as pool:
        return sum([say(result) for result in pool.map(lambda name: apart("one", name), single.CASES)])


def add_kinds(sums, kinds):
    for kind, count in kinds.items():
        sums[kind] = sums.get(kind, 0) + count


def measure(play, rounds, at_once="4"):
    """Many rounds; the sums over them."""
    with ThreadPoolExecutor(int(at_once)) as pool:
        results = list(pool.map(lambda seed: apart(play, "1", str(seed)), range(1, int(rounds) + 1)))
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
