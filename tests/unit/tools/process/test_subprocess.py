"""Tools in a child process: what they are asked and answer, how they crash, and that nothing of them stays behind."""

from __future__ import annotations

import asyncio
import math
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from headway.errors import InvalidInput, TerminalToolError, ToolError, ToolTimeout
from headway.testing import VirtualClock
from headway.tools.context import ToolContext
from headway.tools.process.child import TERM_GRACE_S
from headway.tools.process.dialogue import CANCEL_GRACE_S, EOF_GRACE_S
from headway.tools.process.subprocess import MAX_STDERR, Restart, SubprocessTool
from headway.tools.registry import ToolRegistry
from headway.tools.schema import ToolSchema
from headway.tools.stream import CONTEXT
from tests.unit.tools.process.children import alive, descriptors, until

TALKER = [sys.executable, "-IS", str(Path(__file__).with_name("talker.py"))]
ANSWER = "import json, sys; m = json.loads(input()); print(json.dumps({'id': m['id'], 'result': eval(sys.argv[1])}))"
ONE_SHOT = [sys.executable, "-IS", "-c", ANSWER]


class Talk:
    """A tool, its clock, and what its calls report."""

    def __init__(self, *command: str, **options: Any) -> None:
        self.clock = VirtualClock()
        self.tool = SubprocessTool([*TALKER, *command], name="talker", clock=self.clock, **options)
        self.told: asyncio.Queue[Any] = asyncio.Queue()

    def call(self, do: str, **params: Any) -> asyncio.Task[Any]:
        context = ToolContext(
            progress=lambda _, *report: self.told.put_nowait(report),
            chunks=lambda _, chunk: self.told.put_nowait(chunk),
        )
        return asyncio.create_task(self.tool.call(do=do, **params, **{CONTEXT: context}))

    async def held(self) -> asyncio.Task[Any]:
        """Return a call that the child has got and does not answer."""
        call = self.call("hold")
        assert await self.told.get() == (None, None, "held")
        return call

    async def pid(self) -> int:
        found = await self.tool.call(pid=True)
        assert isinstance(found, int)
        return found


@pytest.fixture
async def talk() -> AsyncIterator[Talk]:
    one = Talk()
    yield one
    pid = one.tool.statistics().pid
    closing = asyncio.create_task(one.tool.aclose())
    await one.clock.advance(TERM_GRACE_S)
    await closing
    assert pid is None or not alive(pid)


# -- asking --------------------------------------------------------------------------------------------------------


async def test_it_is_started_by_the_first_call_and_serves_the_next(talk: Talk) -> None:
    assert talk.tool.statistics().pid is None
    assert await talk.call("echo", value={"a": [1, None, "é"]}) == {"a": [1, None, "é"]}
    statistics = talk.tool.statistics()
    assert (statistics.starts, statistics.in_flight, statistics.ignored) == (1, 0, 0)
    assert await talk.pid() == statistics.pid == talk.tool.statistics().pid
    assert repr(talk.tool) == f"SubprocessTool('talker', pid={statistics.pid})"


async def test_calls_in_flight_are_told_apart_by_their_ids(talk: Talk) -> None:
    calls = [await talk.held() for _ in range(3)]
    assert talk.tool.statistics().in_flight == 3
    await talk.call("release")  # answers in reverse
    assert [await call for call in calls] == ["held 1", "held 2", "held 3"]


async def test_two_hundred_calls_at_once(talk: Talk) -> None:
    answers = await asyncio.gather(*(talk.tool.call(value=n) for n in range(200)))
    assert answers == list(range(200))
    assert talk.tool.statistics().starts == 1


async def test_large_parameters_reach_it_and_large_results_come_back(talk: Talk) -> None:
    text = "x" * 1_000_000
    assert await asyncio.gather(*(talk.call("echo", value=text) for _ in range(3))) == [text] * 3


