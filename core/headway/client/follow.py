"""Following a daemon's event stream across broken connections: no event is lost, none comes twice."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import httpx
import msgspec
from httpx_sse import EventSource, ServerSentEvent, SSEError

from headway.client.failures import error_of
from headway.client.transport import Transport
from headway.clock import Clock
from headway.errors import Unavailable
from headway.events.event import Event

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 2.0

_decode = msgspec.json.Decoder(list[Event]).decode


class _Lag(msgspec.Struct):
    behind: int = 0


class Follower:
    """One reader of ``GET events?follow=1`` and its place in the log.

    It connects anew after a loss, with back-off, and gives up with :class:`Unavailable` once ``patience`` seconds have
    passed without a connection. ``on_lag(behind)`` is told when the daemon says how far behind this reader is.
    """

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        *,
        after: int,
        job_id: str | None,
        patience: float,
        on_lag: Callable[[int], object] | None,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self.cursor = after
        self._job_id = job_id
        self._patience = patience
        self._on_lag = on_lag
        self._connected_at: float | None = None

    async def batches(self) -> AsyncGenerator[list[Event], None]:
        """Yield non-empty batches in seq order until the caller stops, the daemon refuses or patience ends."""
        lost_at = self._clock.now()
        delay = FIRST_DELAY_S
        while True:
            self._connected_at = None
            before = self.cursor
            try:
                async with aclosing(self._connection()) as connection:
                    async for batch in connection:
                        yield batch
                lost = Unavailable(f"the daemon at {self._transport.where} ended the event stream")
            except httpx.RequestError as error:
                lost = self._transport.lost(error)
            except Unavailable as error:
                if self._connected_at is not None:
                    raise
                lost = error
            now = self._clock.now()
            if self.cursor > before or self._lasted(now):
                lost_at = now
                delay = FIRST_DELAY_S
            if now + delay - lost_at > self._patience:
                raise lost
            await self._clock.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY_S)

    def _lasted(self, now: float) -> bool:
        """True if the connection was a real one, not one that was accepted and dropped."""
        return self._connected_at is not None and now > self._connected_at + LONGEST_DELAY_S

    async def _connection(self) -> AsyncGenerator[list[Event], None]:
        """Yield batches from one connection; returns when the daemon ends it."""
        headers = {"Last-Event-ID": str(self.cursor)}
        query: dict[str, Any] = {"follow": 1, "after": self.cursor, "job": self._job_id}
        async with self._transport.stream("/events", query, headers) as response:
            if not response.is_success:
                raise error_of(response.status_code, await response.aread())
            self._connected_at = self._clock.now()
            try:
                async with aclosing(EventSource(response).aiter_sse()) as messages:
                    async for message in messages:
                        batch = self._read(message)
                        if batch:
                            yield batch
            except (SSEError, UnicodeDecodeError):
                raise Unavailable(f"what answers at {self._transport.where} is not a Headway daemon") from None

    def _read(self, message: ServerSentEvent) -> list[Event]:
        """Return the events of one message that were not seen yet, and move the cursor past them."""
        try:
            if message.event == "lag" and self._on_lag is not None:
                self._on_lag(msgspec.json.decode(message.data, type=_Lag).behind)
            if message.event != "events" or not message.data:
                return []
            batch = _decode(message.data)
        except msgspec.DecodeError as error:
            where = self._transport.where
            raise Unavailable(f"the daemon at {where} speaks another version: {error}") from None
        if batch and batch[0].seq <= self.cursor:
            batch = [event for event in batch if event.seq > self.cursor]
        if batch:
            self.cursor = batch[-1].seq
        return batch
