"""The idempotency cache: equal calls of idempotent actions that are in flight together are made once."""

from __future__ import annotations

import math
from typing import Any

from headway.clock import SYSTEM_CLOCK, Clock
from headway.limits.flight import Answer, Flight, FlightWaiter, Hit, call_key
from headway.limits.results import ResultStore


class IdempotencyCache(ResultStore):
    """Calls of idempotent actions, by tool, parameters and principal.

    Only actions with ``idempotent: true`` ask here. That word says that a call may be repeated, not that its result
    stays true: a result is handed to those who asked while the call was made, and kept for nobody else. With ``keep``
    (CAR's rule) successes are kept for as long as the runtime lives; whatever makes one untrue (its compensation has
    run) must :meth:`forget` it, and have the result cache forget it too:
    :meth:`headway.limits.reuse.Reuse.forget` does both. Bounded as :class:`~headway.limits.cache.ResultCache` is.
    """

    source = "idempotency"

    def __init__(self, clock: Clock = SYSTEM_CLOCK, *, keep: bool = False, **bounds: int) -> None:
        super().__init__(clock, **bounds)
        self.keep = keep

    def begin(
        self, tool: str, params: dict[str, Any], callback: Answer, *, principal: str | None = None
    ) -> Hit | Flight | FlightWaiter:
        """Ask for a call's result: the result, the duty to make the call, or a place in line for it.

        As :meth:`headway.limits.cache.ResultCache.begin`.
        """
        return self._begin(call_key(tool, params, principal), tool, callback)

    def _lifetime(self, tool: str) -> float:
        return math.inf if self.keep else 0.0
