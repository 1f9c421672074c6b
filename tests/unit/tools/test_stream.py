"""Tools that yield: what is shown, what the output is, and that every generator is closed."""

from __future__ import annotations

import asyncio
import functools
import math
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest

from headway.errors import InvalidInput, ToolError
from headway.tools.context import ToolContext, ToolResult
from headway.tools.decorator import entry_of, tool
from headway.tools.stream import CONTEXT, MAX_CHUNKS


@tool
async def words(n: int = 2) -> AsyncIterator[str]:
    """Some words."""
    for number in range(n):
        yield f"w{number} "


async def rows(n: int = 2) -> AsyncGenerator[dict[str, int], None]:
    for number in range(n):
        yield {"n": number}


def context() -> tuple[ToolContext, list[Any]]:
    shown: list[Any] = []
    return ToolContext(chunks=lambda _, chunk: shown.append(chunk)), shown


async def run(function: Any, **params: Any) -> tuple[Any, list[Any]]:
    entry = entry_of(function)
    assert entry.context_param is not None
    ctx, shown = context()
    return await entry.call(**params, **{entry.context_param: ctx}), shown


def test_an_async_generator_is_an_async_tool_of_its_own_mode() -> None:
    entry = entry_of(words)
    assert (entry.mode, entry.is_async, entry.context_param) == ("streaming", True, CONTEXT)
    assert entry.schema.parameters["properties"] == {"n": {"type": "integer", "default": 2}}
    assert entry.schema.description == "Some words."
    assert entry_of(test_an_async_generator_is_an_async_tool_of_its_own_mode).mode == "one_shot"


async def test_texts_are_joined_and_anything_else_is_a_list() -> None:
    assert await run(words, n=3) == ("w0 w1 w2 ", ["w0 ", "w1 ", "w2 "])
    assert await run(rows) == ([{"n": 0}, {"n": 1}], [{"n": 0}, {"n": 1}])


async def test_nothing_at_all_is_the_empty_output_of_its_kind() -> None:
    assert await run(words, n=0) == ("", [])
    assert await run(rows, n=0) == ([], [])


async def test_mixed_chunks_stay_as_they_came() -> None:
    async def mixed() -> AsyncIterator[Any]:
        yield "a"
        yield "b"
        yield None

    assert (await run(mixed))[0] == ["a", "b", None]


async def test_a_tool_result_at_the_end_says_the_rest() -> None:
    async def ends(output: Any = None) -> AsyncIterator[Any]:
        yield "text"
        yield ToolResult(output, {"k": 1}, usage={"tokens": 3})

    result, shown = await run(ends)
    assert result == ToolResult("text", {"k": 1}, usage={"tokens": 3})
    assert shown == ["text"]
    assert (await run(ends, output=[1]))[0].output == [1]


async def test_a_tool_result_in_the_middle_is_an_error() -> None:
    async def goes_on() -> AsyncIterator[Any]:
        yield ToolResult(1)
        yield "more"

    with pytest.raises(ToolError, match="after its ToolResult"):
        await run(goes_on)


async def test_it_may_take_the_context_itself() -> None:
    async def takes(*, ctx: ToolContext) -> AsyncIterator[str]:
        yield ctx.action_id

    entry = entry_of(takes)
    assert entry.context_param == "ctx"
    assert await entry.call(ctx=ToolContext("j", "a")) == "a"


async def test_methods_and_partials_stream_too() -> None:
    class Counter:
        async def __call__(self, n: int) -> AsyncIterator[int]:
            yield n

    named = tool(name="counter")(Counter())
    assert (await run(named, n=4))[0] == [4]
    assert (await run(functools.partial(words, n=1)))[0] == "w0 "


async def test_without_a_context_it_can_still_be_called() -> None:
    assert await entry_of(words).call(n=1) == "w0 "


async def test_an_error_in_mid_stream_is_the_calls() -> None:
    async def breaks() -> AsyncIterator[str]:
        yield "a"
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await run(breaks)


@pytest.mark.parametrize("chunk", [math.nan, object(), "\ud800"])
async def test_a_chunk_that_is_not_json_ends_it_and_the_generator_is_closed(chunk: Any) -> None:
    closed = []

    async def yields() -> AsyncIterator[Any]:
        try:
            yield chunk
        finally:
            closed.append(True)

    with pytest.raises(ToolError, match="tool 'yields' yielded what cannot be recorded"):
        await run(yields)
    assert closed == [True]


async def test_a_cancel_reaches_the_generator_and_is_waited_for() -> None:
    started, closed = asyncio.Event(), asyncio.Event()

    async def waits() -> AsyncIterator[str]:
        try:
            yield "a"
            started.set()
            await asyncio.Event().wait()
        finally:
            closed.set()

    call = asyncio.create_task(run(waits))
    await started.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert closed.is_set()


async def test_a_generator_that_never_waits_does_not_stop_the_loop() -> None:
    async def endless() -> AsyncIterator[int]:
        while True:
            yield 1

    call = asyncio.create_task(run(endless))
    for _ in range(3):
        await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_too_much_is_an_error() -> None:
    async def large() -> AsyncIterator[str]:
        while True:
            yield "x" * 2**22

    with pytest.raises(ToolError, match="more than 16,777,216 bytes or 1,000,000 chunks"):
        await run(large)
    assert MAX_CHUNKS == 1_000_000


def test_chunks_must_be_json_even_if_nobody_listens() -> None:
    with pytest.raises(InvalidInput):
        ToolContext().emit_chunk(object())
    ToolContext().emit_chunk({"a": 1})
