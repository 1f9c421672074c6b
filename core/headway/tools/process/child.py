"""Child processes of tools: each in a process group of its own, its pipes on the event loop, its end certain.

Not asyncio's subprocesses: those wait for pipes that a grandchild may hold open for ever, and leave a child that
outlives its event loop to itself. Here the end of the child is the end: what it wrote is read, the rest of its group is
killed, the pipes are closed, the child is reaped. The same happens when the loop is gone and at the interpreter's exit,
which waits for nothing.
"""

from __future__ import annotations

import _thread
import asyncio
import os
import subprocess
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals

from headway.clock import Clock, TimerHandle
from headway.errors import ToolError, one_line
from headway.tools.process.inside import Inside
from headway.tools.process.launch import Launch

TERM_GRACE_S = 0.5
"""The time that a group has to end after TERM; then it gets KILL."""

LOST_S = 2.0
"""The time after KILL for which a child is waited for; one that the kernel does not end is given up."""

_READ = 1 << 16
_MOST_READS = 64  # when the child has ended: what it wrote is in the pipe, a grandchild may go on filling it


class Group:
    """A child and its process group, until the child is reaped: from then on the number may be somebody else's.

    A child in a sandbox is bubblewrap: its end is the end of all that is in it. ``status`` is the pipe on which it
    tells of the sandbox's first process.
    """

    def __init__(self, pid: int, status: int | None = None) -> None:
        self.pid = pid
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._reaped = False
        self._inside = Inside(status) if status is not None else None

    def signal(self, number: Signals) -> None:
        """Send a signal to all of the group, if it is there; TERM to what a sandbox runs, if there is one."""
        with self._lock:
            if self._inside is not None and number == SIGTERM and not self._reaped:
                if self._inside.terminate():
                    return
                number = SIGKILL  # it has not begun
            self._signal(number)

    def wait(self) -> int | None:
        """Block until the child has ended; return its status if the system cannot tell that without reaping it."""
        if self._inside is not None:
            self._inside.read()
        with suppress(ChildProcessError):  # somebody else reaped it
            if not hasattr(os, "waitid"):
                return os.waitpid(self.pid, 0)[1]
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        if self._inside is not None:
            self._inside.wait(LOST_S)
        return None

    def reap(self, status: int | None = None) -> int | None:
        """Kill what is left of the group, reap the child; return its exit code if it is known."""
        with self._lock:
            self._signal(SIGKILL)
            self._reaped = True
        if status is None:
            try:
                _, status = os.waitpid(self.pid, 0)
            except ChildProcessError:
                return None
        return os.waitstatus_to_exitcode(status)

    def _signal(self, number: Signals) -> None:
        if not self._reaped and os.getpid() == self._owner:  # a fork of ours has no say
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)


