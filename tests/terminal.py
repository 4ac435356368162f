"""Runs a program on a terminal of its own and plays a person at it.

terminal.py [EXPECT SEND]... -- PROGRAM ARGUMENTS...
Waits for each EXPECT in what the program shows, wherever its lines are broken, then types SEND ("^C" and
"^D" are those keys, "\\n" is Enter; "SIGKILL" types nothing and kills the program). Prints the exit status, whether the
terminal echoes afterwards, and what it showed.
"""
import os
import pty
import re
import select
import sys
import termios
import time

split = sys.argv.index("--")
steps = sys.argv[1:split]
command = sys.argv[split + 1:]
KEYS = {"^C": b"\x03", "^D": b"\x04"}
LIMIT = time.monotonic() + 20

terminal, other_end = pty.openpty()  # held open, so that its settings can be read at the end
pid = os.fork()
if pid == 0:
    os.close(terminal)
    os.login_tty(other_end)
    environment = {"TERM": os.environ.get("TERM", "xterm"), "PATH": "/usr/bin:/bin"}
    environment.update({name: value for name, value in os.environ.items() if name.endswith("_OPTIONS")})
    os.execve(command[0], command, environment)

shown = b""
status = None


def read():
    global shown
    if select.select([terminal], [], [], 0.05)[0]:
        try:
            shown += os.read(terminal, 4096)
        except OSError:
            pass


def ended():
    global status
    if status is None:
        done, code = os.waitpid(pid, os.WNOHANG)
        if done:
            status = os.waitstatus_to_exitcode(code)
    return status is not None


def find(expect, position):
    """Where what has been shown since `position` has the text with its blanks and line breaks in any form; or None."""
    words = rb"\s+".join(re.escape(word) for word in re.split(rb"\s+", expect.encode()))
    found = re.compile(words).search(shown, position)
    return found and found.end()


position = 0
for expect, send in zip(steps[::2], steps[1::2]):
    while find(expect, position) is None and time.monotonic() < LIMIT and not ended():
        read()
    position = find(expect, position) or len(shown)
    if send == "SIGKILL":
        os.kill(pid, 9)
    else:
        os.write(terminal, KEYS.get(send, send.replace("\\n", "\n").encode()))
while not ended() and time.monotonic() < LIMIT:
    read()
while select.select([terminal], [], [], 0.1)[0]:
    read()
if status is None:
    os.kill(pid, 9)
    os.waitpid(pid, 0)
echo = "on" if termios.tcgetattr(other_end)[3] & termios.ECHO else "off"
sys.stdout.buffer.write(b"%d\n%s\n" % (status if status is not None else -9, echo.encode()) + shown)