async def test_its_error_is_the_calls_in_one_line(talk: Talk) -> None:
    with pytest.raises(ToolError, match=r"^no such row$") as caught:
        await talk.call("error", text="no such\nrow")
    assert type(caught.value) is ToolError
    with pytest.raises(TerminalToolError, match="gone"):
        await talk.call("error", text="gone", terminal=True)
    for error in (5, [], {}, {"message": 7}, {"message": ""}, {"message": "\x1b[31m"}, "just text"):
        with pytest.raises(ToolError) as caught:
            await talk.call("odd_error", error=error)
        assert "\x1b" not in caught.value.message


async def test_progress_and_chunks_reach_the_context(talk: Talk) -> None:
    messages = [
        ("progress", {"current": 1, "total": 3, "message": "one"}),
        ("chunk", {"chunk": "text"}),
        ("progress", {"current": "x"}),  # the rest is no progress and no chunk
        ("progress", {"current": 10**400}),
        ("progress", {"message": {"a": 1}}),
        ("nonsense", {}),
    ]
    assert await talk.call("tell", messages=messages) == "told"
    assert [talk.told.get_nowait() for _ in range(talk.told.qsize())] == [(1, 3, "one"), "text"]
    assert talk.tool.statistics().ignored == 4


async def test_its_entry_is_called_like_any_tool(talk: Talk) -> None:
    registry = ToolRegistry()
    entry = talk.tool.entry()
    registry.register(entry)
    assert (entry.source, entry.is_async, entry.category) == ("subprocess", True, "subprocess")
    assert entry.writes_files  # what a program does is not known
    assert await entry.call(value=3, **{CONTEXT: ToolContext()}) == 3
    await registry.aclose()
    assert await entry.call(value=4) == 4
    assert talk.tool.statistics().starts == 2


async def test_parameters_may_have_any_name(talk: Talk) -> None:
    names = ("self", "tool", "name", "function", "callable", "params", "context", "method")
    assert await talk.tool.entry().call(value=5, **dict.fromkeys(names, 1)) == 5


def test_its_schema_may_be_a_json_schema_or_whole() -> None:
    parameters = {"type": "object", "required": ["q"]}
    entry = SubprocessTool(["x"], name="s", schema=parameters, description="Finds.", permission="ask").entry()
    assert (entry.schema.parameters, entry.schema.description, entry.permission) == (parameters, "Finds.", "ask")
    assert entry.validate({}) == ["missing required parameter 'q' for tool 's'"]
    assert SubprocessTool(["x"], name="", schema=ToolSchema(name="whole")).name == "whole"


def test_its_entry_may_have_another_name() -> None:
    tool = SubprocessTool(["x"], name="a", schema=ToolSchema(name="a", description="Adds.", idempotent=True))
    schema = tool.entry("b").schema
    assert (schema.name, schema.description, schema.idempotent, tool.schema.name) == ("b", "Adds.", True, "a")
    for name in ("", 3, "x" * 300):
        with pytest.raises(InvalidInput):
            tool.entry(name)  # type: ignore[arg-type]


async def test_it_may_be_asked_by_another_name() -> None:
    tool = SubprocessTool([*ONE_SHOT, "m['method']"], name="a", method="b/c")
    assert await tool.call() == "b/c"
    await tool.aclose()


# -- where it lives ------------------------------------------------------------------------------------------------


async def test_it_sees_no_more_of_the_environment_than_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAY_SECRET", "hunter2")
    monkeypatch.setenv("NAMED", "yes")
    monkeypatch.setenv("LANG", "C")
    for named, more in (((), {}), (("NAMED", "SET=a=b", "ABSENT"), {"NAMED": "yes", "SET": "a=b"})):
        talk = Talk(env=named)
        seen = await talk.call("environment")
        seen.pop("LC_CTYPE", None)  # Python's own
        assert seen == {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "LANG": "C", **more}
        await talk.tool.aclose()


async def test_it_works_in_its_folder_and_in_a_group_of_its_own(tmp_path: Path) -> None:
    talk = Talk(cwd=tmp_path)
    where, pid, group, session = await talk.call("where")
    assert where == os.path.realpath(tmp_path)  # noqa: ASYNC240 - nothing else runs
    assert pid == group == session == talk.tool.statistics().pid
    await talk.tool.aclose()