class ChildProcess:
    """A running child. Everything but :meth:`abandon` belongs to the event loop it was started on.

    ``on_data(name, bytes)`` gets what it writes to "stdout" and "stderr", ``on_eof(name)`` is told when it closes one
    of them or no longer reads "stdin", ``on_exit(code)`` is called once, last: the exit code, negative for a signal,
    None if it is not known. ``launch`` says how to start it where a sandbox does; ``command`` alone names it then.
    Raises ``ToolError`` with one line if the program cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        clock: Clock,
        on_data: Callable[[str, bytes], object],
        on_exit: Callable[[int | None], object] = lambda code: None,
        on_eof: Callable[[str], object] = lambda name: None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bool = False,
        launch: Launch | None = None,
    ) -> None:
        launch = launch if launch is not None else Launch(list(command), cwd, env or {})
        self._clock = clock
        self._on_data = on_data
        self._on_exit = on_exit
        self._on_eof = on_eof
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        self._timer: TimerHandle | None = None
        self._outbox = bytearray()
        self._writing = False
        self._no_more = False
        self.stopping = False
        self.code: int | None = None  # once it has ended, if it is known
        self._group, self._pipes = _spawn(launch, command[0], stdin=stdin)
        self._finalizer = weakref.finalize(self, _abandon, self._group, self._pipes)
        try:
            _thread.start_new_thread(_watch, (self._group, self._loop, weakref.ref(self)))
        except RuntimeError as error:
            self._finalizer()
            self._group.reap()
            raise ToolError(f"no thread for '{one_line(command[0], 200)}': {error}") from None
        for name in ("stdout", "stderr"):
            self._loop.add_reader(self._pipes[name], self._readable, name)

    @property
    def pid(self) -> int:
        """Its process id, which is its group's too."""
        return self._group.pid

    @property
    def unsent(self) -> int:
        """The bytes written to it that it has not taken yet."""
        return len(self._outbox)

    def write(self, data: bytes) -> None:
        """Send ``data`` to its stdin, without waiting; what it no longer reads is dropped."""
        if "stdin" not in self._pipes:
            return
        self._outbox += data
        if not self._writing:
            self._flush()
            if self._outbox:
                self._writing = True
                self._loop.add_writer(self._pipes["stdin"], self._flush)

    def close_input(self) -> None:
        """Let it read the end of its stdin."""
        self._outbox.clear()
        self._close("stdin")

    def finish_input(self) -> None:
        """Let it read the end of its stdin once it has read all that was written."""
        self._no_more = True
        if not self._outbox:
            self._close("stdin")

    def terminate(self) -> None:
        """End it and its group: TERM, after the grace KILL. Returns immediately; see :meth:`wait`."""
        if not (self.stopping or self._over.is_set()):
            self.stopping = True
            self._group.signal(SIGTERM)
            self._timer = self._clock.call_later(TERM_GRACE_S, self.kill)

    def kill(self) -> None:
        """End it and its group by KILL."""
        if self._over.is_set():
            return
        self.stopping = True
        self._group.signal(SIGKILL)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.call_later(LOST_S, self._release, None)

    async def wait(self) -> None:
        """Return when it has ended and ``on_exit`` was called."""
        await self._over.wait()

    def abandon(self) -> None:
        """Kill the group and close the pipes, when its loop is gone."""
        self._finalizer()

    # -- pipes ---------------------------------------------------------------------------------------------------

    def _readable(self, name: str) -> bool:
        """Pass on what there is; return whether there may be more."""
        try:
            data = os.read(self._pipes[name], _READ)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if data:
            self._on_data(name, data)
        else:
            self._ended(name)
        return name in self._pipes

    def _flush(self) -> None:
        try:
            while self._outbox:
                del self._outbox[: os.write(self._pipes["stdin"], self._outbox)]
        except BlockingIOError:
            return
        except OSError:  # it closed its end
            self._outbox.clear()
            self._ended("stdin")
            return
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._pipes["stdin"])
        if self._no_more:
            self._close("stdin")

    def _ended(self, name: str) -> None:
        self._close(name)
        self._on_eof(name)

    def _close(self, name: str) -> None:
        descriptor = self._pipes.pop(name, None)
        if descriptor is not None:
            remove = self._loop.remove_writer if name == "stdin" else self._loop.remove_reader
            remove(descriptor)
            os.close(descriptor)

    # -- the end -------------------------------------------------------------------------------------------------

    def _gone(self, status: int | None) -> None:
        """It has ended: read the last it wrote, reap it."""
        for name in ("stdout", "stderr"):
            for _ in range(_MOST_READS):
                if name not in self._pipes or not self._readable(name):
                    break
        self._release(self._group.reap(status))

    def _release(self, code: int | None) -> None:
        if self._over.is_set():
            return
        if self._timer is not None:
            self._timer.cancel()
        for name in list(self._pipes):
            self._close(name)
        self._finalizer.detach()
        self.code = code
        self._over.set()
        self._on_exit(code)


def _spawn(launch: Launch, program: str, *, stdin: bool) -> tuple[Group, dict[str, int]]:
    """Start the child; return its group and our ends of its pipes."""
    ours: dict[str, int] = {}
    theirs: dict[str, int] = {}
    status: int | None = None
    try:
        command, inherited, status = launch.open()
        if stdin:
            theirs["stdin"], ours["stdin"] = os.pipe()
        for name in ("stdout", "stderr"):
            ours[name], theirs[name] = os.pipe()
        child = subprocess.Popen(
            command,
            stdin=theirs.get("stdin", subprocess.DEVNULL),
            stdout=theirs["stdout"],
            stderr=theirs["stderr"],
            cwd=launch.cwd,
            env=dict(launch.env),
            start_new_session=True,
            pass_fds=inherited,
        )
        child.returncode = 0  # from here on the child is ours to reap: Popen must neither do so nor warn
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        _close_all(ours)
        if status is not None:
            os.close(status)
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        if launch.cwd is not None and isinstance(error, OSError) and error.filename == launch.cwd:
            reason = f"its folder: {reason}"
        raise ToolError(f"'{one_line(program, 200)}' cannot be started: {one_line(reason, 200)}") from None
    finally:
        _close_all(theirs)
        launch.close()
    for descriptor in ours.values():
        os.set_blocking(descriptor, False)
    return Group(child.pid, status), ours


def _watch(group: Group, loop: asyncio.AbstractEventLoop, child: weakref.ref[ChildProcess]) -> None:
    """The life of the thread that waits for the child. Nobody joins it: it never delays an exit."""
    status = group.wait()
    try:
        loop.call_soon_threadsafe(_tell, group, child, status)
    except RuntimeError:  # the loop is closed
        group.reap(status)


def _tell(group: Group, child: weakref.ref[ChildProcess], status: int | None) -> None:
    found = child()
    if found is None or found._over.is_set():
        group.reap(status)
    else:
        found._gone(status)


def _abandon(group: Group, pipes: dict[str, int]) -> None:
    group.signal(SIGKILL)
    _close_all(pipes)


def _close_all(pipes: dict[str, int]) -> None:
    while pipes:
        os.close(pipes.popitem()[1])
