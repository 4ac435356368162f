"""Plays cases on the far side and says what went wrong, one JSON line each.

    cases.py single [PART]        every case of single.py whose name has this part
    cases.py together [ROUNDS]    two installations started together; `killed`: one is killed
    cases.py rotators [ROUNDS]    a second rotator of another kind
    cases.py setups               two set-ups at once

MOONLATCH names the program. Exit status 1 when something went wrong.
"""

import json
import sys
import tempfile

import single
import together
from far import Far



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


def play_single(part=""):
    bad = 0
    for name in single.CASES:
        if part in name:
            bad += say(on_far(lambda far, name=name: single.play(name, far)))
    return bad


def play_rounds(function):
    def play(rounds="1", first="1"):
        bad = 0
        for seed in range(int(first), int(first) + int(rounds)):
            bad += say(on_far(lambda far, seed=seed: function(far, seed), seed))
        return bad
    return play


PLAYS = {
    "single": play_single, "together": play_rounds(together.two), "killed": play_rounds(together.two_killed),
    "rotators": play_rounds(together.rotators), "setups": play_rounds(together.setups),
}


def main():
    return 1 if PLAYS[sys.argv[1]](*sys.argv[2:]) else 0


if __name__ == "__main__":
    sys.exit(main())
