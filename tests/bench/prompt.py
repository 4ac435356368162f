"""Times the prompt as a person waits for it: prompt.py COUNT PROGRAM ARGUMENTS...

On a terminal of its own: from the start of the program to its prompt, and from
Tab to what that brings, each time in a new process. In turn with it, PROGRAM -e ''
from its start to its end. Prints the medians of the three in ms, and of the first
beside the third.
"""
import os
import pty
import signal
import statistics
import sys
import time

PROMPT, TYPED, SHOWN = b"> ", b'graph.get("/roleManagement/directory/', b"role"


def read_until(terminal, text):
    shown = b""
    while text not in shown:
        shown += os.read(terminal, 4096)
    return time.monotonic()


def begin(command):
    start = time.monotonic()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(command[0], command, {"TERM": "xterm", "HOME": "/nonexistent", "LANG": "C.UTF-8"})
    return start, pid, terminal


def empty_run(program):
    start, pid, terminal = begin([program, "-e", ""])
    status = os.waitpid(pid, 0)[1]
    ended = time.monotonic()
    os.close(terminal)
    if status != 0:
        sys.exit("%s -e '' failed" % program)
    return (ended - start) * 1000


def prompt_run(command):
    start, pid, terminal = begin(command)
    ready = read_until(terminal, PROMPT)
    os.write(terminal, TYPED)
    read_until(terminal, TYPED[-10:])
    asked = time.monotonic()
    os.write(terminal, b"\t")
    shown = read_until(terminal, SHOWN)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(terminal)
    return (ready - start) * 1000, (shown - asked) * 1000


signal.alarm(120)  # whatever it waits for does not come
times = []
for _ in range(int(sys.argv[1])):
    ready, complete = prompt_run(sys.argv[2:])
    empty = empty_run(sys.argv[2])
    times.append((ready, complete, empty, ready / empty))
print("%.2f %.2f %.2f %.3f" % tuple(statistics.median(column) for column in zip(*times)))
