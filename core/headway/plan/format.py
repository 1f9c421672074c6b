"""The plan's wire format: proposals, actions and what hangs on them.

Names, defaults and meanings are those of the Common Agent Runtime (CAR), so that a CAR proposal runs unchanged;
``dependencies`` and ``$id.output`` references, which CAR documents, are honoured too. Unknown fields are ignored,
as CAR does. These models live at the door: past :mod:`headway.plan.graph` the executor works on plain structures.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class ActionType(StrEnum):
    """What an action does."""

    TOOL_CALL = "tool_call"
    STATE_WRITE = "state_write"
    STATE_READ = "state_read"
    ASSERTION = "assertion"


class FailureBehavior(StrEnum):
    """What a failed action does to its run."""

    ABORT = "abort"
    RETRY = "retry"
    SKIP = "skip"


class InvocationMode(StrEnum):
    """Whether a tool call ends with its result or goes on behind a handle."""

    ONE_SHOT = "one_shot"
    STREAMING = "streaming"
    LONG_RUNNING = "long_running"


class Reversibility(StrEnum):
    """How far the effect of an action can be taken back."""

    REVERSIBLE = "reversible"
    COMPENSABLE = "compensable"
    IRREVERSIBLE = "irreversible"


def new_id() -> str:
    """Return a fresh id: 12 random hexadecimal digits, as many as CAR takes of a UUID."""
    return os.urandom(6).hex()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Id = Annotated[str, Field(min_length=1, max_length=256)]
Key = Annotated[str, Field(min_length=1, max_length=1024)]


def _name_or_none_of_them(value: object) -> str:
    """Return ``value`` if it is a text: an enumeration that refuses anything else tries to show it, however deep."""
    return value if isinstance(value, str) else ""


_NAMED = BeforeValidator(_name_or_none_of_them)


class _Model(BaseModel):
    # Strict: "5" is no number and 1 is no boolean. Enumerations are read from their names.
    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)


class Precondition(_Model):
    """A test on one state key that must hold before the action starts.

    ``operator`` is one of eq, neq, gt, lt, gte, lte, exists, not_exists, contains; any other never holds.
    """

    key: Key
    operator: str = "eq"
    value: Any = None
    description: str = ""


class Assumption(_Model):
    """A state key that the plan was made under, with the value or the version seen then."""

    key: Key
    expected_value: Any = None
    read_version: int | None = None


class Compensation(_Model):
    """How to undo a succeeded action when the run aborts: another tool call, or an action of the plan."""

    type: str = "tool"
    tool: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    action_id: str | None = None


class Action(_Model):
    """One node of the plan."""

    id: Id = Field(default_factory=new_id)
    type: Annotated[ActionType, _NAMED] = Field(strict=False)
    tool: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    dependencies: list[Id] = Field(default_factory=list)
    preconditions: list[Precondition] = Field(default_factory=list)
    expected_effects: dict[Key, Any] = Field(default_factory=dict)
    state_dependencies: list[Key] = Field(default_factory=list)
    read_set: list[Key] = Field(default_factory=list)
    write_set: list[Key] = Field(default_factory=list)
    assumptions: list[Assumption] = Field(default_factory=list)
    invocation_mode: Annotated[InvocationMode, _NAMED] = Field(default=InvocationMode.ONE_SHOT, strict=False)
    reversibility: Annotated[Reversibility, _NAMED] = Field(default=Reversibility.IRREVERSIBLE, strict=False)
    compensation: Compensation | None = None
    idempotent: bool = False
    max_retries: int = Field(default=3, ge=0, le=1000)
    failure_behavior: Annotated[FailureBehavior, _NAMED] = Field(default=FailureBehavior.ABORT, strict=False)
    timeout_ms: int | None = Field(default=None, ge=1, le=2**53)
    metadata: dict[str, Any] = Field(default_factory=dict)


class ActionProposal(_Model):
    """A plan: a list of actions whose order of execution follows from what they depend on."""

    id: Id = Field(default_factory=new_id)
    source: str = "unknown"
    timestamp: str = Field(default_factory=_now)
    actions: list[Action]
    context: dict[str, Any] = Field(default_factory=dict)

    def rollback_contract(self) -> Reversibility:
        """Return the worst reversibility among the actions; an empty plan is reversible."""
        order = list(Reversibility)
        return max((a.reversibility for a in self.actions), key=order.index, default=Reversibility.REVERSIBLE)
