"""A tool that does what a test tells it to, and remembers its calls."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from headway.arguments import expect, plain
from headway.clock import SYSTEM_CLOCK, Clock, clock_of
from headway.errors import ToolError
from headway.numbers import LONGEST_S, number_between, whole_number
from headway.tools.context import ToolContext
from headway.tools.registry import ToolEntry
from headway.tools.schema import schema_of

_CONTEXT = "__context__"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call that a fake tool got: its ``parameters``, and its ``context`` (job, action, attempt, state, …)."""

    parameters: dict[str, Any]
    context: ToolContext


@dataclass(frozen=True, slots=True)
class _Step:
    """The course of one call: wait ``delay`` seconds, then raise ``answer``, call it, or return it."""

    answer: Any
    delay: float


class FakeTool:
    """A tool for tests: it answers its calls by a script, and notes them in :attr:`calls`.

    ::

        search = FakeTool("search", clock=virtual_clock)
        search.fails(ToolError("busy"), times=2).returns({"hits": 3}, after=0.5)
        runtime.register_tool_entry(search.entry())

    Each step of the script is for one call, ``times`` for more; a call beyond the script gets ``default``. An answer
    that is a function gets the call's parameters. ``after`` seconds of ``clock`` pass before an answer.
    ``parameters`` is the JSON Schema of a call's parameters, None lets anything pass; ``returns``, ``idempotent`` and
    ``cache_ttl_secs`` are those of :class:`~headway.tools.schema.ToolSchema`.
    """

    def __init__(
        self,
        name: str,
        *,
        default: Any = None,
        clock: Clock = SYSTEM_CLOCK,
        parameters: dict[str, Any] | None = None,
        returns: dict[str, Any] | None = None,
        idempotent: bool = False,
        cache_ttl_secs: int | None = None,
    ) -> None:
        self._schema = schema_of(
            plain(name, "a tool's name"),
            parameters=parameters,
            returns=returns,
            idempotent=idempotent,
            cache_ttl_secs=cache_ttl_secs,
        )
        self._clock = clock_of(clock)
        self._default = _Step(default, 0.0)
        self._script: deque[_Step] = deque()
        self.calls: list[ToolCall] = []

    @property
    def name(self) -> str:
        """The name that plans call it by."""
        return self._schema.name

    @property
    def parameters(self) -> list[dict[str, Any]]:
        """The parameters of its calls, in order."""
        return [call.parameters for call in self.calls]

    @property
    def left(self) -> int:
        """The number of steps that no call has taken."""
        return len(self._script)

    def returns(self, *outputs: Any, after: float = 0.0, times: int = 1) -> FakeTool:
        """Return ``outputs`` from the next calls, one each; return self.

        An output is JSON or what a tool may return beside it, a :class:`~headway.ToolResult` for example, or a function
        of the parameters, plain or async, that makes it.
        """
        return self._then(outputs, after, times)

    def fails(self, *errors: BaseException | str, after: float = 0.0, times: int = 1) -> FakeTool:
        """Raise ``errors`` from the next calls, one each, a text as a :class:`~headway.ToolError`; return self."""
        made = [ToolError(error) if isinstance(error, str) else error for error in errors]
        for error in made:
            expect(error, BaseException, "an error of a fake tool")
        return self._then(made, after, times)

    def entry(self) -> ToolEntry:
        """Return the registry's entry of this tool."""
        return ToolEntry(self._schema, self._call, is_async=True, context_param=_CONTEXT)

    def _then(self, answers: Any, after: float, times: int) -> FakeTool:
        delay = number_between(after, "after", 0, LONGEST_S)
        steps = [_Step(answer, delay) for answer in answers] * whole_number(times, "times", 1)
        self._script.extend(steps)
        return self

    async def _call(self, **parameters: Any) -> Any:
        context = parameters.pop(_CONTEXT, None)
        self.calls.append(ToolCall(parameters, context if context is not None else ToolContext()))
        step = self._script.popleft() if self._script else self._default
        if step.delay:
            await self._clock.sleep(step.delay)
        answer = step.answer
        if isinstance(answer, BaseException):
            raise answer
        if callable(answer):
            answer = answer(dict(parameters))
            if hasattr(answer, "__await__"):
                answer = await answer
        return answer

    def __repr__(self) -> str:
        return f"FakeTool({self.name!r}, {len(self.calls)} calls, {self.left} steps left)"
