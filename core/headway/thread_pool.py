"""Threads for blocking tools.

Not ``concurrent.futures``: its threads are joined when the interpreter exits, so one hanging tool would keep a process
alive for ever. Threads here are started through ``_thread``: nothing waits for them at exit, and starting one costs
about 25 µs where ``threading.Thread.start``, which waits for the new thread to report, costs 130 µs: a level of 50
sleeping tools would pay that 50 times on the event loop.
"""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import contextvars
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from headway.errors import ToolError, Unavailable, describe

_QUEUED, _RUNNING, _ABANDONED, _RETURNED = range(4)


@dataclass(frozen=True, slots=True)
class ThreadStatistics:
    """The state of the threads.

    ``running`` calls that somebody waits for, ``abandoned`` calls that nobody waits for and that have not returned,
    ``idle`` threads, ``queued`` calls without a thread yet, ``started`` threads ever.
    """

    max_threads: int
    running: int
    idle: int
    abandoned: int
    queued: int
    started: int


class ThreadCall(asyncio.Future[Any]):
    """The result of one call in a thread. Cancelling it abandons the call: its late result is dropped."""

    def __init__(
        self,
        threads: DaemonThreads,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self._threads = threads
        self._work: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]] | None = (function, args, kwargs)
        self._copied = contextvars.copy_context()
        self._phase = _QUEUED

    @property
    def alive(self) -> bool:
        """True if a thread is still inside the call, though it may have been abandoned."""
        return self._phase in (_RUNNING, _ABANDONED)

    def cancel(self, msg: Any | None = None) -> bool:
        """Stop waiting. A call that has not started never will; one that runs continues, counted as abandoned."""
        if not super().cancel(msg=msg):
            return False
        self._threads._abandon(self)
        return True

    def withdraw(self) -> bool:
        """Cancel a call that waits for a thread; False if one has begun it: that continues."""
        return self._threads._withdraw(self) and super().cancel()

    def _invoke(self) -> tuple[Any, BaseException | None]:
        """Run the call, in its thread; return its value or its error."""
        assert self._work is not None
        (function, args, kwargs), self._work = self._work, None
        try:
            return self._copied.run(function, *args, **kwargs), None
        except StopIteration as error:  # a future does not take it
            return None, ToolError(describe(error))
        except Exception as error:  # noqa: BLE001 - whatever a tool raises is its result
            return None, error
        except BaseException as error:  # noqa: BLE001 - sys.exit() in a tool must not end the event loop
            return None, ToolError(describe(error))

    def _deliver(self, value: Any, error: BaseException | None) -> None:
        """Set the result, on the loop."""
        if self.done():
            return
        if error is None:
            self.set_result(value)
        else:
            self.set_exception(error)


class _Worker:
    """An idle thread's letter box: ``call`` is what it shall do, ``wake`` is held while it sleeps."""

    __slots__ = ("call", "wake")

    def __init__(self) -> None:
        self.call: ThreadCall | None = None
        self.wake = _thread.allocate_lock()
        self.wake.acquire()


