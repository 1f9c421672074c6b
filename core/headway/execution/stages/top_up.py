"""Top-up: what is left of a run at the end of its budget waits together for one answer of a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headway.events import kinds
from headway.execution.asking import BUDGET, CHOICES, Answer, Question
from headway.limits.budget import COUNTED
from headway.plan.format import ActionType
from headway.tools.estimate import estimate_of

if TYPE_CHECKING:
    from headway.execution.pending import PendingAction, Wait
    from headway.execution.stages.budget import BudgetStage
    from headway.execution.stages.stage import Flow
    from headway.limits.budget import BudgetMeter
    from headway.plan.graph import Node


class _Place:
    """The place of one action among those that wait."""

    def __init__(self, top_up: TopUp, action: PendingAction) -> None:
        self._top_up = top_up
        self._action = action

    def cancel(self) -> None:
        """Leave it; with the last one the question goes."""
        self._top_up.left(self._action)


class TopUp:
    """The question for a larger budget, and the actions that wait for its answer."""

    def __init__(self, stage: BudgetStage, meter: BudgetMeter) -> None:
        self._stage = stage
        self._run = stage.run
        self._meter = meter
        self._waiting: dict[PendingAction, Flow] = {}
        self._dimension = ""
        self._question: Wait | None = None

    def wait(self, action: PendingAction, flow: Flow, dimension: str) -> None:
        """Let an action wait for an answer; the first one asks."""
        first = not self._waiting
        self._waiting[action] = flow
        flow.park(action, BUDGET, _Place(self, action))
        if not first:
            return
        self._dimension = dimension
        found = self._run.env.asking.ask(self._asked(dimension), self._answered)
        if isinstance(found, Answer):
            self._answered(found)
        else:
            self._question = found

    def left(self, action: PendingAction) -> None:
        """Take note that an action waits no longer."""
        self._waiting.pop(action, None)
        if not self._waiting and self._question is not None:
            question, self._question = self._question, None
            question.cancel()

    def _answered(self, answer: Answer) -> None:
        """Let everything resume within the new limits, or stop the run."""
        self._question = None
        waiting, self._waiting = self._waiting, {}
        if answer.refuses:
            for action, flow in waiting.items():
                if self._run.stop is None:
                    flow.refuse(action, self._stage.exhausted(action, self._dimension))
                    continue
                flow.resume(action)  # the stop settles it
            return
        self._meter.top_up(answer.value)
        self._run.emit(kinds.BUDGET_SET, {"limits": dict(self._meter.limits)})
        for action, flow in waiting.items():
            action.stage -= 1  # it reserves anew
            flow.resume(action)
        self._meter.serve()

    # -- what is asked -----------------------------------------------------------------------------------------------

    def _asked(self, dimension: str) -> Question:
        run, meter = self._run, self._meter
        left = [node for node, result in zip(run.plan.nodes, run.results, strict=True) if result is None]
        estimate, unknown = self._estimate(left)
        done = len(run.results) - len(left)
        needs = ", ".join(f"{amount:,} {name}" for name, amount in estimate.items())
        guess = f", which need an estimated {needs}" if needs else ""
        if unknown:
            guess += f" (nothing is known of {', '.join(unknown)})"
        limit = meter.limits[dimension]
        return Question(
            kind=BUDGET,
            job_id=run.job_id,
            prompt=f"the budget is exhausted: {meter.spent[dimension]:,} of {limit:,} {dimension} are spent;"
            f" {done} of {len(run.results)} actions are done, {len(left)} are left{guess}",
            reference=f"{BUDGET}:{dimension}:{limit}",
            choices=CHOICES[BUDGET],
            schema=_schema(meter),
            scope=run.scope,
            principal=run.principal,
            blocking=len(left),
            detail={
                "dimension": dimension,
                "spent": dict(meter.spent),
                "limits": dict(meter.limits),
                "done": done,
                "left": len(left),
                "estimate": estimate,
                "unknown": unknown,
            },
        )

    def _estimate(self, left: list[Node]) -> tuple[dict[str, int], list[str]]:
        """Return what the actions that are left will use, as far as that can be told, and the tools it cannot be of."""
        run, prices = self._run, self._run.env.prices
        calls = [node for node in left if node.type is ActionType.TOOL_CALL]
        found = {name: len(calls if name == "tool_calls" else left) for name in self._meter.limits if name in COUNTED}
        unknown: dict[str, None] = {}
        for name in self._meter.measured:
            total = 0
            for node in calls:
                entry = run.env.registry.get(node.tool or "")
                declared = estimate_of(entry.name, entry.estimate, node.action.parameters) if entry is not None else {}
                amount = declared.get(name)
                if amount is None:
                    amount = prices.largest(node.tool or "", name)
                if amount is None and name != "duration_ms":
                    unknown[node.tool or ""] = None
                total += amount or 0
            found[name] = total
        return found, list(unknown)


def _schema(meter: BudgetMeter) -> dict[str, Any]:
    """Return the JSON Schema of a top-up: amounts by dimension."""
    amount = {"type": "integer", "minimum": 1}
    properties = {name: dict(amount) for name in meter.limits}
    return {"type": "object", "properties": properties, "additionalProperties": False, "minProperties": 1}