async def test_no_shell_sees_the_command(tmp_path: Path) -> None:
    words = ["$HOME; touch x", "`id`", "*", ""]
    tool = SubprocessTool([*ONE_SHOT, "sys.argv[2:]", *words], name="a", cwd=tmp_path)
    assert await tool.call() == words
    await tool.aclose()
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - nothing else runs


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (["no-such-program-here"], "'no-such-program-here' cannot be started: No such file or directory"),
        (["/"], "'/' cannot be started: Permission denied"),
    ],
)
async def test_a_program_that_cannot_be_started_fails_the_call(command: list[str], text: str) -> None:
    tool = SubprocessTool(command, name="a")
    for _ in range(2):  # and at once each time: nothing crashed
        with pytest.raises(ToolError) as caught:
            await tool.call()
        assert caught.value.message == text
    await tool.aclose()


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    tool = SubprocessTool(TALKER, name="a", cwd=tmp_path / "gone")
    with pytest.raises(ToolError, match="cannot be started: its folder: No such file"):
        await tool.call()


# -- hostile children ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "noise",
    [
        "not json\n",
        "\n\n\x00\x1b[2J\n",
        "[1, 2]\n5\nnull\n",
        '{"id": NUMBER}\n',
        '{"jsonrpc": "2.0", "id": true, "result": "wrong"}\n{"id": NUMBER.0, "result": "wrong"}\n',
        '{"id": "NUMBER", "result": "wrong"}\n{"id": null, "result": "wrong"}\n{"id": [1], "result": 1}\n',
        '{"id": 99999, "result": "wrong"}\n{"id": -1, "result": "wrong"}\n',
        '{"id": NUMBER, "method": "ask back", "params": {}}\n{"method": 3}\n{"method": "$/chunk", "params": []}\n',
        '{"method": "$/chunk", "params": {"id": true, "chunk": "wrong"}}\n',
        "[" * 100_000 + "\n",
        "{'a python': 'dict'}\n",
    ],
)
async def test_what_is_no_answer_is_ignored_and_counted(talk: Talk, noise: str) -> None:
    text = noise + '{"jsonrpc": "2.0", "id": NUMBER, "result": "right"}\n'
    assert await talk.call("raw", text=text) == "right"
    assert talk.tool.statistics().ignored == noise.count("\n")
    assert talk.told.empty()


async def test_an_answer_in_pieces_is_one_answer(talk: Talk) -> None:
    call = talk.call("raw", text='{"id": NUMBER, "res')
    await until(lambda: talk.tool.statistics().in_flight)
    assert await talk.call("raw", text='ult": 1}\n{"id": NUMBER, "result": 2}\n') == 2
    assert await call == 1


async def test_a_second_answer_is_ignored(talk: Talk) -> None:
    answer = '{"id": NUMBER, "result": %d}\n'
    assert await talk.call("raw", text=answer % 1 + answer % 2) == 1
    assert await talk.call("echo", value=3) == 3


async def test_an_answer_that_is_too_long_fails_and_the_process_goes_on() -> None:
    talk = Talk(max_output_bytes=1000)
    pid = await talk.pid()
    with pytest.raises(ToolError, match=r"^tool 'talker' answered with a line of more than 1,000 bytes$"):
        await talk.call("huge", size=200_000)
    assert await talk.call("echo", value="x" * 900) == "x" * 900
    assert talk.tool.statistics().pid == pid
    await talk.tool.aclose()


@pytest.mark.parametrize("broken", ['{"jsonrpc": "2.0", "id": NUMBER, "result": NaN}\n', '{"jsonrpc":"2.0","id":1\n'])
async def test_an_answer_that_cannot_be_read_fails(talk: Talk, broken: str) -> None:
    with pytest.raises(ToolError, match="gave an answer that is not JSON"):
        await talk.call("raw", text=broken)
    assert await talk.call("echo", value=1) == 1


