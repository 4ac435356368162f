"""What `ctest --verbose` writes, as one line for each file of tests when it has ended: name, tests, seconds.

    ctest --verbose ... | progress.py BUILD

A file that takes longer than ten seconds says why in its first line, "-- takes N s: why", which stands
behind its seconds. A file that failed is followed by what it wrote.
"""

import collections
import os
import re
import sys

LONG = 10  # seconds
SAID = re.compile(r"(\d+): (.*)", re.S)
ENDING = re.compile(r" *\d+/\d+ Test +#\d+: ")
ENDED = re.compile(r" *\d+/\d+ Test +#(\d+): (\S+) \.*(.*?) +([\d.]+) sec")
TROUBLE = re.compile(r"CMake Error|No tests|Unable|Errors? ")


def reason(name):
    """Why a file takes long, as its first line says."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".lua")
    try:
        with open(path, encoding="utf-8") as file:
            found = re.match(r"-- (takes \d+ s: .*)", file.readline())
    except FileNotFoundError:
        found = None
    return found.group(1) if found else "its first line does not say why it takes so long"


def main():
    build, output, begun = sys.argv[1], collections.defaultdict(list), ""
    for line in sys.stdin:
        line, begun = begun + line, ""
        if ENDING.match(line) and not ENDED.match(line):
            begun = line.rstrip("\n")  # the pattern that a failed test matched has a line break in it
        elif said := SAID.match(line):
            output[said.group(1)].append(said.group(2))
        elif ended := ENDED.match(line):
            number, name, verdict, seconds = ended.groups()
            lines = output.pop(number, [])
            tests = sum(text.startswith(("ok ", "not ok ")) for text in lines)
            passed = verdict.strip() == "Passed"
            print(f"{build:7}  {name:36} {tests:4} tests {float(seconds):6.1f} s", "" if passed else " FAILED",
                  f" ({reason(name)})" if float(seconds) > LONG else "", sep="")
            sys.stdout.writelines([] if passed else lines)
        elif TROUBLE.match(line):
            print(line, end="")
        sys.stdout.flush()


main()
