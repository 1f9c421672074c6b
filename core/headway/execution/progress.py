"""Progress of a tool call, as coalesced events: at most ten a second an action, always the latest value known."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

from headway.clock import TimerHandle
from headway.events import kinds
from headway.jsonvalue import to_json

if TYPE_CHECKING:
    from headway.execution.run import Run
    from headway.plan.graph import Node
    from headway.tools.context import ToolContext

INTERVAL_S = 0.1


class Progress:
    """The reports of one attempt. :meth:`report` may be called from any thread."""

    def __init__(self, run: Run, node: Node, attempt: int) -> None:
        self._run = run
        self._node = node
        self._attempt = attempt
        self._loop = asyncio.get_running_loop()
        self._latest: dict[str, Any] | None = None
        self._timer: TimerHandle | None = None
        self._last = -math.inf
        self._closed = False

    def report(self, _: ToolContext, current: float | None, total: float | None, message: str | None) -> None:
        """Note how far the call is: what :meth:`ToolContext.report_progress` passes on."""
        report = {"current": current, "total": total, "message": message}
        data = to_json({name: value for name, value in report.items() if value is not None})
        try:
            self._loop.call_soon_threadsafe(self._note, data)
        except RuntimeError:  # the loop is closed: a thread left behind reports to nobody
            return

    def close(self) -> None:
        """Emit the last report, at the attempt's end. What is reported later goes nowhere."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._emit()

    def _note(self, data: dict[str, Any]) -> None:
        if self._closed:  # a call left behind reports to nobody
            return
        self._latest = data
        if self._timer is None:
            wait = self._last + INTERVAL_S - self._run.env.clock.now()
            if wait <= 0:
                self._emit()
            else:
                self._timer = self._run.env.clock.call_later(wait, self._emit)

    def _emit(self) -> None:
        self._timer = None
        if self._latest is not None:
            self._last = self._run.env.clock.now()
            self._run.emit(kinds.ACTION_PROGRESS, self._latest, node=self._node, attempt=self._attempt)
            self._latest = None