@pytest.mark.parametrize("start", ["x", '{"level": "info", "message": "', "[1, "])
async def test_a_long_line_that_is_no_answer_fails_nobody(start: str) -> None:
    talk = Talk(max_output_bytes=1000)
    held = await talk.held()
    noise = start + "x" * 2_000_000 + "\n"
    assert await talk.call("raw", text=noise + '{"jsonrpc": "2.0", "id": NUMBER, "result": 1}\n') == 1
    await talk.call("release")
    assert await held == "held 1"
    assert (talk.tool.statistics().ignored, talk.tool.statistics().starts) == (1, 1)
    await talk.tool.aclose()


@pytest.mark.parametrize("start", ['{"id": NUMBER, "result": "', '{"result": "', ' {"error": {"message": "'])
async def test_an_answer_that_is_too_long_is_known_by_its_beginning(start: str) -> None:
    talk = Talk(max_output_bytes=1000)
    with pytest.raises(ToolError, match="answered with a line of more than 1,000 bytes"):
        await talk.call("raw", text=start + "x" * 5000 + '", "jsonrpc": "2.0", "id": NUMBER}\n')
    await talk.tool.aclose()


async def test_of_several_calls_an_unreadable_answer_may_be_any_ones() -> None:
    talk = Talk(max_output_bytes=1000)
    first = await talk.held()
    second = talk.call("huge", size=5000)
    for call in (first, second):
        with pytest.raises(ToolError, match="more than 1,000 bytes, one of 2 calls in flight: all of them fail"):
            await call
    assert await talk.call("echo", value=1) == 1  # the late answer to the cancel of the first is ignored
    assert talk.tool.statistics().starts == 1
    await talk.tool.aclose()


async def test_a_flood_ends_the_process(talk: Talk) -> None:
    with pytest.raises(ToolError, match=r"was ended because it wrote 67,108,864 bytes that are no answer"):
        await talk.call("flood")
    await until(lambda: talk.tool.statistics().pid is None)
    await talk.clock.advance(1)
    assert await talk.call("echo", value=1) == 1
    assert talk.tool.statistics().starts == 2


async def test_stderr_is_kept_apart_and_bounded(talk: Talk) -> None:
    assert await talk.call("stderr", text="first\n" + "x" * 200_000 + '{"id": 1, "result": "no"}\n\xff') == "said"
    await until(lambda: talk.tool.stderr().endswith("\xff"))
    assert len(talk.tool.stderr().encode()) <= MAX_STDERR
    assert "first" not in talk.tool.stderr()
    assert talk.tool.statistics().ignored == 0


# -- crashes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("do", "params", "how"),
    [
        ("exit", {"code": 0}, "ended with exit code 0"),
        ("exit", {"code": 7}, "ended with exit code 7"),
        ("die", {}, "was ended by SIGKILL"),
    ],
)
async def test_a_crash_fails_the_calls_in_flight_and_the_next_starts_it_again(
    talk: Talk, do: str, params: dict[str, Any], how: str
) -> None:
    first = await talk.held()
    pid = talk.tool.statistics().pid
    second = talk.call(do, **params)
    for call in (first, second):
        with pytest.raises(ToolError, match=rf"^the process of tool 'talker' {how} before it answered$"):
            await call
    assert talk.tool.statistics().pid is None
    third = talk.call("echo", value=3)
    await talk.clock.advance(0.1)
    assert await third == 3
    assert talk.tool.statistics().pid != pid


async def test_crashes_in_a_row_are_answered_ever_later_and_an_answer_ends_the_row(talk: Talk) -> None:
    for delay in (0.0, 0.1, 0.2, 0.4):
        call = talk.call("exit", code=1)
        if delay:
            await talk.clock.advance(delay - 0.01)
            assert talk.tool.statistics().pid is None
            await talk.clock.advance(0.02)
        with pytest.raises(ToolError, match="exit code 1"):
            await call
    answered = talk.call("echo", value=1)
    await talk.clock.advance(0.8)
    assert await answered == 1
    with pytest.raises(ToolError):
        await talk.call("exit", code=1)
    again = talk.call("echo", value=2)
    await talk.clock.advance(0.1)
    assert await again == 2


