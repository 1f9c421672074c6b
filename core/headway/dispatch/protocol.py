"""The dispatcher protocol: a request to call a tool, the handle of the call, and its end.

::

    handle = dispatcher.call(CallRequest(entry=entry, parameters={}, on_end=ended))
    dispatcher.cancel(handle, "no longer wanted")   # takes it back if the tool has not begun
    dispatcher.kill(handle)                         # cuts it off

Actions and compensations alike reach their tools through a dispatcher and in no other way. A call ends exactly once:
by itself, by its time limit, or because it was taken back or killed; whatever the tool does, its end comes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from headway.errors import InvalidInput
from headway.jsonvalue import copy_members
from headway.tools.context import NEVER_CANCELLED, CancelView

if TYPE_CHECKING:
    from headway.dispatch.asking import Ask, Questions
    from headway.secrets.redactor import Redactor
    from headway.tools.registry import ToolEntry
    from headway.tools.sandbox import Sandbox

KILL_GRACE_S = 1.0
"""The time that a cancelled coroutine may take to end before it is left behind."""


class Cause(StrEnum):
    """The reason why a call did not end by itself. The first one stays: a kill does not undo a timeout."""

    TIMEOUT = "timeout"
    KILLED = "killed"
    WITHDRAWN = "withdrawn"


class Surroundings(NamedTuple):
    """The circumstances of a call that its tool may ask for, shared by the calls of a level."""

    cancel: CancelView = NEVER_CANCELLED
    state: Mapping[str, Any] = {}
    workspace: Path | None = None
    sandbox: Sandbox | None = None


NO_SURROUNDINGS = Surroundings()


class CallRequest(msgspec.Struct, kw_only=True, gc=False):
    """One call to make: of ``entry`` with ``parameters``, which the tool gets as a copy of its own.

    ``timeout_ms`` bounds the time inside the tool; waiting for a thread is not part of it. ``compensates`` marks a call
    that undoes the action of ``action_id``. Secrets stand in ``parameters`` as references; ``reveal`` puts their
    values into parameters that are the tool's own: a dispatcher takes them from :meth:`arguments`. ``report(kind,
    data)`` takes the progress and the chunks of the call as events, on the event loop; ``redactor`` knows what must not
    be in them. ``ask`` puts a question of the tool to people, on the event loop. ``on_end(handle)`` is called once, on
    the event loop, when the call has ended: never before ``call()`` has returned, and from within
    ``kill(handle, now=True)`` at the latest.
    """

    entry: ToolEntry
    parameters: dict[str, Any]
    on_end: Callable[[Call], object]
    job_id: str = ""
    action_id: str = ""
    attempt: int = 1
    timeout_ms: int | None = None
    surroundings: Surroundings = NO_SURROUNDINGS
    report: Callable[[str, dict[str, Any]], object] | None = None
    reveal: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    redactor: Redactor | None = None
    ask: Ask | None = None
    compensates: bool = False

    def arguments(self) -> dict[str, Any]:
        """Return parameters that are the tool's own, secrets among them: what it does to them touches nothing else.

        They go to the tool and nowhere else. Raises :class:`headway.errors.SecretUnavailable` for a secret that cannot
        be had.
        """
        made = copy_members(self.parameters)
        return made if self.reveal is None else self.reveal(made)

    @property
    def idempotency_key(self) -> str:
        """The key that stays the same when this call is repeated."""
        key = f"{self.job_id}:{self.action_id}"
        return f"{key}:compensation" if self.compensates else key


class Call:
    """The handle of one call.

    ``begun`` says whether the tool's own code runs; ``started`` when it began (before that: when it was asked for) and
    ``ended`` when it ended, both on the clock, None while it has not. A call that has ended has a ``cause`` if it was
    cut off, else an ``error`` if the tool raised, else a ``value``. ``reason`` is what :meth:`Dispatcher.cancel` was
    told. An ``abandoned`` call may still run: nobody waits for it any more, and it must not be repeated.
    """

    begun = False
    ended: float | None = None
    cause: Cause | None = None
    reason = ""
    value: Any = None
    error: BaseException | None = None
    abandoned = False
    questions: Questions | None = None

    def __init__(self, request: CallRequest, started: float) -> None:
        self.request = request
        self.started = started

    def __repr__(self) -> str:
        state = "waiting" if not self.begun else "running" if self.ended is None else self.cause or "ended"
        return f"<{type(self).__name__} of '{self.request.entry.name}', {state}>"

    @property
    def done(self) -> bool:
        """True once the call has ended."""
        return self.ended is not None

    @property
    def seconds(self) -> float:
        """The time inside the tool, less what it waited for people; 0 before the end, and if it never began."""
        if not self.begun or self.ended is None:
            return 0.0
        asked = self.questions.waited if self.questions is not None else 0.0
        return max(0.0, self.ended - self.started - asked)


@dataclass(frozen=True, slots=True)
class Health:
    """The condition of a dispatcher.

    ``ok`` is False when new calls can only wait; ``running`` calls have not ended, ``waiting`` ones of them have not
    begun, ``abandoned`` ones have ended and may still run.
    """

    ok: bool
    running: int
    waiting: int
    abandoned: int


class Dispatcher(Protocol):
    """Calls tools. All methods belong to the event loop's thread."""

    def call(self, request: CallRequest) -> Call:
        """Begin a call and return its handle. Whatever goes wrong is the end of the call, never raised here."""

    def cancel(self, call: Call, reason: str) -> bool:
        """Take back a call whose tool has not begun, and end it as ``withdrawn``; return whether that was possible.

        One that has begun is not touched, but for questions to people that it waits on: those are taken back. The tool
        sees the request in its context and may end early.
        """

    def kill(self, call: Call, *, now: bool = False) -> None:
        """Cut a call off; one that has ended by itself keeps its outcome.

        It ends when the tool does, or after a grace, and then it is abandoned; with ``now`` it has ended on return.
        """

    def health(self) -> Health:
        """Return the condition of the dispatcher now."""


def dispatcher_of(value: object) -> Dispatcher:
    """Return ``value`` if it has the methods of a dispatcher; raise :class:`InvalidInput` if it does not."""
    for name in ("call", "cancel", "kill", "health"):
        if not callable(getattr(value, name, None)):
            raise InvalidInput(f"a dispatcher has call, cancel, kill and health; {type(value).__name__} has no {name}")
    return value  # type: ignore[return-value]  # it has the methods
