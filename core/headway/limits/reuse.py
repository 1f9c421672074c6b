"""Reuse: one question to both caches, for the result that makes the call of a tool unnecessary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from headway.limits.cache import ResultCache
from headway.limits.flight import Flight, FlightWaiter, Hit, call_key
from headway.limits.idempotency import IdempotencyCache
from headway.limits.results import ResultStore


class Lead:
    """The duty to make one call for everybody who asks for it meanwhile: end it by :meth:`succeed` or :meth:`fail`."""

    __slots__ = ("_flights",)

    def __init__(self, flights: list[Flight]) -> None:
        self._flights = flights

    def succeed(
        self,
        output: Any,
        effects: Mapping[str, Any] | None = None,
        artifacts: Sequence[Any] = (),
        *,
        kept: bool = False,
    ) -> None:
        """Keep the result and hand it to who waits. Raises ``InvalidInput`` for what is not JSON, kept nowhere.

        ``kept`` says that no call was made: the result is one that was kept.
        """
        try:
            for flight in self._flights:
                flight.succeed(output, effects, artifacts, kept=kept)
        finally:
            self.fail()

    def fail(self) -> None:
        """Keep nothing; the next who waits makes the call. Harmless once it has ended."""
        for flight in self._flights:
            flight.fail()


Found = Callable[["Hit | Lead", float], object]
"""Takes the result, or the lead of who must now make the call, and the seconds waited."""


class Asking:
    """A question that waits for calls of others; :meth:`cancel` takes it back."""

    __slots__ = ("_callback", "_flights", "_key", "_left", "_number", "_place", "_since", "_tool", "_waited")

    def __init__(
        self, key: str, tool: str, left: list[ResultStore], callback: Found, number: int = 0, since: int = 0
    ) -> None:
        self._number = number
        self._since = since
        self._key = key
        self._tool = tool
        self._left = left
        self._callback: Found | None = callback
        self._flights: list[Flight] = []
        self._place: FlightWaiter | None = None
        self._waited = 0.0

    def cancel(self) -> None:
        """Stop waiting; harmless after the answer."""
        if self._callback is None:
            return
        self._callback = None
        if self._place is not None:
            self._place.cancel()
        Lead(self._flights).fail()

    def _ask(self) -> Hit | Lead | None:
        """Ask the caches that are left; None if one of them makes us wait."""
        while self._left:
            store = self._left.pop(0)
            since = 0 if isinstance(store, ResultCache) else self._since  # a time to live says how old a result may be
            found = store._begin(self._key, self._tool, self._answered, number=self._number, since=since)
            if isinstance(found, FlightWaiter):
                self._place = found
                return None
            if isinstance(found, Hit):
                return self._take(found)
            self._flights.append(found)
        return Lead(self._flights)

    def _take(self, hit: Hit) -> Hit:
        """Tell the caches asked before what a later one had."""
        Lead(self._flights).succeed(hit.output, hit.effects, hit.artifacts, kept=hit.kept)
        return hit

    def _answered(self, found: Hit | Flight, waited: float) -> None:
        self._place = None
        self._waited += waited
        if isinstance(found, Hit):
            answer: Hit | Lead | None = self._take(found)
        else:
            self._flights.append(found)
            answer = self._ask()
        callback = self._callback
        if answer is not None and callback is not None:
            self._callback = None
            callback(answer, self._waited)


class Reuse:
    """Both caches of a runtime: the idempotency cache for idempotent actions, then the result cache.

    What the result cache had is told to the idempotency cache. The order is the same for all, so that no two actions
    wait for each other.
    """

    def __init__(self, results: ResultCache, idempotency: IdempotencyCache) -> None:
        self.results = results
        self.idempotency = idempotency
        self._moment = 0

    def moment(self) -> int:
        """Return the number of this moment; it grows from one to the next."""
        self._moment += 1
        return self._moment

    def begin(
        self,
        tool: str,
        params: dict[str, Any],
        callback: Found,
        *,
        idempotent: bool = False,
        principal: str | None = None,
        since: int = 0,
    ) -> Hit | Lead | Asking | None:
        """Ask what the action may reuse; None if nothing concerns its tool: just call it.

        :class:`Hit`: the result. :class:`Lead`: make the call and say how it ended. :class:`Asking`: wait;
        ``callback(hit_or_lead, seconds_waited)`` is called on the loop, ``.cancel()`` stops waiting.

        Only calls on behalf of the same ``principal`` are equal. A call in flight is shared if it was asked for after
        the moment ``since``: what the action builds on was there by then, so it reads its own writes.
        """
        stores: list[ResultStore] = []
        if idempotent:
            stores.append(self.idempotency)
        if self.results.enabled(tool):
            stores.append(self.results)
        if not stores:
            return None
        asking = Asking(call_key(tool, params, principal), tool, stores, callback, self.moment(), since)
        found = asking._ask()
        return asking if found is None else found

    def forget(self, tool: str, params: dict[str, Any], principal: str | None = None) -> None:
        """Drop what both caches keep of a call whose result is no longer true: it was undone.

        ``params`` are those that the call was made with, references filled in.
        """
        for store in (self.idempotency, self.results):
            store.forget(tool, params, principal=principal)
