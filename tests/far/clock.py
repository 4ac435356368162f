"""The far side's time: real time plus the offset in a clock file, which only grows.

The program follows the same file when its profile names it, and then moves the offset
instead of waiting. What is due at a moment is done before anything is looked at later.
"""

import heapq
import itertools
import mmap
import os
import struct
import threading
import time
from datetime import datetime, timezone


class Clock:
    """Shared by all parts of one far side."""

    def __init__(self, path):
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(fd, 8)
        self.path, self.map = path, mmap.mmap(fd, 8)
        os.close(fd)
        self.lock, self.number, self.due = threading.RLock(), itertools.count(), []
        self.pinned = None  # while something that was due is done: its moment

    def now(self):
        """Seconds since 1970."""
        if self.pinned is not None:
            return self.pinned
        return time.time() + struct.unpack("=q", self.map[:8])[0] / 1e6

    def advance(self, seconds):
        """Let time pass. Only while no program moves the same file."""
        offset = struct.unpack("=q", self.map[:8])[0]
        self.map[:8] = struct.pack("=q", offset + int(seconds * 1e6))

    def at(self, moment, action):
        """Have something done at a moment: before the first look that is later."""
        with self.lock:
            heapq.heappush(self.due, (moment, next(self.number), action))

    def later(self, seconds, action):
        """The same, that many seconds from now."""
        self.at(self.now() + seconds, action)

    def catch_up(self):
        """Do what is due, each at its own moment."""
        with self.lock:
            while self.pinned is None and self.due and self.due[0][0] <= self.now():
                moment, _, action = heapq.heappop(self.due)
                self.pinned = moment
                try:
                    action()
                finally:
                    self.pinned = None


def iso(moment):
    """As Graph writes a moment: whole seconds, Z."""
    return datetime.fromtimestamp(int(moment), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def http_date(moment):
    """As the header Date writes it."""
    return datetime.fromtimestamp(int(moment), timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
