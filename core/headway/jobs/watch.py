"""The watch over one run: its limits of time, and the grace after a cancel."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from headway.cancellation import soon
from headway.execution import stop as stops

if TYPE_CHECKING:
    from headway.clock import Clock, TimerHandle
    from headway.execution.run import Run
    from headway.jobs.terms import Terms


class Watch:
    """The timers of a run, as a context manager around it."""

    def __init__(self, run: Run, terms: Terms, clock: Clock) -> None:
        self._run = run
        self._terms = terms
        self._clock = clock
        self._timers: dict[str, TimerHandle] = {}
        self._heard = clock.now()

    def __enter__(self) -> Watch:
        run, terms = self._run, self._terms
        self._loop = asyncio.get_running_loop()
        self._unlisten = run.token.listen(lambda: soon(self._loop, self._asked))
        if terms.wall_s is not None:
            self._set("wall", terms.wall_s, self._wall)
        if terms.idle_s is not None:
            run.heard = self._note
            self._set("idle", terms.idle_s, self._idle)
        return self

    def __exit__(self, *_: object) -> None:
        self._unlisten()
        self._run.heard = None
        for timer in self._timers.values():
            timer.cancel()

    def _set(self, name: str, seconds: float, callback: object) -> None:
        self._timers[name] = self._clock.call_later(seconds, callback)  # type: ignore[arg-type]  # a method of this class

    def _note(self) -> None:
        self._heard = self._clock.now()

    def _wall(self) -> None:
        self._run.expire(stops.timed_out("wall_timeout", f"it ran longer than {self._terms.wall_s:g} s"))

    def _idle(self) -> None:
        limit = self._terms.idle_s
        assert limit is not None
        if not self._run.calling:  # it waits for a token, a person or a retry: nothing could be heard
            self._note()
        left = self._heard + limit - self._clock.now()
        if left > 0:
            self._set("idle", left, self._idle)
            return
        self._run.expire(stops.timed_out("idle_timeout", f"nothing was heard of its calls for {limit:g} s"))

    def _asked(self) -> None:
        grace = self._terms.grace_s
        if grace is not None and not self._run.token.is_killed() and "grace" not in self._timers:
            self._set("grace", grace, self._overdue)

    def _overdue(self) -> None:
        self._run.token.kill(f"still in flight {self._terms.grace_s:g} s after the cancel")
