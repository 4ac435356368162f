"""Times the prompt as a person waits for it: prompt.py COUNT PROGRAM ARGUMENTS...

On a terminal of its own: from the start of the program to its prompt, and from
Tab to what that brings, each time in a new process. Prints both medians in ms.
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


def once(command):
    start = time.monotonic()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(command[0], command, {"TERM": "xterm", "HOME": "/nonexistent", "LANG": "C.UTF-8"})
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
times = [once(sys.argv[2:]) for _ in range(int(sys.argv[1]))]
print("%.2f %.2f" % tuple(statistics.median(column) for column in zip(*times)))
