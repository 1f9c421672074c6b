"""The result cache: for tools whose answers stay good for a while, by tool and parameters, across runs."""

from __future__ import annotations

from typing import Any

from headway.arguments import expect, expect_call, plain
from headway.clock import SYSTEM_CLOCK, Clock
from headway.errors import InvalidInput, one_line
from headway.limits.flight import Answer, Flight, FlightWaiter, Hit, call_key
from headway.limits.results import MAX_BYTES, MAX_ENTRIES, ResultStore
from headway.numbers import LONGEST_S, number_between


class ResultCache(ResultStore):
    """Results of the tools it was enabled for, each for its tool's time to live on the injected clock.

    Bounded by ``max_entries`` and ``max_bytes``; the least recently used result goes first. Off for every tool until
    :meth:`enable`.
    """

    source = "cache"

    def __init__(
        self, clock: Clock = SYSTEM_CLOCK, *, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES
    ) -> None:
        super().__init__(clock, max_entries=max_entries, max_bytes=max_bytes)
        self._ttl: dict[str, float] = {}
        self.version = 0  # grows when a tool's cache is enabled or disabled

    def enable(self, tool: str, ttl_secs: float) -> None:
        """Keep results of ``tool`` for ``ttl_secs`` seconds; 0 disables. A new time holds for what is kept already.

        Raises ``InvalidInput`` for a time that is not a number from 0 to 31 years.
        """
        plain(tool, "a tool's name")
        seconds = number_between(ttl_secs, f"the time to live of '{one_line(tool, 80)}'", 0, LONGEST_S)
        if seconds == 0:
            self.disable(tool)
            return
        self._ttl[tool] = seconds
        self.version += 1

    def disable(self, tool: str) -> bool:
        """Keep nothing more of ``tool`` and forget what is kept; return whether it was enabled."""
        self.forget(expect(tool, str, "a tool's name"))
        self.version += 1
        return self._ttl.pop(tool, None) is not None

    @property
    def in_use(self) -> bool:
        """True while results of any tool are kept."""
        return bool(self._ttl)

    def enabled(self, tool: str | None) -> bool:
        """Return True if results of ``tool`` are kept."""
        try:
            return tool in self._ttl
        except TypeError:
            raise InvalidInput(f"a tool's name is text, not {type(tool).__name__}") from None

    def ttl(self, tool: str) -> float | None:
        """Return the seconds that results of ``tool`` are kept; None if they are not."""
        return self._ttl.get(expect(tool, str, "a tool's name"))

    def begin(
        self, tool: str, params: dict[str, Any], callback: Answer, *, principal: str | None = None
    ) -> Hit | Flight | FlightWaiter | None:
        """Ask for a call's result; None if the tool is not enabled: just call it.

        A :class:`Hit` is the result. A :class:`Flight` asks the caller to make the call and to tell how it ended. With
        a :class:`FlightWaiter` somebody else is making it: ``callback(found, seconds_waited)`` is called on the loop
        with the hit, or with a flight if that call failed; ``.cancel()`` leaves the line.
        """
        expect_call(callback, "a waiter's callback")
        return self._begin(call_key(tool, params, principal), tool, callback) if self.enabled(tool) else None

    def _lifetime(self, tool: str) -> float:
        return self._ttl.get(tool, 0.0)
