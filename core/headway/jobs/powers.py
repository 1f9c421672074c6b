"""The powers of one face: what the runs that it starts may use, and what happens when they abort or end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.jobs.replan import Replan
from headway.jobs.room import Room
from headway.plan.parse import Compat, expect_compat

if TYPE_CHECKING:
    from headway.execution.environment import Environment
    from headway.learning.learner import Learner
    from headway.limits.budget import CostBudget


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
