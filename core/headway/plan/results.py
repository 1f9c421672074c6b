"""The results of a run: one an action, in list order, and the costs.

These are msgspec structs, not pydantic models: a result is made for every action on the executor's hot path, and
nobody sends one to us to be validated. Field names are CAR's, with ``error_code``, ``attempts``, ``waited_ms``,
``artifacts``, ``usage`` and ``cost`` added. Fields at their default are left out of the JSON.
"""

from __future__ import annotations

from copy import copy
from enum import StrEnum
from functools import cached_property
from typing import Any

import msgspec

from headway.jsonvalue import copy_json
from headway.model import Record


class ActionStatus(StrEnum):
    """The status of an action. The last four are final."""

    PROPOSED = "proposed"
    VALIDATED = "validated"
    EXECUTING = "executing"
    REJECTED = "rejected"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"


FINAL = frozenset({ActionStatus.REJECTED, ActionStatus.SUCCEEDED, ActionStatus.FAILED, ActionStatus.SKIPPED})


class ErrorCode(StrEnum):
    """The reason that an action did not succeed."""

    TOOL_ERROR = "tool_error"
    TIMEOUT = "timeout"
    VALIDATION = "validation"
    PRECONDITION = "precondition"
    DEPENDENCY = "dependency"
    POLICY_DENIED = "policy_denied"
    APPROVAL_DENIED = "approval_denied"
    CAPABILITY = "capability"
    BUDGET_EXHAUSTED = "budget_exhausted"
    CANCELED = "canceled"
    KILLED = "killed"
    ABORTED = "aborted"
    INTERRUPTED = "interrupted"


CANCELED_PREFIX = "canceled: "
"""The start of the error of an action that a cancel kept from running (CAR's constant)."""

SKIPPED_ABORT = "skipped due to abort"
SKIPPED_EARLIER_ABORT = "skipped due to earlier abort"
ROLLED_BACK = "proposal aborted; state effects were rolled back; external effects may remain and were not undone"


# gc=False: a result holds JSON, which has no circles, and a wide plan makes many.
class ActionResult(Record, omit_defaults=True, gc=False):
    """The outcome of one action.

    ``rejected`` = refused before dispatch; ``failed`` = dispatched and failed; ``skipped`` = never ran, or failed
    under ``failure_behavior: skip``. ``state_changes`` maps a key to ``{"op": "set", "value": …}``. ``duration_ms``
    is the time inside the tool, over all attempts; ``waited_ms`` the time in rate limits and retry backoff.
    ``compensated`` says whether the compensation that an abort ran for it succeeded. ``usage`` and ``cost`` (millionths
    of a US dollar) are what the tool said of the call that succeeded.
    """

    action_id: str
    status: ActionStatus
    output: Any = None
    error: str | None = None
    error_code: ErrorCode | None = None
    state_changes: dict[str, Any] = {}
    duration_ms: float | None = None
    waited_ms: float | None = None
    attempts: int = 0
    timestamp: str | None = None
    rolled_back: bool = False
    terminal: bool = False
    compensated: bool | None = None
    artifacts: list[Any] = []
    usage: dict[str, Any] = {}
    cost: int | None = None

    def __repr__(self) -> str:
        error = f", error={self.error!r}" if self.error is not None else ""
        return f"ActionResult(action_id={self.action_id!r}, status={self.status.value!r}{error})"

    def apart(self) -> ActionResult:
        """Return this result with lists and objects of its own; itself if it has none."""
        output = self.output
        kind = type(output)
        composed = kind is dict or kind is list
        if not (composed or self.state_changes or self.artifacts or self.usage):
            return self
        own = copy(self)
        if composed:
            own.output = copy_json(output)
        if self.state_changes:
            own.state_changes = copy_json(self.state_changes)
        if self.artifacts:
            own.artifacts = copy_json(self.artifacts)
        if self.usage:
            own.usage = copy_json(self.usage)
        return own


class CostSummary(msgspec.Struct):
    """The costs of a run. ``tool_calls`` counts the successful ones, ``actions_executed`` succeeded and failed.

    ``tokens`` and ``usd_micros`` add up what the tools reported.
    """

    tool_calls: int = 0
    actions_executed: int = 0
    actions_rejected: int = 0
    actions_skipped: int = 0
    total_duration_ms: float = 0.0
    retries: int = 0
    tokens: int = 0
    usd_micros: int = 0

    def count(
        self,
        status: ActionStatus,
        *,
        tool_call: bool,
        attempts: int,
        duration_ms: float | None,
        usage: dict[str, Any],
        cost: int | None,
    ) -> None:
        """Add a settled action."""
        if status is ActionStatus.SUCCEEDED:
            self.actions_executed += 1
            self.tool_calls += tool_call
        elif status is ActionStatus.FAILED:
            self.actions_executed += 1
        elif status is ActionStatus.SKIPPED:
            self.actions_skipped += 1
        else:
            self.actions_rejected += 1
        if attempts > 1:
            self.retries += attempts - 1
        self.total_duration_ms += duration_ms or 0.0
        if usage:
            self.tokens += tokens_of(usage)
        self.usd_micros += cost or 0


def tokens_of(usage: dict[str, Any]) -> int:
    """Return how many tokens a usage names: ``total_tokens``, else all whole numbers whose names end in ``tokens``.

    A service that tells a total tells its parts too, and parts of parts: they are not counted again.
    """
    total = usage.get("total_tokens")
    if type(total) is int:
        return total
    return sum(amount for name, amount in usage.items() if name.endswith("tokens") and type(amount) is int)


class ReplanStep(msgspec.Struct, omit_defaults=True):
    """One plan of a lineage. ``generation`` 0 is the first; ``status`` is its run's, or rejected if it was not run."""

    generation: int
    proposal_id: str
    job_id: str
    status: str
    rejection_reason: str | None = None


class ProposalResult(Record, omit_defaults=True, dict=True):
    """The outcome of a run: ``status`` is completed, failed or cancelled; ``outcome`` says why when that is not all.

    ``outcome``: rejected (refused at admission, see ``error``), aborted, budget_exhausted, interrupted, killed. After a
    replan the result is the last run's; ``replan_lineage`` lists all.
    """

    proposal_id: str
    job_id: str
    status: str
    results: list[ActionResult]
    cost: CostSummary
    outcome: str | None = None
    error: str | None = None
    original_proposal_id: str | None = None
    replan_lineage: list[ReplanStep] = []

    def __repr__(self) -> str:
        return f"ProposalResult(job_id={self.job_id!r}, status={self.status!r}, {len(self.results)} results)"

    @property
    def ok(self) -> bool:
        """Return whether the run completed."""
        return self.status == "completed"

    def __getitem__(self, action_id: str) -> ActionResult:
        """Return the result of the action with that id; ``KeyError`` if there is none."""
        return self._by_id[action_id]

    @cached_property
    def _by_id(self) -> dict[str, ActionResult]:
        return {result.action_id: result for result in reversed(self.results)}
