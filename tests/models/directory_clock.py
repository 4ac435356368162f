"""A model of how a date of the directory shows whether a change is ours, where its clock may be apart from its front's.

    directory_clock.py    the rules, and the rules with one taken away; one JSON line each

We send a password once; it is answered within two seconds, and was applied meanwhile, or never ("accepted and never
applied"). Somebody else changes the password once, or nobody does. The directory dates a change by a clock of its own,
in whole seconds. We know bounds for how far that clock is ahead: recent ones, which a change of ours agreed with in the
last day, or old ones. Bounds are too wide after somebody else's change just after ours. Old ones may be wrong: the
clock was set since.

The program looks until the date moves. A date in the span of our request, widened by the bounds, is ours. A date that
is near, where no recent bounds are known, is checked by one more request with the same value: the directory's clock
moves both dates by the same distance. Then it looks once more, and says "changed". Old bounds that leave room for no
offset count as none. Nothing here is taken from the program.

What is counted: `false`, said although somebody else's password is in force, whose date does not fall between our send
and our answer, give or take a second, `SAME` and the offset; `clock_set`, the same where old bounds are wrong;
`never_applied`, the same where what was accepted was never applied; `beyond`, said of a first date that does not lie
in the span widened by the bounds that were learned; `overwritten`, our second request went over a change of somebody
else that was shown, and did not fall between our send and our answer; `overwritten_never_applied`, the same where ours was never applied; `untold`, one of these two
that no person is told of; `alarm`, a person is asked although nobody else changed anything.
"""

import itertools
import json

NEAR = 60  # seconds by which a date may be off to be checked by a second request
SAME = 0.5  # seconds by which two distances may differ to be the same one
STEP = 0.5

RULES = ("second request", "old bounds are none")


def steps(first, last):
    return [first + STEP * n for n in range(int((last - first) / STEP) + 1)]


def distance(sent, answered, date, low, high):
    """How many seconds a date is outside the span of an answered request."""
    first, last = (sent + low) // 1, answered + high
    return date - first if date < first else max(0, date - last)


class Directory:
    """The changes of one password, each with its true moment and who made it."""

    def __init__(self, ahead, stranger):
        self.ahead, self.changes = ahead, []
        if stranger is not None:
            self.changes.append((stranger, "stranger"))

    def apply(self, at):
        self.changes.append((at, "ours"))

    def last(self, now):
        """The change in force at a moment; of two at one moment, ours came first."""
        past = [change for change in self.changes if change[0] <= now]
        return max(past, key=lambda change: (change[0], change[1] == "stranger")) if past else None

    def date(self, change):
        return (change[0] + self.ahead) // 1


def is_alike(world, change, span, low, high):
    """Does somebody else's change fall between our send and our answer, by a clock within these bounds?"""
    return (span[0] + low) // 1 - 1 - SAME <= world.date(change) <= span[1] + high + 1 + SAME


def judge_said(world, case, now, applied, spans):
    """What it is that "changed" is said; the last look was just before."""
    live = world.last(now)
    if live[1] == "ours":
        return "changed"
    if not applied:
        return "never_applied"
    ahead, (low, high, is_recent) = case[0], case[1]
    low, high = (min(0, low), max(0, high)) if is_recent else (min(0, ahead), max(0, ahead))
    if any(is_alike(world, live, span, low, high) for span in spans):
        return "alike"
    return "false" if case[1][0] <= ahead <= case[1][1] else "clock_set"


def asked(world):
    """A person is asked."""
    return "alarm" if all(change[1] == "ours" for change in world.changes) else "person"


def second_request(world, case, seen, first, now, applied):
    """Check an unexpected date by one more request."""
    over, ahead = world.last(now), case[0]
    is_over = over[1] == "stranger" and not is_alike(world, over, first, min(0, ahead), max(0, ahead))
    sent = now + 2
    answered = sent + STEP
    world.apply(sent)
    date = world.date(world.last(answered + STEP))
    low_1, high_1 = seen - first[1], seen + 1 - first[0]
    low_2, high_2 = date - answered, date + 1 - sent
    is_same = date > seen and low_1 <= high_2 + SAME and low_2 <= high_1 + SAME
    yield judge_said(world, case, answered + STEP, applied, [first, (sent, answered)]) if is_same else asked(world)
    if is_over:
        yield "overwritten" if applied else "overwritten_never_applied"
        if is_same:
            yield "untold"


def first_look(world, now):
    """The first look that shows a change, and the change; nothing where none comes."""
    if world.last(now) is None:
        later = [change[0] for change in world.changes if change[0] > now]
        now = min(later) + STEP if later else None
    return now, now and world.last(now)


def play(case, without):
    ahead, (low, high, is_recent), applied_at, answered, stranger, looked = case
    world = Directory(ahead, stranger)
    if applied_at is not None:
        world.apply(applied_at)
    now, seen = first_look(world, answered + looked)
    if not seen:
        yield "not shown"
        return
    date, learned = world.date(seen), (low, high)
    if not is_recent and low <= 0 <= high and "old bounds are none" not in without:
        low = high = 0
    off, applied = distance(0, answered, date, low, high), applied_at is not None
    if off == 0:
        if distance(0, answered, date, *learned) != 0:
            yield "beyond"
        is_last = world.date(world.last(now + 2)) == date
        yield judge_said(world, case, now + 2, applied, [(0, answered)]) if is_last else asked(world)
    elif is_recent and abs(off) > 1 or abs(off) >= NEAR or "second request" in without:
        yield asked(world)
    else:
        yield from second_request(world, case, date, (0, answered), now, applied)


def bounds(ahead):
    """Recent bounds hold the truth; old ones need not."""
    recent = [(low, high, True) for low in (-3, 0, 3) for high in (-3, 0, 3) if low <= ahead <= high]
    old = [(low, high, False) for low in (-3, 0, 3) for high in (-3, 0, 3) if low <= high]
    return recent + old


def cases():
    for ahead in (-3, 0, 3):
        for bound in bounds(ahead):
            for answered in steps(STEP, 2):
                for applied in [None] + steps(0, answered):
                    for stranger in [None] + steps(0, 9):
                        for looked in (0, 1.5, 4):
                            yield ahead, bound, applied, answered, stranger, looked


def main():
    for rule in (None,) + RULES:
        without = {rule} if rule else set()
        counts = {"without": rule, "played": 0}
        for case in cases():
            counts["played"] += 1
            for kind in play(case, without):
                counts[kind] = counts.get(kind, 0) + 1
        print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    main()