class DaemonThreads:
    """At most ``max_threads`` threads that run blocking calls for an event loop and never delay an exit.

    An abandoned call keeps its thread until it returns; a replacement may be started meanwhile, so that a hanging tool
    does not take a place for ever. At most ``max_abandoned`` (default: as many again) are replaced: past that each
    takes a place, and calls wait. So there are never more than ``max_threads + max_abandoned`` threads. Idle ones are
    used again, the last one first, and end after ``idle_secs``.

    ``submit`` and cancelling belong on the event loop's thread.
    """

    def __init__(self, max_threads: int, *, max_abandoned: int | None = None, idle_secs: float = 30.0) -> None:
        if max_threads < 1:
            raise ValueError(f"max_threads must be at least 1, not {max_threads}")
        self.max_threads = max_threads
        self.max_abandoned = max_threads if max_abandoned is None else max_abandoned
        self._idle_secs = idle_secs
        self._lock = threading.Lock()
        self._queue: deque[ThreadCall] = deque()
        self._idle: list[_Worker] = []
        self._running = 0
        self._abandoned = 0
        self._started = 0
        self._closed = False

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> ThreadCall:
        """Call ``function`` in a thread, with a copy of this context; return its future.

        The future fails with what the call raised; ``SystemExit`` and its like come as ``ToolError``. Raises
        ``Unavailable`` after :meth:`close`.
        """
        call = ThreadCall(self, function, args, kwargs)
        with self._lock:
            if self._closed:
                raise Unavailable("the tool threads are closed")
            self._queue.append(call)
            self._dispatch()
        return call

    def statistics(self) -> ThreadStatistics:
        """Return what the threads are doing now."""
        with self._lock:
            return ThreadStatistics(
                self.max_threads, self._running, len(self._idle), self._abandoned, len(self._queue), self._started
            )

    def close(self) -> None:
        """Refuse new calls, cancel those that wait for a thread, end idle threads. Running calls continue."""
        with self._lock:
            self._closed = True
            waiting = list(self._queue)
            self._queue.clear()
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.wake.release()
        for call in waiting:
            call.cancel()

    def _dispatch(self) -> None:
        """Give queued calls to threads while there is room. The lock is held."""
        room = self._room()
        while self._queue and self._running < room:
            call = self._queue.popleft()
            if self._idle:
                worker = self._idle.pop()
                worker.call = call
                worker.wake.release()
            else:
                try:
                    _thread.start_new_thread(self._run, (call,))
                except RuntimeError as error:  # no more threads from the system, or the interpreter is going
                    if self._running:
                        self._queue.appendleft(call)  # a running thread takes it when it is free
                        return
                    self._refuse(call, ToolError(f"no thread for the tool: {error}"))
                    continue
                self._started += 1
            call._phase = _RUNNING
            self._running += 1

    @property
    def stuck(self) -> bool:
        """True if calls that nobody waits for have all the places: only their return gives others one."""
        return self._room() <= 0

    def _room(self) -> int:
        """Return how many calls may run: a thread inside a call that nobody waits for may take a place."""
        return self.max_threads - max(0, self._abandoned - self.max_abandoned)

    def _refuse(self, call: ThreadCall, error: ToolError) -> None:
        call._phase = _RETURNED
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            call.get_loop().call_soon_threadsafe(call._deliver, None, error)

    def _withdraw(self, call: ThreadCall) -> bool:
        """Take a call out of the queue; False if it is not there."""
        with self._lock:
            if call._phase != _QUEUED or call not in self._queue:
                return False
            self._queue.remove(call)
            call._phase, call._work = _RETURNED, None
            return True

    def _abandon(self, call: ThreadCall) -> None:
        # Ctrl-C makes asyncio cancel the main task from inside a signal handler, perhaps while this very thread holds
        # the lock: never wait for it here.
        if not self._lock.acquire(blocking=False):
            if not call.get_loop().is_closed():
                call.get_loop().call_soon_threadsafe(self._abandon, call)
            return
        try:
            if call._phase == _QUEUED:
                call._phase = _RETURNED
                call._work = None
                if call in self._queue:
                    self._queue.remove(call)
            elif call._phase == _RUNNING:
                call._phase = _ABANDONED
                self._running -= 1
                self._abandoned += 1
                self._dispatch()
        finally:
            self._lock.release()

    def _run(self, first: ThreadCall) -> None:
        """The life of a thread."""
        _trace()
        worker = _Worker()
        call: ThreadCall | None = first
        del first
        while call is not None:
            value, error = call._invoke()
            wanted, following, ends = self._settle(call, worker)
            if wanted:
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
                    call.get_loop().call_soon_threadsafe(call._deliver, value, error)
            del value, error
            call = following
            if call is None and not ends:
                call = self._wait(worker)

    def _settle(self, call: ThreadCall, worker: _Worker) -> tuple[bool, ThreadCall | None, bool]:
        """Book the end of ``call``; return whether it is still wanted, the thread's next call, whether it ends.

        Done before the result is delivered, so that whoever it wakes finds this thread free.
        """
        with self._lock:
            wanted = call._phase == _RUNNING
            call._phase = _RETURNED
            if wanted:
                self._running -= 1
            else:
                self._abandoned -= 1
            if self._queue and self._running < self._room():
                following = self._queue.popleft()
                following._phase = _RUNNING
                self._running += 1
                return wanted, following, False
            if self._closed or self._running + len(self._idle) >= self.max_threads:
                return wanted, None, True
            self._idle.append(worker)
            return wanted, None, False

    def _wait(self, worker: _Worker) -> ThreadCall | None:
        """Sleep until there is a call for this thread; return None when it shall end."""
        if not worker.wake.acquire(timeout=self._idle_secs):
            with self._lock:
                if worker in self._idle:
                    self._idle.remove(worker)
                    return None
            worker.wake.acquire()  # a call came in the same moment
        call, worker.call = worker.call, None
        return call


def _trace() -> None:
    """Let debuggers and coverage follow into the thread, as ``threading.Thread`` does."""
    if (tracer := threading.gettrace()) is not None:
        sys.settrace(tracer)
    if (profiler := threading.getprofile()) is not None:
        sys.setprofile(profiler)
