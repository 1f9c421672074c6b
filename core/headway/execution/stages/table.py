"""The table of stages, in the order in which every action passes them. A new rule is a new file and a row here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.execution.stages.approval import ApprovalStage
from headway.execution.stages.before_tool import BeforeToolStage
from headway.execution.stages.budget import BudgetStage
from headway.execution.stages.exclusion import ExclusionStage
from headway.execution.stages.policy import PolicyStage
from headway.execution.stages.rate import RateStage
from headway.execution.stages.reuse import ReuseStage
from headway.execution.stages.stage import Stage
from headway.execution.stages.validation import ValidationStage

if TYPE_CHECKING:
    from headway.execution.pending import PendingAction
    from headway.execution.run import Run
    from headway.execution.stages.stage import End, Flow

STAGES: tuple[type[Stage], ...] = (
    ValidationStage,
    PolicyStage,
    BeforeToolStage,
    ApprovalStage,
    ReuseStage,
    BudgetStage,
    RateStage,
    ExclusionStage,
)


class Stages:
    """The stages of one run. Those that have nothing to say are left out, until a rule comes.

    ``holding`` are those that may hold something for an action; without any there is nothing to leave.
    """

    def __init__(self, run: Run) -> None:
        self._rules = run.env.rules
        self._all = [stage(run) for stage in STAGES]
        self._seen = -1
        self._active: list[tuple[int, Stage]] = []
        self.holding: list[Stage] = []

    def enter(self, action: PendingAction, flow: Flow) -> bool:
        """Take an action through the stages that are left; return False if one parked it.

        Raises :class:`~headway.execution.stages.stage.Refused` if one refuses it.
        """
        if self._seen != self._rules.version:
            self._look()
        for number, stage in self._active:
            if number < action.stage or (action.again and not stage.each_attempt):
                continue
            action.stage = number + 1
            if not stage.enter(action, flow):
                return False
        return True

    def leave(self, action: PendingAction, end: End | None = None) -> None:
        """Have each stage give back what it holds for an action, as its end asks for."""
        for stage in self.holding:
            stage.leave(action, end)

    def _look(self) -> None:
        """Find out which stages matter by the rules there are now. One that mattered before may hold something yet."""
        self._seen = self._rules.version
        self._active = [(number, stage) for number, stage in enumerate(self._all) if stage.active()]
        active = {stage for _, stage in self._active}
        held = [stage for stage in self._all if stage in active or stage in self.holding]
        self.holding = [stage for stage in held if type(stage).leave is not Stage.leave]
