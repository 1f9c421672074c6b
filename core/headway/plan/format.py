"""The plan's wire format: proposals, actions and what hangs on them.

Names, defaults and meanings are those of the Common Agent Runtime (CAR), so that a CAR proposal runs unchanged;
``dependencies`` and ``$id.output`` references, which CAR documents, are honoured too. The format is strict: a field
that it does not know is refused (see :func:`headway.plan.parse.parse_proposal`). Free data goes into ``metadata`` and
``context``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from headway.errors import HeadwayError, InvalidPlan
from headway.model import Model


class ActionType(StrEnum):
    """The kind of an action."""

    TOOL_CALL = "tool_call"
    STATE_WRITE = "state_write"
    STATE_READ = "state_read"
    ASSERTION = "assertion"


class FailureBehavior(StrEnum):
    """The effect of a failed action on its run."""

    ABORT = "abort"
    RETRY = "retry"
    SKIP = "skip"


class InvocationMode(StrEnum):
    """The end of a tool call: its result, a stream of chunks, or a handle that is polled."""

    ONE_SHOT = "one_shot"
    STREAMING = "streaming"
    LONG_RUNNING = "long_running"


class Reversibility(StrEnum):
    """The extent to which the effect of an action can be undone."""

    REVERSIBLE = "reversible"
    COMPENSABLE = "compensable"
    IRREVERSIBLE = "irreversible"


def new_id() -> str:
    """Return a fresh id: 12 random hexadecimal digits, as many as CAR takes of a UUID."""
    return os.urandom(6).hex()


def timestamp_now() -> str:
    """Return the time as a plan has it: RFC 3339, in milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Id = Annotated[str, Meta(min_length=1, max_length=256)]
Key = Annotated[str, Meta(min_length=1, max_length=1024)]
_Retries = Annotated[int, Meta(ge=0, le=1000)]
_Milliseconds = Annotated[int, Meta(ge=1, le=2**53)]

ActionTypeName = Literal["tool_call", "state_write", "state_read", "assertion"]
FailureBehaviorName = Literal["abort", "retry", "skip"]
InvocationModeName = Literal["one_shot", "streaming", "long_running"]
ReversibilityName = Literal["reversible", "compensable", "irreversible"]


class _Part(Model, frozen=True):
    _refusal: ClassVar[type[HeadwayError]] = InvalidPlan


# gc=False and tuples: a plan holds JSON, which has no circles, and a wide one has many actions, of which the collector
# then has nothing to look at.
class Precondition(_Part, frozen=True, kw_only=True, gc=False):
    """A test on one state key that must hold before the action starts.

    ``operator`` is one of eq, neq, gt, lt, gte, lte, exists, not_exists, contains; any other never holds.
    """

    _noun: ClassVar[str] = "a precondition"

    key: Key
    operator: str = "eq"
    value: Any = None
    description: str = ""


class Assumption(_Part, frozen=True, kw_only=True, gc=False):
    """A state key that the plan was made under, with the value or the version seen then."""

    _noun: ClassVar[str] = "an assumption"

    key: Key
    expected_value: Any = None
    read_version: int | None = None


class Compensation(_Part, frozen=True, kw_only=True, gc=False):
    """The undoing of a succeeded action when the run aborts: another tool call, or an action of the plan."""

    _noun: ClassVar[str] = "a compensation"

    type: str = "tool"
    tool: str | None = None
    parameters: dict[str, Any] = {}
    action_id: str | None = None


class Action(_Part, frozen=True, kw_only=True, gc=False):
    """One node of the plan. Enumerated fields take a member or its name: ``Action(type="tool_call", tool="fetch")``."""

    _noun: ClassVar[str] = "an action"

    id: Id = msgspec.field(default_factory=new_id)
    type: ActionType
    tool: str | None = None
    parameters: dict[str, Any] = {}
    dependencies: tuple[Id, ...] = ()
    preconditions: tuple[Precondition, ...] = ()
    expected_effects: dict[Key, Any] = {}
    state_dependencies: tuple[Key, ...] = ()
    read_set: tuple[Key, ...] = ()
    write_set: tuple[Key, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    invocation_mode: InvocationMode = InvocationMode.ONE_SHOT
    reversibility: Reversibility = Reversibility.IRREVERSIBLE
    compensation: Compensation | None = None
    idempotent: bool = False
    max_retries: _Retries = 3
    failure_behavior: FailureBehavior = FailureBehavior.ABORT
    timeout_ms: _Milliseconds | None = None
    metadata: dict[str, Any] = {}

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            type: ActionType | ActionTypeName,
            id: str = ...,
            tool: str | None = ...,
            parameters: Mapping[str, Any] = ...,
            dependencies: Sequence[str] = ...,
            preconditions: Sequence[Precondition] = ...,
            expected_effects: Mapping[str, Any] = ...,
            state_dependencies: Sequence[str] = ...,
            read_set: Sequence[str] = ...,
            write_set: Sequence[str] = ...,
            assumptions: Sequence[Assumption] = ...,
            invocation_mode: InvocationMode | InvocationModeName = ...,
            reversibility: Reversibility | ReversibilityName = ...,
            compensation: Compensation | None = ...,
            idempotent: bool = ...,
            max_retries: int = ...,
            failure_behavior: FailureBehavior | FailureBehaviorName = ...,
            timeout_ms: int | None = ...,
            metadata: Mapping[str, Any] = ...,
        ) -> None: ...

    def __repr__(self) -> str:
        tool = f", tool={self.tool!r}" if self.tool is not None else ""
        return f"Action(id={self.id!r}, type={self.type.value!r}{tool})"


class ActionProposal(_Part, frozen=True, kw_only=True, dict=True):
    """A plan: a list of actions whose order of execution follows from what they depend on.

    ``ignored`` names the fields that ``compat="car"`` left out, each with the id of its action (None: outside of any).
    """

    _noun: ClassVar[str] = "a plan"

    id: Id = msgspec.field(default_factory=new_id)
    source: str = "unknown"
    timestamp: str = msgspec.field(default_factory=timestamp_now)
    actions: list[Action]
    context: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"ActionProposal(id={self.id!r}, {len(self.actions)} actions)"

    @property
    def ignored(self) -> tuple[tuple[str | None, str], ...]:
        """The fields left out by ``compat="car"``: the action's id, and a line."""
        found: tuple[tuple[str | None, str], ...] = self.__dict__.get("_ignored", ())
        return found

    def rollback_contract(self) -> Reversibility:
        """Return the worst reversibility among the actions; an empty plan is reversible."""
        order = list(Reversibility)
        return max((a.reversibility for a in self.actions), key=order.index, default=Reversibility.REVERSIBLE)


PARTS: dict[type[Model], dict[str, type[Model]]] = {
    ActionProposal: {"actions": Action},
    Action: {"preconditions": Precondition, "assumptions": Assumption, "compensation": Compensation},
    Precondition: {},
    Assumption: {},
    Compensation: {},
}
"""The models of the format, each with those of its fields that hold further ones."""
