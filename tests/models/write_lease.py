"""A model of how machines store a client secret in one entry of a vault, and everything that can happen in it.

    write_lease.py [MACHINES [RUNS]]    the rules, and the rules with one taken away; one JSON line each

A machine looks at the entry, makes a client secret, creates a lease entry, lists, looks at the entry once more, writes
it, deletes its lease entry, and says that it is done. Any machine may be killed at any moment, any write may land late
without an answer, and any reading may be old: as old as it likes, but never older than an earlier reading of the same
machine. Nothing here is taken from the program.

What must never be: an entry that holds a client secret that was removed; a machine that said "done" while the entry
holds, or later comes to hold, another one (so two machines that both made one never both say "done"); a state that
nobody leaves.
"""

import json
import sys
from collections import namedtuple

# What a machine is at: look, make, lease, list, await, check, write, back, drop, withdraw, done, failed, dead.
Machine = namedtuple("Machine", "at read before kept old runs")
# read: the oldest version of the vault it may still be shown; before: what the entry held when it looked first;
# kept: does it have a client secret? old: may its lease entry allow no write any more?
State = namedtuple("State", "versions entry_writes alive machines")
# versions: of the vault, each (lease entries, what the entry holds); entry_writes: late ones, under way.

RULES = ("lease", "look again", "own listed", "wait for all", "keep lease of unknown", "hold")


class Found(Exception):
    """Something that must never be."""


def change(state, number, machine, **more):
    machines = list(state.machines)
    machines[number] = machine
    return state._replace(machines=tuple(machines), **more)


def write_vault(state, leases, entry):
    return state.versions + ((leases, entry),)


def readings(state, machine):
    """The versions it may be shown."""
    return range(machine.read, len(state.versions))


def look(state, number, machine):
    """Choose: use what lies there, or store the own one, or make one."""
    for version in readings(state, machine):
        held, seen = state.versions[version][1], machine._replace(read=version)
        if held is not None and held != number:
            yield change(state, number, seen._replace(at="adopted"))
        elif held == number:
            yield change(state, number, seen._replace(at="done"))
        else:
            yield change(state, number, seen._replace(at="lease" if machine.kept else "make", before=held))


def make(state, number, machine):
    yield change(state, number, machine._replace(at="lease", kept=True), alive=state.alive | {number})


def lease(state, number, machine, rules):
    leases, entry = state.versions[-1]
    if "lease" not in rules:
        yield change(state, number, machine._replace(at="check", old=False))
        return
    versions = write_vault(state, leases | {number}, entry)
    read = len(versions) - 1 if "own listed" in rules else machine.read
    yield change(state, number, machine._replace(at="list", read=read, old=False), versions=versions)


def list_leases(state, number, machine, rules):
    for version in readings(state, machine):
        others, seen = state.versions[version][0] - {number}, machine._replace(read=version)
        lowest = all(number < other for other in others)
        if not others or lowest and "wait for all" not in rules:
            yield change(state, number, seen._replace(at="check"))
        elif not lowest:
            leases, entry = state.versions[-1]
            yield change(state, number, seen._replace(at="await"), versions=write_vault(state, leases - {number}, entry))
        elif seen != machine:
            yield change(state, number, seen)


def await_none(state, number, machine):
    for version in readings(state, machine):
        if not state.versions[version][0] - {number}:
            yield change(state, number, machine._replace(at="lease", read=version))


def check(state, number, machine, rules):
    if "look again" not in rules:
        yield change(state, number, machine._replace(at="write"))
        return
    for version in readings(state, machine):
        held, seen = state.versions[version][1], machine._replace(read=version)
        same = held in (machine.before, number)
        yield change(state, number, seen._replace(at="write" if same else "withdraw"))


def write(state, number, machine, rules):
    if machine.old and "hold" in rules:
        yield change(state, number, machine._replace(at="drop failed"))
        return
    leases, _ = state.versions[-1]
    yield change(state, number, machine._replace(at="back"), versions=write_vault(state, leases, number))
    lost = machine._replace(at="failed" if "keep lease of unknown" in rules else "drop failed")
    yield change(state, number, lost, entry_writes=state.entry_writes | {number})


def drop(state, number, machine):
    leases, entry = state.versions[-1]
    yield change(state, number, machine._replace(at="done" if machine.at == "back" else "failed"),
                 versions=write_vault(state, leases - {number}, entry))


def withdraw(state, number, machine):
    """Remove the own client secret, and give the lease back."""
    leases, entry = state.versions[-1]
    yield change(state, number, machine._replace(at="failed", kept=False), alive=state.alive - {number},
                 versions=write_vault(state, leases - {number}, entry))


def own_steps(state, number, machine, rules):
    steps = {"look": look, "make": make, "await": await_none, "back": drop, "drop failed": drop, "withdraw": withdraw}
    ruled = {"lease": lease, "list": list_leases, "check": check, "write": write}
    if machine.at in steps:
        yield from steps[machine.at](state, number, machine)
    elif machine.at in ruled:
        yield from ruled[machine.at](state, number, machine, rules)


ENDED = ("done", "adopted", "failed", "dead")


def happens(state, number, machine, rules):
    """What happens to a machine: it is killed, it runs again, its late write lands, its lease entry becomes too old."""
    leases, entry = state.versions[-1]
    if machine.at not in ENDED and machine.runs > 0:
        yield change(state, number, machine._replace(at="dead"))
    if machine.at in ("failed", "dead") and machine.runs > 0 and number not in leases:
        yield change(state, number, machine._replace(at="look", runs=machine.runs - 1))
    if number in state.entry_writes:
        yield state._replace(versions=write_vault(state, leases, number), entry_writes=state.entry_writes - {number})
    elif number in leases and (machine.at in ENDED or "hold" not in rules or not machine.old and machine.at != "back"):
        yield change(state, number, machine._replace(old=True), versions=write_vault(state, leases - {number}, entry))


def judge(state):
    entry = state.versions[-1][1]
    if entry is not None and entry not in state.alive:
        raise Found("the entry holds a client secret that was removed")
    for number, machine in enumerate(state.machines):
        if machine.at == "done" and entry != number:
            raise Found("a machine said done, and the entry holds another client secret")


def shortened(state):
    """Forget the versions that nobody can be shown any more."""
    least = min(machine.read for machine in state.machines)
    machines = tuple(machine._replace(read=machine.read - least) for machine in state.machines)
    return state._replace(versions=state.versions[least:], machines=machines)


def explore(machines, runs, rules):
    """Every state that can be reached; how many there are, and the first that must not be, if there is one."""
    first = State(((frozenset(), None),), frozenset(), frozenset(),
                  (Machine("look", 0, None, False, False, runs - 1),) * machines)
    seen, todo = {first}, [first]
    try:
        while todo:
            state = todo.pop()
            judge(state)
            moves = 0
            for number, machine in enumerate(state.machines):
                for step in (own_steps(state, number, machine, rules), happens(state, number, machine, rules)):
                    for after in map(shortened, step):
                        moves += 1
                        if after not in seen:
                            seen.add(after)
                            todo.append(after)
            if moves == 0 and any(machine.at not in ENDED for machine in state.machines):
                raise Found("nobody goes on")
    except Found as found:
        return len(seen), str(found)
    return len(seen), None


def main():
    machines, runs = int(sys.argv[1]) if sys.argv[1:] else 2, int(sys.argv[2]) if sys.argv[2:] else 2
    for missing in (None, *RULES):
        states, found = explore(machines, runs, frozenset(RULES) - {missing})
        print(json.dumps({"without": missing, "states": states, "found": found}), flush=True)


if __name__ == "__main__":
    main()
