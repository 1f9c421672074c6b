"""The powers of one face: what the runs that it starts may use, and what happens when they abort or end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from headway.cancellation import soon
from headway.jobs.replan import Replan
from headway.plan.parse import Compat, expect_compat

if TYPE_CHECKING:
    from headway.cancellation import CancellationToken
    from headway.execution.environment import Environment
    from headway.learning.learner import Learner
    from headway.limits.budget import CostBudget


class Room:
    """The places for jobs of one face that run side by side; None: any number."""

    def __init__(self, size: int | None = None) -> None:
        self._places = asyncio.Semaphore(size) if size is not None else None

    @asynccontextmanager
    async def taken(self, cancel: CancellationToken, *, nested: bool = False) -> AsyncIterator[None]:
        """Have a place inside the block; none once ``cancel`` is pulled: what is cancelled starts nothing."""
        places = self._places
        if places is None or cancel.is_cancelled() or nested:
            yield
            return
        mine = not places.locked()
        if mine:
            await places.acquire()
        else:
            mine = await _acquired(places, cancel)
        try:
            yield
        finally:
            if mine:
                places.release()


async def _acquired(places: asyncio.Semaphore, cancel: CancellationToken) -> bool:
    """Wait for a place; return False if ``cancel`` is pulled before it comes."""
    loop = asyncio.get_running_loop()
    place = loop.create_task(places.acquire())
    unlisten = cancel.listen(lambda: soon(loop, place.cancel))
    if cancel.is_cancelled():  # pulled by another thread meanwhile
        place.cancel()
    try:
        await asyncio.wait([place])
    except asyncio.CancelledError:
        if not place.cancel() and not place.cancelled():
            places.release()
        raise
    finally:
        unlisten()
    return not place.cancelled()


class Powers:
    """Tools and limits (``env``), replanning, learning, the budget that a call has unless it brings one, and room.

    ``principal`` is on whose behalf runs go that name none, ``compat`` how plans in JSON are read.
    """

    def __init__(
        self,
        env: Environment,
        *,
        principal: str | None = None,
        budget: CostBudget | None = None,
        room: Room | None = None,
        compat: Compat | None = None,
    ) -> None:
        self.env = env
        self.principal = principal
        self.budget = budget
        expect_compat(compat)
        self.compat = compat
        self.room = room if room is not None else Room()
        self.replan = Replan()
        self.learner: Learner | None = None
