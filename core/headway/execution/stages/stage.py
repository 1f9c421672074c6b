"""A stage: one rule on the way to a tool.

A stage lets an action pass, parks it until something comes, or settles it by raising :class:`Refused`. It keeps what it
holds for an action itself, and gives it back in :meth:`Stage.leave`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from headway.plan.results import ErrorCode

if TYPE_CHECKING:
    from headway.execution.outcome import Outcome
    from headway.execution.pending import PendingAction, Wait
    from headway.execution.run import Run
    from headway.execution.stop import Stop


class Refused(Exception):
    """The action may not run; ``failed`` if it was an assertion that ran and did not hold.

    ``abort`` says that the run aborts, whatever the action's failure behaviour is.
    """

    def __init__(self, text: str, code: ErrorCode, failed: bool = False, abort: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        self.failed = failed
        self.abort = abort


class Exhausted(Refused):
    """Nothing more may start: the run stops, and the action is told what all that have not started are told."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(stop.here, stop.code)
        self.stop = stop


class End(NamedTuple):
    """The end of an attempt, or of an action that made no call (``seconds`` is None).

    ``used`` is what the tool told that it used; None if nobody knows. ``outcome`` is there if the action succeeded.
    ``final`` says that no further attempt follows.
    """

    seconds: float | None = None
    used: Mapping[str, int] | None = None
    outcome: Outcome | None = None
    final: bool = True


class Flow(Protocol):
    """A level or the compensations of a run: who takes actions through the stages."""

    @property
    def state(self) -> Mapping[str, Any]:
        """The state that actions see."""

    @property
    def since(self) -> int:
        """The moment of that state, as :meth:`headway.limits.reuse.Reuse.moment` counts."""

    def park(self, action: PendingAction, on: str, wait: Wait) -> None:
        """Let an action wait; it holds no slot meanwhile."""

    def resume(self, action: PendingAction) -> None:
        """Take a parked action on to its next stage, in its turn."""

    def refuse(self, action: PendingAction, refusal: Refused) -> None:
        """Settle a parked action."""


class Stage:
    """A stage of one run. What the base does is nothing: everything passes and nothing is held."""

    name = ""
    each_attempt = False
    """True for a stage that further attempts pass too; else an action passes it once."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.env = run.env

    def active(self) -> bool:
        """Return True if the stage has anything to say in this run, by the rules there are now."""
        return True

    def enter(self, action: PendingAction, flow: Flow) -> bool:
        """Let the action pass; return False if it had to be parked, raise :class:`Refused` if it may not run."""
        return True

    def leave(self, action: PendingAction, end: End | None) -> None:
        """Give back what is held for the action: ``end`` is that of its attempt, None if it does not start (again).

        Harmless where nothing is held.
        """
