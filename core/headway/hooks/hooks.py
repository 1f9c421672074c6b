"""Hooks: who is told of events. One cursor in the log reads for all of them, beside whatever writes to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from headway.clock import Clock, within
from headway.errors import HeadwayError, InvalidConfig, StoreError, describe
from headway.events import kinds
from headway.events.event import Event
from headway.events.log import EventLog
from headway.hooks.groups import kinds_of
from headway.hooks.lane import HookStatus, Lane
from headway.hooks.message import message_of

if TYPE_CHECKING:
    from headway.hooks.sinks.sink import Sink

_log = logging.getLogger("headway.hooks")

CLOSE_GRACE_S = 2.0
"""Seconds at the end in which sinks may take what waits for them."""

_READ = 500


class Hook(NamedTuple):
    """A hook: the kinds or groups of events that ``sink`` is told of, under a name."""

    name: str
    on: Sequence[str]
    sink: Sink
    queue: int = 10_000
    timeout: float = 10.0
    retries: int = 4


class Hooks:
    """Tells sinks of what is committed in ``log`` from :meth:`start` on.

    Reading and queueing is all that takes place on the way; each sink is served by a task of its own. A sink that hangs
    or fails costs its own events only: they are counted, and ``hook_dropped`` and ``hook_changed`` say so in the log.
    Events come as the log has them, without secrets. A crash loses what waits; a sink that fails late may get an event
    twice: ``seq`` tells. Raises :class:`InvalidConfig` for an event that does not exist.
    """

    def __init__(self, log: EventLog, hooks: Sequence[Hook], *, clock: Clock | None = None) -> None:
        self._log = log
        self._clock = log.clock if clock is None else clock
        self._lanes: list[Lane] = []
        self._by_kind: dict[str, list[Lane]] = {}
        self._task: asyncio.Task[None] | None = None
        for hook in hooks:
            try:
                chosen = kinds_of(hook.on)
            except InvalidConfig as error:
                raise InvalidConfig(f"hooks.{hook.name}.{error.message}") from None
            lane = Lane(
                hook.name,
                hook.sink,
                clock=self._clock,
                tell=self._tell,
                clean=log.redactor.text,
                queue=hook.queue,
                timeout=hook.timeout,
                retries=hook.retries,
            )
            self._lanes.append(lane)
            for kind in chosen:
                self._by_kind.setdefault(kind, []).append(lane)

    def start(self) -> None:
        """Begin with the next event, on the running loop."""
        self._subscription = self._log.subscribe(self._log.last_seq)
        for lane in self._lanes:
            lane.start()
        self._task = asyncio.get_running_loop().create_task(self._read(), name="hooks")

    def reports(self) -> list[HookStatus]:
        """Return how each hook is now, in the order of their names."""
        return sorted((lane.status() for lane in self._lanes), key=lambda status: status.name)

    async def aclose(self) -> None:
        """Tell of what is committed so far, wait for the sinks a short time, and end. Twice is harmless."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        with suppress(StoreError):
            await self._log.flush()
            while self._subscription.cursor < self._log.last_seq:
                batch = await self._log.read(self._subscription.cursor, limit=_READ)
                self._pass_on(batch)
                self._subscription.cursor = batch[-1].seq if batch else self._log.last_seq
        self._subscription.close()
        for lane in self._lanes:
            lane.close()
        waiting = [lane.task for lane in self._lanes if lane.task is not None]
        with suppress(TimeoutError):
            async with within(self._clock, CLOSE_GRACE_S):
                await asyncio.wait(waiting)
        await asyncio.gather(*(lane.aclose() for lane in self._lanes))

    async def _read(self) -> None:
        try:
            async for batch in self._subscription:
                self._pass_on(batch)
        except HeadwayError as error:
            _log.error("hooks are told nothing more: %s", describe(error))

    def _pass_on(self, batch: list[Event]) -> None:
        by_kind = self._by_kind
        for event in batch:
            if event.kind == kinds.RECORDER_GAP:  # more came than the log keeps in memory
                for lane in self._lanes:
                    lane.lose(int(event.data.get("dropped", 0)))
            lanes = by_kind.get(event.kind)
            if lanes is not None:
                message = message_of(event)
                for lane in lanes:
                    lane.offer(message)

    def _tell(self, kind: str, data: dict[str, Any]) -> None:
        with suppress(StoreError):  # a log that has ended, or whose disk is full, is told nothing
            self._log.append(Event(kind, data))
