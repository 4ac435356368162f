"""Runs a program and tells what it took: measure.py FILE PROGRAM ARGUMENTS...

FILE then holds the most memory it had, in KiB, and the seconds it ran.
"""
import resource
import subprocess
import sys
import time

start = time.monotonic()
status = subprocess.call(sys.argv[2:])
used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
with open(sys.argv[1], "w") as file:
    file.write(f"{used} {time.monotonic() - start:.2f}\n")
sys.exit(status if status >= 0 else 128 - status)
