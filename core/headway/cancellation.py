"""Cancellation: a request that a run takes note of at its boundaries.

Soft (:meth:`CancellationToken.cancel`): nothing new starts, what is in flight runs to its end. Hard
(:meth:`CancellationToken.kill`): what is in flight is cut off too. A token only ever moves forward.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any

from headway.errors import InvalidInput, one_line


class CancellationToken:
    """Asks runs to stop. One token may serve several runs; any thread may pull it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reason: str | None = None
        self._by = ""
        self._kill_reason: str | None = None
        self._kill_by = ""
        self._listeners: dict[int, Callable[[], object]] = {}
        self._next = 0

    def cancel(self, reason: str = "canceled by caller", by: str = "") -> bool:
        """Ask for a stop; return False if that was asked already (the first reason stays)."""
        reason, by = _line(reason), _line(by)
        with self._lock:
            if self._reason is not None:
                return False
            self._reason, self._by = reason, by
        self._tell()
        return True

    def kill(self, reason: str = "killed by operator", by: str = "") -> bool:
        """Ask for an immediate stop, in-flight calls included; return False if that was asked already."""
        reason, by = _line(reason), _line(by)
        with self._lock:
            if self._kill_reason is not None:
                return False
            self._kill_reason, self._kill_by = reason, by
            if self._reason is None:
                self._reason, self._by = reason, by
        self._tell()
        return True

    def is_cancelled(self) -> bool:
        """Return whether a stop was asked for, soft or hard."""
        return self._reason is not None

    def is_killed(self) -> bool:
        """Return whether a hard stop was asked for."""
        return self._kill_reason is not None

    @property
    def reason(self) -> str:
        """Why; empty before the request."""
        return self._reason or ""

    @property
    def by(self) -> str:
        """The name of whoever asked; empty if unknown."""
        return self._by

    @property
    def kill_reason(self) -> str:
        """Why the hard stop; empty before the request."""
        return self._kill_reason or ""

    @property
    def kill_by(self) -> str:
        """The name of whoever asked for the hard stop."""
        return self._kill_by

    def listen(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call ``callback()`` at each request, on the requesting thread; return a function that ends it."""
        with self._lock:
            number = self._next
            self._next += 1
            self._listeners[number] = callback

        def stop() -> None:
            with self._lock:
                self._listeners.pop(number, None)

        return stop

    def linked(self) -> tuple[CancellationToken, Callable[[], None]]:
        """Return a token that is pulled with this one, never the reverse, and a function that ends that."""
        own = CancellationToken()

        def pass_on() -> None:
            if self.is_cancelled():
                own.cancel(self.reason, self.by)
            if self.is_killed():
                own.kill(self.kill_reason, self.kill_by)

        unlink = self.listen(pass_on)
        pass_on()
        return own, unlink

    def _tell(self) -> None:
        with self._lock:
            listeners = list(self._listeners.values())
        for callback in listeners:
            callback()


class LeftBehind(set["asyncio.Future[Any]"]):
    """Tasks that were cancelled and do not end: kept alive until they do, so that nothing warns about them."""

    def add(self, future: asyncio.Future[Any]) -> None:
        """Keep a task until it ends; what it ends with is of no matter any more."""
        super().add(future)
        future.add_done_callback(self._ended)

    def _ended(self, future: asyncio.Future[Any]) -> None:
        self.discard(future)
        if not future.cancelled():
            future.exception()  # seen


def soon(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    """Have ``callback()`` called on ``loop``, from any thread; not if it is closed: there is nothing left to stop."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(callback)


def _line(text: object) -> str:
    """Return ``text`` as events may carry it; checked here, where the caller can still be told."""
    if not isinstance(text, str):
        raise InvalidInput(f"the reason of a cancel is text, not {type(text).__name__}")
    return one_line(text, 500)
