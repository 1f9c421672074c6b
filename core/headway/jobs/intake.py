"""Intake: how much work a supervisor takes, and the admission of large plans beside the event loop.

To check a plan of 10,000 actions, make its graph and pack both for the log takes a third of a second of pure Python. On
the loop nothing else would be served meanwhile. In a thread the interpreter changes over every 5 ms, as long as no
single call into C takes longer; so a plan is parsed, copied and checked action by action there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import msgspec

from headway.errors import Overloaded
from headway.plan.parse import MAX_ACTIONS, refuse_long

if TYPE_CHECKING:
    from headway.jobs.supervisor import Supervisor
    from headway.plan.format import ActionProposal

T = TypeVar("T")

ACTION_BYTES = 2048
"""The bytes that an action takes in memory beside its JSON: node, results and events of it, about."""

LARGE = 256
"""Plans of more actions than this are admitted beside the event loop, one after the other."""


class Bounds(msgspec.Struct, frozen=True):
    """The most actions of a plan, jobs that wait for their turn, and bytes in memory of plans of unfinished jobs."""

    actions: int = MAX_ACTIONS
    waiting: int = 1000
    plan_bytes: int = 64 * 1024 * 1024


class Intake:
    """The intake of one supervisor. Without ``bounds``, as embedded, it takes everything."""

    def __init__(self, supervisor: Supervisor) -> None:
        self.bounds: Bounds | None = None
        self._supervisor = supervisor
        self._line: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None

    def check(self, proposal: ActionProposal) -> None:
        """Raise :class:`InvalidPlan` for a plan of too many actions, :class:`Overloaded` while too many jobs wait."""
        bounds = self.bounds
        if bounds is None:
            return
        refuse_long(len(proposal.actions), bounds.actions)
        waiting = self._supervisor.waiting(bounds.waiting)
        if waiting >= bounds.waiting:
            raise Overloaded(f"{waiting:,} jobs wait for their turn, and no more are taken: try again later")
        self.room_for(self.weight(0, len(proposal.actions)))

    def room_for(self, size: int) -> None:
        """Raise :class:`Overloaded` where the plans of jobs that have not ended leave no room for ``size`` bytes."""
        bounds, held = self.bounds, self._supervisor.plan_bytes
        if bounds is not None and held and held + size > bounds.plan_bytes:
            raise Overloaded(
                f"the plans of unfinished jobs take {held:,} bytes, which leaves no room for {size:,}: try again later"
            )

    def weight(self, size: int, actions: int) -> int:
        """Return the bytes in memory of a job whose plan takes ``size`` as JSON and has so many actions."""
        return size + actions * ACTION_BYTES

    async def work(self, actions: int, do: Callable[[], T]) -> T:
        """Return what ``do`` returns; for a plan of many ``actions`` it works beside the event loop, in line."""
        if actions <= LARGE:
            return do()
        async with self._turn():
            return await asyncio.to_thread(do)

    def _turn(self) -> asyncio.Lock:
        loop = asyncio.get_running_loop()
        if self._line is None or self._line[0] is not loop:
            self._line = loop, asyncio.Lock()
        return self._line[1]
