"""A lane: the bounded queue before one sink, and the task that empties it. No lane waits for another."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from headway.clock import Clock, TimerHandle, within
from headway.errors import describe, one_line
from headway.events import kinds
from headway.hooks.sinks.sink import NotTaken

if TYPE_CHECKING:
    from headway.hooks.sinks.sink import Sink

_log = logging.getLogger("headway.hooks")

MAX_BYTES = 16 * 2**20
"""The most bytes that wait before one sink."""

BACKOFF_S, LONGEST_BACKOFF_S = 0.5, 30.0
"""Seconds before the second try, doubled before each that follows, and the most that they may be."""

TELL_EVERY_S = 10.0
"""The log is told of a hook's troubles at most once in so many seconds."""


class HookStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of a hook: ``ok`` or ``failing`` with the ``error``; counts of events since the start."""

    name: str
    sink: str
    status: str
    queued: int
    sent: int
    dropped: int
    error: str = ""


class Lane:
    """Hands messages to one sink, in order. ``tell(kind, data)`` gets what the log shall know; ``clean`` redacts."""

    def __init__(
        self,
        name: str,
        sink: Sink,
        *,
        clock: Clock,
        tell: Callable[[str, dict[str, Any]], object],
        clean: Callable[[str], str],
        queue: int,
        timeout: float,
        retries: int,
    ) -> None:
        self.name = name
        self._sink = sink
        self._clock = clock
        self._tell = tell
        self._clean = clean
        self._most = queue
        self._timeout = timeout
        self._retries = retries
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self._closing = False
        self._sending = 0
        self._sent = self._dropped = self._told_dropped = 0
        self._error = self._told_error = ""
        self._told_at = float("-inf")
        self._timer: TimerHandle | None = None
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to hand over, on the running loop."""
        self.task = asyncio.get_running_loop().create_task(self._run(), name=f"hook {self.name}")

    def status(self) -> HookStatus:
        """Return how it is now."""
        return HookStatus(
            self.name,
            self._sink.kind,
            "failing" if self._error else "ok",
            len(self._queue) + self._sending,
            self._sent,
            self._dropped,
            self._error,
        )

    def offer(self, message: bytes) -> None:
        """Queue a message, or count it as dropped where there is no room."""
        if len(self._queue) >= self._most or self._bytes + len(message) > MAX_BYTES:
            self.lose(1)
            return
        self._queue.append(message)
        self._bytes += len(message)
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def lose(self, count: int) -> None:
        """Count events that the sink does not get."""
        self._dropped += count
        self._news()

    def close(self) -> None:
        """Take no more; end once the queue is empty. Nothing is tried twice from here on."""
        self._closing = True
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def aclose(self) -> None:
        """End now: what still waits is dropped, and the log is told."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        self._dropped += len(self._queue) + self._sending
        self._sending = self._bytes = 0
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()
        self._tell_news()
        await self._sink.aclose()

    async def _run(self) -> None:
        while True:
            while not self._queue:
                if self._closing:
                    return
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
                self._waiter = None
            count = min(self._sink.batch, len(self._queue))
            batch = [self._queue.popleft() for _ in range(count)]
            self._bytes -= sum(map(len, batch))
            self._sending = count
            taken = await self._send(batch)
            self._sending = 0
            if taken:
                self._sent += count
            else:
                self.lose(count)

    async def _send(self, batch: list[bytes]) -> bool:
        """Hand over a batch; return whether it was taken, after all the tries there are."""
        tries = 0
        while True:
            try:
                async with within(self._clock, self._timeout):
                    await self._sink.deliver(batch)
            except NotTaken as error:
                text, again = error.text, error.again
            except TimeoutError:
                text, again = f"took no event within {self._timeout:g} s", True
            except Exception as error:  # noqa: BLE001 - a sink is others' code; its lane outlasts it
                text, again = describe(error), False
            else:
                if self._error:
                    self._error = ""
                    self._news()
                return True
            if not self._error:
                self._error = self._clean(one_line(text, 500))
                self._news()
            if not again or self._closing or tries >= self._retries:
                return False
            await self._clock.sleep(min(LONGEST_BACKOFF_S, BACKOFF_S * 2.0**tries))
            tries += 1

    # -- what the log is told ----------------------------------------------------------------------------------------

    def _news(self) -> None:
        """Have the log told of a change now, or once enough time has gone since the last one."""
        if self._timer is None:
            wait = self._told_at + TELL_EVERY_S - self._clock.now()
            if wait <= 0:
                self._tell_news()
            else:
                self._timer = self._clock.call_later(wait, self._tell_news)

    def _tell_news(self) -> None:
        self._timer = None
        error, dropped = self._error, self._dropped
        if bool(error) != bool(self._told_error):
            self._told_error, self._told_at = error, self._clock.now()
            data: dict[str, Any] = {"hook": self.name, "sink": self._sink.kind, "status": "failing" if error else "ok"}
            if error:
                data["error"] = error
                _log.warning("hook '%s' (%s): %s", self.name, self._sink.kind, error)
            self._tell(kinds.HOOK_CHANGED, data)
        if (news := dropped - self._told_dropped) > 0:
            self._told_dropped, self._told_at = dropped, self._clock.now()
            self._tell(kinds.HOOK_DROPPED, {"hook": self.name, "dropped": news, "total": dropped})
