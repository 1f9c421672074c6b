"""Questions of a tool call: asked from any thread, answered on the loop, and closed with the call.

Time that a call waits for people is not the tool's: neither its time limit nor its duration counts it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from headway.clock import Clock
from headway.errors import NotAnswered

if TYPE_CHECKING:
    from headway.tools.asking import AskRequest
    from headway.tools.context import ToolContext


class Wait(Protocol):
    """A question that can be taken back."""

    def cancel(self) -> object:
        """Take it back; harmless once it is answered."""


Answered = Callable[[Any, BaseException | None], object]
"""Takes the answer, or the error that says why there is none; on the loop."""

Ask = Callable[["AskRequest", Answered], "Wait | None"]
"""Asks, and returns what takes the question back; None if it was answered by then."""


class Questions:
    """The questions of one call. :meth:`ask` may be called from any thread, the rest belongs to the loop.

    ``resumed()`` is called when the last open one is answered. ``waited`` are the seconds in which any was open.
    """

    def __init__(self, clock: Clock, ask: Ask, resumed: Callable[[], object]) -> None:
        self._clock = clock
        self._ask = ask
        self._resumed = resumed
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._open: dict[Future[Any], Wait | None] = {}
        self._closed = ""
        self._since = 0.0
        self._waited = 0.0

    @property
    def open(self) -> bool:
        """True while an answer is waited for."""
        return bool(self._open)

    @property
    def waited(self) -> float:
        """The seconds that were spent waiting for answers."""
        return self._waited + (self._clock.now() - self._since if self._open else 0.0)

    def ask(self, _: ToolContext, request: AskRequest) -> Future[Any]:
        """Ask: the ``ask`` sink of a ToolContext."""
        future: Future[Any] = Future()
        if threading.get_ident() == self._thread:
            self._begin(request, future)
            return future
        try:
            self._loop.call_soon_threadsafe(self._begin, request, future)
        except RuntimeError:  # the loop is closed
            future.set_exception(NotAnswered("nobody is there to answer: the program ends"))
        return future

    def close(self, why: str) -> None:
        """Take back what is open: nobody waits for it. What is asked later is refused."""
        self._closed = self._closed or why
        for future, wait in list(self._open.items()):
            if wait is not None:
                wait.cancel()
            self._end(future, None, NotAnswered(why))

    def _begin(self, request: AskRequest, future: Future[Any]) -> None:
        if self._closed:
            future.set_exception(NotAnswered(self._closed))
            return
        if not self._open:
            self._since = self._clock.now()
        self._open[future] = None
        try:
            wait = self._ask(request, partial(self._end, future))
        except Exception as error:  # noqa: BLE001 - the asker hears of it
            self._end(future, None, error)
            return
        if future in self._open:
            self._open[future] = wait
            future.add_done_callback(self._given_up)

    def _given_up(self, future: Future[Any]) -> None:
        """Take a question back whose asker waits no longer."""
        if future.cancelled():
            try:
                self._loop.call_soon_threadsafe(self._drop, future)
            except RuntimeError:  # the loop is closed, and the question with it
                return

    def _drop(self, future: Future[Any]) -> None:
        wait = self._open.get(future)
        if wait is not None:
            wait.cancel()
        self._end(future, None, None)

    def _end(self, future: Future[Any], value: Any, error: BaseException | None) -> None:
        if future not in self._open:
            return
        if len(self._open) == 1:
            self._waited += self._clock.now() - self._since
        del self._open[future]
        if future.set_running_or_notify_cancel():
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(value)
        if not self._open:
            self._resumed()
