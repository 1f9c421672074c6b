"""The idempotency cache: an idempotent action that asks for what was done already gets what came of it."""

from __future__ import annotations

from typing import Any

from headway.limits.flight import Answer, Flight, FlightWaiter, Hit, call_key
from headway.limits.results import ResultStore


class IdempotencyCache(ResultStore):
    """Results of idempotent actions of one runtime, by tool and parameters, for as long as the runtime lives.

    Only actions with ``idempotent: true`` ask here, and only their successes are kept. Whatever makes a success untrue
    (its compensation has run) must :meth:`forget` it, and have the result cache forget it too:
    :meth:`headway.limits.reuse.Reuse.forget` does both. Bounded as :class:`~headway.limits.cache.ResultCache` is.
    """

    source = "idempotency"

    def begin(self, tool: str, params: dict[str, Any], callback: Answer) -> Hit | Flight | FlightWaiter:
        """Ask for a call's result: the result, the duty to make the call, or a place in line for it.

        As :meth:`headway.limits.cache.ResultCache.begin`.
        """
        return self._begin(call_key(tool, params), tool, callback)
