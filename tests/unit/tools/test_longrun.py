"""Work behind a handle as one call: started, polled on the clock, shown, cancelled when its call is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headway.errors import InvalidInput, TerminalToolError, ToolError
from headway.testing import VirtualClock
from headway.testing.clock import settle
from headway.tools.context import ToolContext, ToolResult
from headway.tools.longrun import CANCEL_S, Poll, long_running
from headway.tools.registry import ToolEntry


class Work:
    """Answers polls from a list; the last answer goes on."""

    def __init__(self, *polls: Any) -> None:
        self.polls = list(polls)
        self.calls: list[Any] = []
        self.stuck = False

    async def start(self, params: dict[str, Any]) -> str:
        self.calls.append(("start", params))
        return "h1"

    async def poll(self, handle: str) -> Poll:
        self.calls.append(("poll", handle))
        answer = self.polls.pop(0) if len(self.polls) > 1 else self.polls[0]
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    async def cancel(self, handle: str) -> None:
        self.calls.append(("cancel", handle))
        if self.stuck:
            await asyncio.Event().wait()


class Shown:
    """A context that notes what it is told."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.progress: list[Any] = []
        self.chunks: list[Any] = []
        self.context = ToolContext(
            clock=self.clock,
            progress=lambda _, *report: self.progress.append(report),
            chunks=lambda _, chunk: self.chunks.append(chunk),
        )

    def call(self, entry: ToolEntry, **params: Any) -> asyncio.Task[Any]:
        assert entry.context_param is not None
        return asyncio.get_running_loop().create_task(entry.call(**params, **{entry.context_param: self.context}))


async def test_it_is_started_and_polled_until_it_has_a_result() -> None:
    work, shown = (
        Work(Poll("running", current=1, total=2), Poll("running", chunks=["a"]), Poll("succeeded", [7])),
        Shown(),
    )
    entry = long_running(work, name="w", parameters={"type": "object"}, poll_secs=2, category="batch")
    assert (entry.mode, entry.is_async, entry.category) == ("long_running", True, "batch")
    assert entry.schema.parameters == {"type": "object"}
    call = shown.call(entry, rows=3)
    await shown.clock.advance(1.9)
    assert work.calls == [("start", {"rows": 3}), ("poll", "h1")]
    assert shown.progress == [(1, 2, None)]
    await shown.clock.advance(2.2)
    assert await call == [7]
    assert shown.chunks == ["a"]
    assert len(shown.progress) == 1
    assert ("cancel", "h1") not in work.calls


async def test_a_tool_result_goes_through() -> None:
    result = ToolResult(1, {"k": 2})
    assert await long_running(Work(Poll("succeeded", result)), name="w").call() is result


@pytest.mark.parametrize(
    ("poll", "error", "text"),
    [
        (Poll("failed", error="disk\nfull"), ToolError, "disk full"),
        (Poll("failed"), ToolError, "tool 'w' failed and did not say why"),
        (Poll("failed", error="gone", terminal=True), TerminalToolError, "gone"),
    ],
)
async def test_its_failure_is_the_calls(poll: Poll, error: type[ToolError], text: str) -> None:
    work = Work(poll)
    with pytest.raises(ToolError) as caught:
        await long_running(work, name="w").call()
    assert type(caught.value) is error
    assert caught.value.message == text
    assert ("cancel", "h1") not in work.calls


@pytest.mark.parametrize(
    ("poll", "text"),
    [
        (ValueError("no such handle"), "no such handle"),
        ("done", "returned str, not a Poll"),
        (Poll("weird"), "unknown status 'weird'"),  # type: ignore[arg-type]
        (Poll("running", chunks=[object()]), "not JSON"),
    ],
)
async def test_a_poll_that_fails_cancels_the_work(poll: Any, text: str) -> None:
    work = Work(poll)
    with pytest.raises((ValueError, ToolError), match=text):
        await long_running(work, name="w").call()
    assert work.calls[-1] == ("cancel", "h1")


async def test_a_killed_call_cancels_the_work() -> None:
    work, shown = Work(Poll("running")), Shown()
    call = shown.call(long_running(work, name="w"))
    await settle()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert work.calls[-1] == ("cancel", "h1")
    assert shown.clock.pending == 0


async def test_a_work_that_cannot_be_cancelled_is_left(caplog: pytest.LogCaptureFixture) -> None:
    work, shown = Work(Poll("running")), Shown()
    work.stuck = True
    call = shown.call(long_running(work, name="w"))
    await settle()
    call.cancel()
    await shown.clock.advance(CANCEL_S)
    assert call.cancelled()
    assert "tool 'w' was not cancelled within 0.8 s" in caplog.text


async def test_an_error_of_the_cancel_is_logged_and_hides_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Work):
        def cancel(self, handle: str) -> None:  # type: ignore[override]
            raise RuntimeError("cannot")

    with pytest.raises(ValueError, match="first"):
        await long_running(Broken(ValueError("first")), name="w").call()
    assert "tool 'w' could not be cancelled: RuntimeError: cannot" in caplog.text


async def test_a_second_cancel_ends_the_wait() -> None:
    work, shown = Work(Poll("running")), Shown()
    work.stuck = True
    call = shown.call(long_running(work, name="w"))
    await settle()
    call.cancel()
    await settle()
    call.cancel()
    await settle()
    assert call.cancelled()
    assert shown.clock.pending == 0


@pytest.mark.parametrize("seconds", [0, -1, "1", None, float("nan")])
def test_an_interval_that_is_none_is_refused(seconds: Any) -> None:
    with pytest.raises(InvalidInput, match="poll_secs"):
        long_running(Work(), name="w", poll_secs=seconds)
