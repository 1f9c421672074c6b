"""The inside of a sandbox as seen from outside: its first process, whose end is the end of all others in it.

The kernel ends every process of a pid namespace with the first one, also those that left their group or session.
"""

from __future__ import annotations

import json
import os
import select
from contextlib import suppress
from pathlib import Path
from signal import SIGTERM

_READ = 4096


class Inside:
    """The processes of one sandbox. ``status`` is the pipe on which bubblewrap tells of the first one; closed here."""

    def __init__(self, status: int) -> None:
        self.first: int | None = None
        self._status = status
        self._handle: int | None = None

    def read(self) -> None:
        """Block until bubblewrap has told of the first process, or has ended without one."""
        with suppress(OSError, ValueError):  # it has ended already
            told = b""
            while b"\n" not in told and (more := os.read(self._status, _READ)):  # it writes a line in pieces
                told += more
            first = json.loads(told.split(b"\n", 1)[0] or b"{}").get("child-pid")
            if isinstance(first, int):
                self._handle = os.pidfd_open(first)
                self.first = first

    def terminate(self) -> bool:
        """Send TERM to what the first process has started, and its groups; return False if there is nothing."""
        first = self.first
        if first is None:
            return False
        found = False
        with suppress(OSError, ValueError):
            for word in Path(f"/proc/{first}/task/{first}/children").read_text("ascii").split():
                with suppress(OSError):
                    group = os.getpgid(int(word))
                    if group == int(word):
                        os.killpg(group, SIGTERM)
                    else:
                        os.kill(int(word), SIGTERM)
                    found = True
        return found

    def wait(self, seconds: float) -> None:
        """Block until every process in it is gone, at most for so long. Once, when bubblewrap has ended."""
        os.close(self._status)  # not earlier: bubblewrap writes the exit code to it
        handle, self._handle = self._handle, None
        if handle is None:
            return
        try:
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            poll.poll(seconds * 1000)
        finally:
            self.first = None
            os.close(handle)
