"""Long-running tools: work that continues elsewhere, behind a handle.

The three steps of such a tool (start it, ask how it is, stop it) become one call that an action waits for; whoever
runs plans needs to know nothing of handles.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from headway.arguments import expect_call, shown_value
from headway.clock import Clock
from headway.errors import TerminalToolError, ToolError, describe, one_line
from headway.numbers import positive_seconds
from headway.tools.context import ToolContext
from headway.tools.schema import schema_of
from headway.tools.stream import CONTEXT

if TYPE_CHECKING:
    from headway.tools.estimate import Estimate
    from headway.tools.registry import Permission, ToolEntry

_log = logging.getLogger("headway.tools")

CANCEL_S = 0.8
"""The seconds that a cancel of a handle may take: less than a killed call may take to end."""


@dataclass(frozen=True, slots=True)
class Poll:
    """The progress of the work behind a handle.

    ``running``: ``current`` of ``total`` and ``message`` are reported as progress, ``chunks`` are the pieces of output
    since the last poll, to be shown. ``succeeded``: ``result`` is the output, or a ``ToolResult``. ``failed``:
    ``error`` is one line, ``terminal`` says that no retry can mend it.
    """

    status: Literal["running", "succeeded", "failed"]
    result: Any = None
    error: str | None = None
    current: float | None = None
    total: float | None = None
    message: str | None = None
    chunks: Sequence[Any] = ()
    terminal: bool = False


class LongRunning(Protocol):
    """The protocol of a long-running tool. A handle is any object; each belongs to one call."""

    async def start(self, params: dict[str, Any]) -> Any:
        """Start the work and return its handle."""

    async def poll(self, handle: Any) -> Poll:
        """Say how the work is."""

    async def cancel(self, handle: Any) -> None:
        """Stop the work: its call timed out, was killed, or its polls failed."""


def long_running(
    tool: LongRunning,
    *,
    name: str,
    description: str = "",
    parameters: Mapping[str, Any] | None = None,
    returns: dict[str, Any] | None = None,
    idempotent: bool = False,
    poll_secs: float = 1.0,
    source: str = "user_defined",
    permission: Permission = "allow",
    category: str = "general",
    writes_files: bool = False,
    estimate: Estimate | None = None,
) -> ToolEntry:
    """Return the registry's entry of a long-running tool, polled every ``poll_secs`` seconds of the run's clock.

    ``parameters`` is the JSON Schema of ``start``'s parameters, None lets anything pass. The first poll follows the
    start immediately. A cancel of the run lets the work run to its end, as any tool's; a kill or a timeout cancels it.
    """
    from headway.tools.registry import ToolEntry

    schema = schema_of(name, description=description, parameters=parameters, returns=returns, idempotent=idempotent)
    interval = positive_seconds(poll_secs, f"tool '{name}': poll_secs")
    for step in ("start", "poll", "cancel"):
        expect_call(getattr(tool, step, None), f"the {step} of tool '{name}'")

    async def call(**params: Any) -> Any:
        context = params.pop(CONTEXT, None)
        return await _follow(tool, name, params, context if context is not None else ToolContext(), interval)

    return ToolEntry(
        schema=schema,
        call=call,
        is_async=True,
        context_param=CONTEXT,
        source=source,
        permission=permission,
        category=category,
        writes_files=writes_files,
        mode="long_running",
        estimate=estimate,
    )


async def _follow(tool: LongRunning, name: str, params: dict[str, Any], context: ToolContext, interval: float) -> Any:
    handle = await tool.start(params)
    try:
        poll = await _until_it_ends(tool, name, handle, context, interval)
    except GeneratorExit:  # the loop is gone: nothing can be awaited any more
        raise
    except BaseException:
        await _cancel(tool, name, handle, context.clock)
        raise
    if poll.status == "succeeded":
        return poll.result
    error = TerminalToolError if poll.terminal else ToolError
    raise error(one_line(str(poll.error)) if poll.error else f"tool '{name}' failed and did not say why")


async def _until_it_ends(tool: LongRunning, name: str, handle: Any, context: ToolContext, interval: float) -> Poll:
    while True:
        poll = await tool.poll(handle)
        if not isinstance(poll, Poll):
            raise ToolError(f"poll() of tool '{name}' returned {type(poll).__name__}, not a Poll")
        if poll.status not in ("running", "succeeded", "failed"):
            raise ToolError(f"poll() of tool '{name}' returned the unknown status {shown_value(poll.status)}")
        for chunk in poll.chunks:
            context.emit_chunk(chunk)
        if poll.status != "running":
            return poll
        if (poll.current, poll.total, poll.message) != (None, None, None):
            context.report_progress(poll.current, poll.total, poll.message)
        await context.clock.sleep(interval)


async def _cancel(tool: LongRunning, name: str, handle: Any, clock: Clock) -> None:
    """Cancel the work, for at most ``CANCEL_S``. What that raises is logged: the first error is the call's."""

    async def stop() -> None:
        await tool.cancel(handle)

    loop = asyncio.get_running_loop()
    stopping, late = loop.create_task(stop()), loop.create_future()
    timer = clock.call_later(CANCEL_S, late.cancel)
    try:
        await asyncio.wait([stopping, late], return_when=asyncio.FIRST_COMPLETED)
        if not stopping.done():
            _log.warning("tool '%s' was not cancelled within %s s", name, CANCEL_S)
        elif not stopping.cancelled() and (error := stopping.exception()) is not None:
            _log.warning("tool '%s' could not be cancelled: %s", name, describe(error))
    finally:
        timer.cancel()
        late.cancel()
        stopping.cancel()
