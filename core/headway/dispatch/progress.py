"""Progress of a tool call, as coalesced reports: at most ten a second a call, always the latest value known."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headway.clock import Clock, TimerHandle
from headway.jsonvalue import to_json

if TYPE_CHECKING:
    from headway.tools.context import ToolContext

INTERVAL_S = 0.1


class Progress:
    """The reports of one call; ``emit(data)`` gets each, on the loop. :meth:`report` may be called from any thread."""

    def __init__(self, clock: Clock, emit: Callable[[dict[str, Any]], object]) -> None:
        self._clock = clock
        self._sink = emit
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._latest: dict[str, Any] | None = None
        self._timer: TimerHandle | None = None
        self._last = -math.inf
        self._closed = False

    def report(self, _: ToolContext, current: float | None, total: float | None, message: str | None) -> None:
        """Note how far the call is: the ``progress`` sink of a ToolContext."""
        report = {"current": current, "total": total, "message": message}
        data = to_json({name: value for name, value in report.items() if value is not None})
        if threading.get_ident() == self._thread:
            self._note(data)
            return
        try:
            self._loop.call_soon_threadsafe(self._note, data)
        except RuntimeError:  # the loop is closed: a thread left behind reports to nobody
            return

    def close(self) -> None:
        """Emit the last report, at the call's end. What is reported later goes nowhere."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._emit()

    def _note(self, data: dict[str, Any]) -> None:
        if self._closed:  # a call left behind reports to nobody
            return
        self._latest = data
        if self._timer is None:
            wait = self._last + INTERVAL_S - self._clock.now()
            if wait <= 0:
                self._emit()
            else:
                self._timer = self._clock.call_later(wait, self._emit)

    def _emit(self) -> None:
        self._timer = None
        if self._latest is not None:
            self._last = self._clock.now()
            latest, self._latest = self._latest, None
            self._sink(latest)
