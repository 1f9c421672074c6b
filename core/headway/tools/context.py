"""The context of a call, and the result that says more than plain JSON does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from headway.arguments import expect, shown_value
from headway.clock import SYSTEM_CLOCK, Clock
from headway.errors import InvalidInput, one_line
from headway.jsonvalue import to_json
from headway.numbers import is_finite

if TYPE_CHECKING:
    from headway.tools.sandbox import Sandbox

_NO_STATE: Mapping[str, Any] = MappingProxyType({})


class CancelView(Protocol):
    """The side of a cancellation token that a tool sees."""

    @property
    def reason(self) -> str | None:
        """The reason of the cancel; None without one."""

    def is_cancelled(self) -> bool:
        """Return whether the run is being cancelled."""


class NeverCancelled:
    """The token of a call that nobody can cancel."""

    reason: str | None = None

    @staticmethod
    def is_cancelled() -> bool:
        """Return False."""
        return False


NEVER_CANCELLED = NeverCancelled()

ProgressSink = Callable[["ToolContext", float | None, float | None, str | None], object]
"""Takes ``(context, current, total, message)`` of one report; called on the thread that the tool runs on."""

ChunkSink = Callable[["ToolContext", Any], object]
"""Takes ``(context, chunk)``, the chunk as JSON that is its own; called on the thread that the tool runs on."""


class ToolContext:
    """One call of one tool. A parameter annotated ``ToolContext`` receives it; every field has a default, for tests.

    ``job_id``, ``action_id``
        The run and the action that the call belongs to.
    ``attempt``
        1 for the first call of the action, 2 for its first retry, and so on.
    ``idempotency_key``
        The same text for every attempt of this action, for services that deduplicate by a key.
    ``cancel``
        ``cancel.is_cancelled()`` and ``cancel.reason``. A cancel lets running tools run to their end; a long one
        may look here and stop early on its own account.
    ``deadline``
        Seconds on ``clock`` at which the attempt times out, None without a time limit; see :meth:`remaining`.
    ``state``
        The state as it was when the level started, read-only: lists and objects in it are copies (a
        :class:`~headway.state.StateSnapshot`). Changes go into ``ToolResult.effects``.
    ``workspace``
        The folder that file tools work in, None if there is none.
    ``sandbox``
        The sandbox that programs which the tool starts must run in, None for a call outside of a Runtime or Engine.
    """

    __slots__ = (
        "_chunks",
        "_progress",
        "action_id",
        "attempt",
        "cancel",
        "clock",
        "deadline",
        "idempotency_key",
        "job_id",
        "sandbox",
        "state",
        "workspace",
    )

    def __init__(
        self,
        job_id: str = "",
        action_id: str = "",
        attempt: int = 1,
        *,
        idempotency_key: str = "",
        cancel: CancelView = NEVER_CANCELLED,
        deadline: float | None = None,
        state: Mapping[str, Any] = _NO_STATE,
        workspace: Path | None = None,
        sandbox: Sandbox | None = None,
        clock: Clock = SYSTEM_CLOCK,
        progress: ProgressSink | None = None,
        chunks: ChunkSink | None = None,
    ) -> None:
        self.job_id = job_id
        self.action_id = action_id
        self.attempt = attempt
        self.idempotency_key = idempotency_key
        self.cancel = cancel
        self.deadline = deadline
        self.state = state
        self.workspace = workspace
        self.sandbox = sandbox
        self.clock = clock
        self._progress = progress
        self._chunks = chunks

    def __repr__(self) -> str:
        return f"ToolContext(job_id={self.job_id!r}, action_id={self.action_id!r}, attempt={self.attempt})"

    def remaining(self) -> float | None:
        """Return the seconds left until the deadline, 0.0 when it has passed, None without one."""
        if self.deadline is None:
            return None
        try:
            return max(0.0, self.deadline - self.clock.now())
        except (TypeError, AttributeError, OverflowError):
            raise InvalidInput("a deadline is a number of seconds on a clock") from None

    def report_progress(
        self, current: float | None = None, total: float | None = None, message: str | None = None
    ) -> None:
        """Tell how far the call has come: ``current`` of ``total`` in any unit, and a line of text.

        May be called from the tool's own thread and as often as it likes: whoever listens coalesces. A sink handed to
        the constructor must therefore be thread-safe, and ready for reports of a call that it has given up on.
        Without a sink nothing happens. The message is cut to one line of 500 characters.

        Raises ``InvalidInput`` for numbers that are not finite.
        """
        for number in (current, total):
            if number is not None and not is_finite(number):
                raise InvalidInput(f"progress must be a finite number, not {shown_value(number)}")
        if message is not None:
            expect(message, str, "a message of progress")
        if self._progress is not None:
            self._progress(self, current, total, None if message is None else one_line(message, 500))

    def emit_chunk(self, chunk: Any) -> None:
        """Show a piece of the output while it is being made: text, or any JSON value.

        As with :meth:`report_progress`: from any thread, as often as it likes, without a sink nothing happens. What is
        shown this way may be cut; the output is what the tool returns.

        Raises ``InvalidInput`` for what is not JSON.
        """
        value = to_json(chunk)
        if self._chunks is not None:
            self._chunks(self, value)


@dataclass(slots=True)
class ToolResult:
    """A tool's result where plain JSON does not say it all.

    ``output`` is the action's output. ``effects`` maps state keys to their new values: confirmed, they beat the
    action's declared ``expected_effects``; None lets the declared ones stand. ``artifacts`` are JSON objects kept
    beside the output. ``usage`` counts what the call used, by name (``{"input_tokens": 812}``; names that end in
    ``tokens`` count against a budget's tokens, ``total_tokens`` alone where it is told); ``cost`` is what it cost in
    millionths of a US dollar, an integer.
    """

    output: Any = None
    effects: dict[str, Any] | None = None
    artifacts: list[Any] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)
    cost: int | None = None