def test_the_backoff_is_bounded() -> None:
    assert [Restart(1, 5).delay(n) for n in (0, 1, 2, 3, 4, 10_000)] == [0, 1, 2, 4, 5, 5]
    for bad in ({"backoff_s": 0}, {"cap_s": -1}, {"cap_s": math.inf}, {"backoff_s": "1"}):
        with pytest.raises(InvalidInput):
            Restart(**bad)  # type: ignore[arg-type]


async def test_one_that_answers_and_exits_is_started_again_at_once(talk: Talk) -> None:
    for value in range(3):
        assert await talk.call("answer_and_exit", value=value) == value
        await until(lambda: talk.tool.statistics().pid is None)
    assert talk.tool.statistics().starts == 3


async def test_without_restart_it_stays_ended() -> None:
    talk = Talk(restart=None)
    with pytest.raises(ToolError):
        await talk.call("exit", code=4)
    with pytest.raises(ToolError, match="ended with exit code 4 and is not started again"):
        await talk.call("echo", value=1)


async def test_one_that_exits_before_it_reads_anything_fails_its_call() -> None:
    talk = Talk("exit")
    with pytest.raises(ToolError, match="before it answered"):
        await talk.call("echo", value="x" * 500_000)
    await talk.tool.aclose()


@pytest.mark.parametrize("name", ["stdout", "stdin"])
async def test_one_that_closes_a_pipe_is_ended(talk: Talk, name: str) -> None:
    calls = [talk.call("close", name=name)]
    if name == "stdin":  # it is noticed by writing to it
        calls.append(talk.call("echo", value="x" * 500_000))
    await until(lambda: talk.tool._dialogue is not None and not talk.tool._dialogue.usable)
    await talk.clock.advance(EOF_GRACE_S)
    word = {"stdout": "output", "stdin": "input"}[name]
    for call in calls:
        with pytest.raises(ToolError, match=f"was ended because it closed its {word} before it answered"):
            await call


async def test_a_grandchild_that_holds_the_pipes_delays_nothing_and_ends_too(talk: Talk) -> None:
    call = talk.call("heir")
    grandchild = await talk.told.get()
    with pytest.raises(ToolError, match="exit code 3"):
        await call
    await until(lambda: not alive(grandchild))


async def test_closing_ends_grandchildren(talk: Talk) -> None:
    grandchild = await talk.call("heir", then="answer")
    assert alive(grandchild)
    await talk.tool.aclose()
    await until(lambda: not alive(grandchild))


# -- cancelling ----------------------------------------------------------------------------------------------------


async def test_a_cancelled_call_that_heeds_it_leaves_the_process_to_the_others(talk: Talk) -> None:
    cancelled, other = await talk.held(), await talk.held()
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    await talk.call("release")
    assert await other == "held 2"
    assert talk.tool.statistics().starts == 1
    await talk.clock.advance(CANCEL_GRACE_S)
    assert talk.tool.statistics().pid is not None


async def test_one_that_does_not_heed_a_cancel_is_ended_by_term_then_kill(talk: Talk) -> None:
    other = await talk.held()
    call = talk.call("stubborn")
    assert await talk.told.get() == (None, None, "deaf")
    pid = talk.tool.statistics().pid
    assert pid is not None
    call.cancel()
    await talk.clock.advance(CANCEL_GRACE_S)
    await talk.clock.advance(TERM_GRACE_S - 0.01)
    assert alive(pid)
    assert not call.done()
    await talk.clock.advance(0.02)
    with pytest.raises(asyncio.CancelledError):
        await call
    with pytest.raises(ToolError, match="was ended because it did not heed a cancel before it answered"):
        await other
    assert not alive(pid)
    assert await talk.call("echo", value=1) == 1  # no crash: no backoff


