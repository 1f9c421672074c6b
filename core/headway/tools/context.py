"""The context of a call, and the result that says more than plain JSON does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from headway.arguments import expect, shown_value
from headway.clock import SYSTEM_CLOCK, Clock
from headway.errors import Conflict, InvalidInput, NotAnswered, one_line
from headway.jsonvalue import to_json
from headway.numbers import is_finite

if TYPE_CHECKING:
    from concurrent.futures import Future

    from headway.tools.asking import AskRequest, AskSink
    from headway.tools.sandbox import Sandbox

NO_DEFAULT: Any = object()
"""The default of a question that has none: nobody's answer is a no then."""

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
    :meth:`ask`
        A question to a person; the call waits for the answer without a slot.
    ``sandbox``
        The sandbox that programs which the tool starts must run in, None for a call outside of a Runtime or Engine.
    """

    __slots__ = (
        "_ask",
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
        ask: AskSink | None = None,
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
        self._ask = ask

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

    async def ask(
        self, schema: Any, prompt: str, *, default: Any = NO_DEFAULT, expires_secs: float | None = None
    ) -> Any:
        """Ask a person for a value and return it. For coroutine tools; a function calls :meth:`ask_and_wait`.

        ``schema`` is the JSON Schema of the answer, or a type: ``bool``, ``Literal["a", "b"]``, a dataclass, a pydantic
        model. When nobody has answered after ``expires_secs`` seconds, ``default`` is the answer, if there is one. The
        time of the wait counts neither against the call's time limit nor as its duration. After a restart a tool that
        is called again, as it is idempotent, gets the answers of before.

        Raises :class:`headway.errors.NotAnswered` if the answer is no, nobody answered in time, the run is cancelled or
        nobody is there to ask; ``InvalidInput`` for what is no schema, or asks for a secret.
        """
        import asyncio

        from headway.tools.asking import input_request

        request, make = input_request(schema, prompt, default, expires_secs)
        return make(await asyncio.wrap_future(self._asked(request)))

    def ask_and_wait(
        self, schema: Any, prompt: str, *, default: Any = NO_DEFAULT, expires_secs: float | None = None
    ) -> Any:
        """Ask a person for a value and block until it is there: :meth:`ask` for functions, which have a thread.

        Raises :class:`headway.errors.Conflict` on the event loop, which it would block.
        """
        from headway.tools.asking import input_request

        _refuse_on_loop("ask_and_wait")
        request, make = input_request(schema, prompt, default, expires_secs)
        return make(self._asked(request).result())

    async def authorize(self, prompt: str, url: str = "", *, expires_secs: float | None = None) -> None:
        """Ask a person to sign in somewhere, at ``url`` say, and return when they say that it is done.

        No secret goes through the answer. Raises as :meth:`ask` does.
        """
        import asyncio

        from headway.tools.asking import auth_request

        await asyncio.wrap_future(self._asked(auth_request(prompt, url, expires_secs)))

    def _asked(self, request: AskRequest) -> Future[Any]:
        if self._ask is None:
            raise NotAnswered("nobody is there to answer")
        return self._ask(self, request)


def _refuse_on_loop(name: str) -> None:
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise Conflict(f"{name}() would block the event loop: await ask() in a coroutine")


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
