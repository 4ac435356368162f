"""Do the files that run under the sanitizers reach every line of C that all the files reach?

    coverage.py BUILD     a build of the preset `coverage`; its tests run one after the other

Prints how many lines of runtime/ all files reach, and how many those without the label `unsanitized` reach. Then, for
each file that is sanitized, the seconds it takes and how many lines only that file reaches: a dear one with 0 may get
the label. Exit status 1: the sanitized files miss lines, which are named, or a file failed.
"""

import collections
import json
import pathlib
import resource
import subprocess
import sys


def tests(build):
    """Command, folder and labels of each spec and unit, by its name."""
    shown = subprocess.run(["ctest", "--show-only=json-v1"], cwd=build, check=True, capture_output=True, text=True)
    for test in json.loads(shown.stdout)["tests"]:
        known = {one["name"]: one["value"] for one in test["properties"]}
        if {"spec", "unit"} & set(known.get("LABELS", [])):
            yield test["name"], test["command"], known.get("WORKING_DIRECTORY", build), known["LABELS"]


def forget(build):
    for counts in build.rglob("*.gcda"):
        counts.unlink()


def reached(build):
    """The lines of runtime/ that were reached since forget(), as "gate.c:12"."""
    counts = [path for path in build.rglob("*.gcda") if "runtime" in str(path)]
    lines = set()
    for path in counts:
        told = subprocess.run(["gcov", "--json-format", "--stdout", path.name], cwd=path.parent, check=True,
                              capture_output=True)
        for document in told.stdout.splitlines():
            for file in json.loads(document)["files"]:
                name = pathlib.PurePath(file["file"])
                if name.parent.name == "runtime" and name.suffix == ".c":
                    lines.update(f"{name.name}:{line['line_number']}" for line in file["lines"] if line["count"])
    return lines


def seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    lines, cost, sanitized, failed = {}, {}, [], []
    for name, command, folder, labels in tests(build):
        forget(build)
        before = seconds()
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        cost[name] = seconds() - before
        if ended.returncode or "\nnot ok" in "\n" + ended.stdout:
            failed.append(name)
        lines[name] = reached(build)
        if "unsanitized" not in labels:
            sanitized.append(name)
        print(f"{name:40} {len(lines[name]):5} lines {cost[name]:6.1f} s", file=sys.stderr, flush=True)
    forget(build)
    whole = set().union(*lines.values())
    part = set().union(*(lines[name] for name in sanitized))
    print(f"{len(whole)} lines are reached by {len(lines)} files, {len(part)} of them by the {len(sanitized)} sanitized")
    for name in sorted(sanitized, key=lambda one: -cost[one]):
        alone = lines[name].difference(*(lines[other] for other in sanitized if other != name))
        print(f"{name:40} {cost[name]:6.1f} s, {len(alone)} lines that no other sanitized file reaches")
    missed = collections.defaultdict(list)
    for file, number in (line.split(":") for line in whole - part):
        missed[file].append(int(number))
    for file, numbers in sorted(missed.items()):
        print("missed:", file, *sorted(numbers))
    for name in failed:
        print("failed:", name)
    sys.exit(1 if missed or failed else 0)


main()
