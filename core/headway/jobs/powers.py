"""The powers of one face: what the runs that it starts may use, and what happens when they abort or end."""

from __future__ import annotations

import asyncio
from collections import deque
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
    """The places for jobs of one face that run side by side, first come, first served; None: any number."""

    def __init__(self, size: int | None = None) -> None:
        self._free = size
        self._line: deque[asyncio.Future[bool]] = deque()

    @asynccontextmanager
    async def taken(self, cancel: CancellationToken, *, nested: bool = False) -> AsyncIterator[None]:
        """Have a place inside the block; none once ``cancel`` is pulled: what is cancelled starts nothing."""
        if self._free is None or cancel.is_cancelled() or nested:
            yield
            return
        mine = await self._comes(cancel)
        try:
            yield
        finally:
            if mine:
                self._over()

    async def _comes(self, cancel: CancellationToken) -> bool:
        """Wait for a place; return False if ``cancel`` is pulled before it comes."""
        if self._free:
            self._free -= 1
            return True
        loop = asyncio.get_running_loop()
        place: asyncio.Future[bool] = loop.create_future()

        def give_up() -> None:
            if not place.done():
                place.set_result(False)

        unlisten = cancel.listen(lambda: soon(loop, give_up))
        if cancel.is_cancelled():  # pulled by another thread meanwhile
            give_up()
        self._line.append(place)
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.result():  # it came as the task was cancelled
                self._over()
            raise
        finally:
            unlisten()

    def _over(self) -> None:
        """Give a place to the next in line, or keep it free."""
        while self._line:
            place = self._line.popleft()
            if not place.done():
                place.set_result(True)
                return
        assert self._free is not None
        self._free += 1


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
