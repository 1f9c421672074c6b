"""A pending action: one action, or one compensation, on its way to its end.

::

    queued -> parked (on a stage, or a backoff) -> queued
    queued -> launching -> in flight -> ended -> parked (on its backoff) or settled
    queued, parked or launching -> settled          (refused, dropped, or done without a call)
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from headway.errors import InvalidTransition
from headway.plan.format import ActionType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headway.dispatch.protocol import Call
    from headway.limits.flight import Hit
    from headway.plan.graph import Node
    from headway.plan.references import Reference
    from headway.plan.results import ErrorCode
    from headway.tools.registry import ToolEntry

_TOOL_CALL = ActionType.TOOL_CALL


class State(StrEnum):
    """The state of a pending action."""

    QUEUED = "queued"
    PARKED = "parked"
    LAUNCHING = "launching"
    IN_FLIGHT = "in flight"
    ENDED = "ended"
    SETTLED = "settled"


_MOVES: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.PARKED, State.LAUNCHING, State.SETTLED}),
    State.PARKED: frozenset({State.QUEUED, State.SETTLED}),
    State.LAUNCHING: frozenset({State.IN_FLIGHT, State.SETTLED}),
    State.IN_FLIGHT: frozenset({State.ENDED}),
    State.ENDED: frozenset({State.PARKED, State.SETTLED}),
    State.SETTLED: frozenset(),
}


class Wait(Protocol):
    """A place in a line, or a timer, that a parked action can give up."""

    def cancel(self) -> object:
        """Give it up; harmless once it is over."""


class Source(Protocol):
    """The place that says what stands in parameters: the node of an action, or a compensation."""

    @property
    def references(self) -> Sequence[Reference]:
        """The references in them."""

    @property
    def escapes(self) -> Sequence[tuple[str | int, ...]]:
        """The places where ``$$`` stands for ``$``."""


class Written(NamedTuple):
    """The references and escapes in the parameters of a compensation."""

    references: Sequence[Reference]
    escapes: Sequence[tuple[str | int, ...]]


class PendingAction:
    """One action of a level.

    ``tool`` is the name of the tool that it ``calls``, empty for a state action; ``source`` says what its parameters
    refer to. ``stage`` is the number of the stage it enters next; ``again`` says that it waits for a further attempt.
    ``error`` and ``code`` are those of the attempt before. ``duration`` is the time inside the tool over all attempts,
    ``waited`` the time parked, both in seconds. ``reused`` is the result that makes a call unnecessary. ``approved`` is
    the digest of the call that a person has approved; ``edited`` says that they gave it other parameters.
    ``judged`` is the digest of the call that the hooks before tools have let pass, with their reasons to ask a person;
    ``asked`` are those of the call as it is, ``edits`` counts what they changed. ``questions`` counts those that the
    tool has asked in this attempt.
    """

    compensates = False
    state = State.QUEUED
    entry: ToolEntry | None = None
    call: Call | None = None
    attempt = 0
    duration = 0.0
    waited = 0.0
    stage = 0
    again = False
    error: str | None = None
    code: ErrorCode | None = None
    reused: Hit | None = None
    approved = ""
    edited = False
    questions = 0
    judged: tuple[str, tuple[str, ...]] | None = None
    asked: tuple[str, ...] = ()
    edits = 0
    parked_on = ""
    _wait: Wait | None = None
    _parked_at = 0.0

    def __init__(self, node: Node) -> None:
        self.node = node
        self.tool = node.tool or ""
        self.calls = node.type is _TOOL_CALL
        self.source: Source = node
        self.parameters: dict[str, Any] = node.action.parameters

    def __repr__(self) -> str:
        on = f" on {self.parked_on}" if self.state is State.PARKED else ""
        return f"<{type(self).__name__} '{self.node.id}', {self.state.value}{on}>"

    @property
    def needs_call(self) -> bool:
        """True while a tool has yet to be called: there is no result to reuse."""
        return self.calls and self.reused is None

    def move(self, to: State) -> None:
        """Change the state; raise :class:`InvalidTransition` where there is no way."""
        if to not in _MOVES[self.state]:
            raise InvalidTransition(f"action '{self.node.id}' cannot go from {self.state.value} to {to.value}")
        self.state = to

    def park(self, on: str, wait: Wait, now: float) -> None:
        """Wait for something, of which ``wait`` is the place in line or the timer."""
        self.move(State.PARKED)
        self.parked_on, self._wait, self._parked_at = on, wait, now

    def resume(self, now: float) -> None:
        """End the wait: it has brought what it was for."""
        self.move(State.QUEUED)
        self._unpark(now)

    def give_up_wait(self, now: float) -> None:
        """End the wait, if there is one, without what it was for; the action starts no more."""
        if self.state is State.PARKED:
            wait = self._wait
            self.move(State.QUEUED)
            self._unpark(now)
            if wait is not None:
                wait.cancel()

    def _unpark(self, now: float) -> None:
        self.parked_on, self._wait = "", None
        self.waited += max(0.0, now - self._parked_at)


class PendingCompensation(PendingAction):
    """The call that undoes an action: of another tool, with parameters of its own."""

    compensates = True

    def __init__(
        self,
        node: Node,
        tool: str,
        parameters: dict[str, Any],
        source: Source,
    ) -> None:
        super().__init__(node)
        self.tool = tool
        self.calls = True
        self.source = source
        self.parameters = parameters