async def test_a_call_that_is_not_answered_times_out() -> None:
    talk = Talk(timeout=5)
    call = await talk.held()
    await talk.clock.advance(5)
    with pytest.raises(ToolTimeout, match=r"^tool 'talker' did not answer within 5 s$"):
        await call
    assert talk.tool.statistics().starts == 1  # it heeded the cancel
    deaf = talk.call("stubborn")
    await talk.told.get()
    await talk.clock.advance(5)
    await talk.clock.advance(CANCEL_GRACE_S)
    await talk.clock.advance(TERM_GRACE_S)
    with pytest.raises(ToolTimeout):
        await deaf
    await talk.tool.aclose()


async def test_without_a_timeout_no_timer_runs() -> None:
    talk = Talk(timeout=None)
    call = await talk.held()
    assert talk.clock.pending == 0
    await talk.call("release")
    assert await call == "held 1"
    await talk.tool.aclose()


async def test_a_second_cancel_does_not_wait_but_the_process_still_ends(talk: Talk) -> None:
    call = talk.call("stubborn")
    await talk.told.get()
    pid = talk.tool.statistics().pid
    assert pid is not None
    call.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await talk.clock.advance(CANCEL_GRACE_S)
    await talk.clock.advance(TERM_GRACE_S)
    await until(lambda: not alive(pid))


async def test_a_call_cancelled_in_the_backoff_sends_nothing(talk: Talk) -> None:
    with pytest.raises(ToolError):
        await talk.call("exit", code=1)
    call = talk.call("echo", value=1)
    await talk.clock.advance(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert talk.tool.statistics().starts == 1


async def test_closing_fails_what_is_in_flight_and_the_next_call_starts_anew(talk: Talk) -> None:
    call = await talk.held()
    pid = talk.tool.statistics().pid
    assert pid is not None
    await talk.tool.aclose()
    with pytest.raises(ToolError, match="was ended with its tool before it answered"):
        await call
    assert not alive(pid)
    assert await talk.call("echo", value=1) == 1
    assert talk.tool.statistics().starts == 2
    await talk.tool.aclose()
    await talk.tool.aclose()


async def test_closing_is_no_crash_but_fails_who_waits_for_a_start(talk: Talk) -> None:
    once = Talk(restart=None)
    assert await once.call("echo", value=1) == 1
    await once.tool.aclose()
    assert await once.call("echo", value=2) == 2
    await once.tool.aclose()
    with pytest.raises(ToolError):
        await talk.call("exit", code=4)
    waiting = talk.call("echo", value=3)
    await asyncio.sleep(0)
    await talk.tool.aclose()
    await talk.clock.advance(10)
    with pytest.raises(ToolError, match="tool 'talker' was closed"):
        await waiting
    assert await talk.call("echo", value=4) == 4


# -- nothing stays behind ------------------------------------------------------------------------------------------


async def test_no_descriptor_is_left_open() -> None:
    await asyncio.sleep(0)
    before = descriptors()
    for _ in range(5):
        talk = Talk()
        await talk.call("echo", value=1)
        with pytest.raises(ToolError):
            await talk.call("exit", code=1)
        await talk.tool.aclose()
        with pytest.raises(ToolError):
            await SubprocessTool(["no-such-program-here"], name="a").call()
    assert descriptors() == before


async def test_another_loop_may_not_use_it_at_the_same_time(talk: Talk) -> None:
    await talk.call("echo")

    def elsewhere() -> None:
        with pytest.raises(ToolError, match="in use on another event loop"):
            asyncio.run(talk.tool.call(value=1))

    await asyncio.to_thread(elsewhere)


@pytest.mark.parametrize("value", [math.nan, object(), "\ud800", {3: object()}])
async def test_parameters_that_are_not_json_are_refused_and_the_process_goes_on(talk: Talk, value: Any) -> None:
    with pytest.raises(InvalidInput, match="the parameters of tool 'talker' are not JSON"):
        await talk.tool.call(value=value)
    assert talk.tool.statistics().in_flight == 0
    assert await talk.call("echo", value=1) == 1
