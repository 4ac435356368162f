"""Runs a program and looks for secrets in its memory from outside.

    memory.py JOB PROGRAM ARGUMENTS...

JOB is a file of JSON, as for canary.py (wire, keys). The program is stopped when
it is about to end, with all it ever freed still mapped; or, when JOB has "at",
as soon as it prints that line, and is ended then. Prints {"status", "searched":
bytes, "copies": [{kind, form, where}]}; arguments and environment count as
memory. What the program prints goes to standard error.
"""

import ctypes
import json
import os
import re
import signal
import sys
import threading

import canary

TRACEME, CONT, SETOPTIONS = 0, 7, 0x4200
TRACE_EXIT, EVENT_EXIT = 0x40, 6
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

ZEROS = bytes(4096)


def ptrace(request, pid, data=0):
    if LIBC.ptrace(request, pid, None, data) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request}")


def start(arguments, output):
    pid = os.fork()
    if pid == 0:
        os.dup2(output, 1)
        ptrace(TRACEME, 0)
        os.execv(arguments[0], arguments)
    os.waitpid(pid, 0)
    ptrace(SETOPTIONS, pid, TRACE_EXIT)
    ptrace(CONT, pid)
    return pid


def pump(read, at):
    """Pass on what it prints, up to the text to stop at."""
    while (data := os.read(read, 65536)):
        os.write(2, data)
        if at and at.encode() in data:
            return


def await_exit(pid):
    """Wait for the stop before the end, handing signals on."""
    while True:
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            raise RuntimeError(f"it ended without a stop: {status}")
        if status >> 8 == (signal.SIGTRAP | EVENT_EXIT << 8):
            return
        ptrace(CONT, pid, os.WSTOPSIG(status))


def pages(data):
    """The data without its pages of zeros, most of all."""
    kept = [data[i:i + 4096] for i in range(0, len(data), 4096)]
    return b"".join(page for i, page in enumerate(kept)
                    if page != ZEROS or (i and kept[i - 1] != ZEROS))


def regions(pid):
    """(name, bytes) of all that is mapped, arguments and environment included."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            start, end, rights, name = re.match(r"(\w+)-(\w+) (\S+) \S+ \S+ \S+ *(.*)", line).groups()
            # What is a file's and cannot be written holds what the file holds.
            if name in ("[vvar]", "[vsyscall]") or (name.startswith("/") and "w" not in rights):
                continue
            try:
                memory.seek(int(start, 16))
                yield name or "anonymous", pages(memory.read(int(end, 16) - int(start, 16)))
            except (OSError, OverflowError):
                continue
    for name in ("cmdline", "environ"):
        with open(f"/proc/{pid}/{name}", "rb") as file:
            yield name, file.read()


def look(pid, job):
    made = canary.needles(canary.secrets(job["wire"], job.get("keys", [])))
    places, copies = list(regions(pid)), []
    for where, kind, form, times in canary.search(places, made):
        copies += [{"kind": kind, "form": form, "where": where}] * times
    return copies, sum(len(data) for _, data in places), len(made)


def main():
    with open(sys.argv[1]) as file:
        job = json.load(file)
    read, write = os.pipe()
    pid = start(sys.argv[2:], write)
    os.close(write)
    if job.get("at"):
        pump(read, job["at"])
        os.kill(pid, signal.SIGSTOP)
        os.waitpid(pid, 0)
        found = look(pid, job)
        os.kill(pid, signal.SIGKILL)
    else:
        threading.Thread(target=pump, args=(read, None), daemon=True).start()
        await_exit(pid)
        found = look(pid, job)
        ptrace(CONT, pid)
    status = os.waitpid(pid, 0)[1]
    while os.WIFSTOPPED(status):
        ptrace(CONT, pid)
        status = os.waitpid(pid, 0)[1]
    print(json.dumps({"status": os.waitstatus_to_exitcode(status), "copies": found[0], "searched": found[1],
                      "needles": found[2]}))


main()
