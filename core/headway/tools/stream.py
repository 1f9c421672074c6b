"""Tools that make their output in chunks: async generators.

::

    @tool
    async def count(to: int) -> AsyncIterator[str]:
        for number in range(to):
            yield f"{number} "

Each chunk is shown as it comes, through the call's :meth:`~headway.tools.context.ToolContext.emit_chunk`. When the
generator ends, its output is its texts joined, or the list of its chunks if not all were text. A ``ToolResult``
yielded last says what the rest of the result is: effects, usage, cost; and the output, if it has one.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import msgspec

from headway.errors import InvalidInput, ToolError
from headway.jsonvalue import MAX_VALUE_BYTES, to_json
from headway.tools.context import ToolContext, ToolResult
from headway.tools.signature import yields_text

CONTEXT = "__context__"
"""The parameter by which a tool gets its context that does not ask for one itself."""

MAX_CHUNKS = 1_000_000
_BREATH = 64  # after so many chunks the loop gets a turn, in case the generator waits for nothing


def is_stream(function: Callable[..., Any]) -> bool:
    """Return whether ``function``, or the object's call, is an async generator function."""
    while isinstance(function, functools.partial):
        function = function.func
    call = getattr(function, "__call__", None)  # noqa: B004 - the method itself is looked at
    return inspect.isasyncgenfunction(function) or inspect.isasyncgenfunction(call)


def streaming(
    function: Callable[..., AsyncGenerator[Any, None]], name: str, context_param: str | None
) -> Callable[..., Awaitable[Any]]:
    """Return an ordinary async tool that runs the generator to its end, showing its chunks on the way.

    Its context comes in ``context_param`` if the generator takes it itself, else in ``CONTEXT``.
    """
    text = yields_text(function)

    @functools.wraps(function)
    async def call(**params: Any) -> Any:
        context = params.pop(CONTEXT, None) if context_param is None else params.get(context_param)
        async with aclosing(function(**params)) as chunks:
            return await collect(chunks, name, context if context is not None else ToolContext(), text=text)

    return call


async def collect(chunks: AsyncIterator[Any], name: str, context: ToolContext, *, text: bool = False) -> Any:
    """Show every chunk and return the output; ``text`` makes that of no chunks at all ``""``, else it is ``[]``.

    Raises ``ToolError`` for chunks that are not JSON, for more than 16 MiB or 1,000,000 of them, and for what follows
    a ``ToolResult``.
    """
    gathered: list[Any] = []
    size, end = 0, None
    async for chunk in chunks:
        if end is not None:
            raise ToolError(f"tool '{name}' yielded something after its ToolResult, which is the end")
        if isinstance(chunk, ToolResult):
            end = chunk
            continue
        try:
            value = to_json(chunk)
        except InvalidInput as error:
            raise ToolError(f"tool '{name}' yielded what cannot be recorded: {error.message}") from None
        size += len(value) if type(value) is str else len(msgspec.json.encode(value))
        gathered.append(value)
        if size > MAX_VALUE_BYTES or len(gathered) > MAX_CHUNKS:
            raise ToolError(f"tool '{name}' yielded more than {MAX_VALUE_BYTES:,} bytes or {MAX_CHUNKS:,} chunks")
        context.emit_chunk(value)
        if len(gathered) % _BREATH == 0:
            await asyncio.sleep(0)
    if gathered:
        text = all(type(value) is str for value in gathered)
    output: Any = "".join(gathered) if text else gathered
    if end is None:
        return output
    return end if end.output is not None or not gathered else replace(end, output=output)
