"""Prints of tools become events where they are captured, and go where the program's do where they are not."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

import headway
from headway.events import kinds
from headway.secrets.redactor import Redactor
from headway.tools.printing import MAX_CHARACTERS, MAX_LINE, Prints, begin_printing, capture, captured, printing, real

SECRET = "sesame-4711-open"


@headway.tool
def loud(word: str) -> str:
    """Print in a thread."""
    print(f"{word} out")
    print(f"{word} err", file=sys.stderr)
    sys.stdout.write("no end")
    return word


@headway.tool
async def soft(word: str) -> str:
    """Print in a task, and in one of its own."""
    print(word)

    async def inner() -> None:
        await asyncio.sleep(0)
        print(f"{word} within")

    await asyncio.create_task(inner())
    return word


async def printed(*calls: tuple[Any, str]) -> set[tuple[str | None, str, str]]:
    plan = headway.Plan(goal="print")
    for tool, word in calls:
        plan.call(tool, word).options(id=word)
    async with headway.Runtime(tools=[loud, soft]) as runtime:
        result = await runtime.start(plan)
        assert result.status == "completed"
        events = await runtime.log.read()
    texts: dict[tuple[str | None, str], str] = {}
    for event in events:
        if event.kind == kinds.ACTION_PRINT:
            key = event.action_id, event.data["stream"]
            texts[key] = texts.get(key, "") + event.data["text"]
    return {(*key, text) for key, text in texts.items()}


async def test_each_call_has_its_own_prints(capsys: pytest.CaptureFixture[str]) -> None:
    with capture():
        assert captured()
        found = await printed((loud, "a"), (soft, "b"), (soft, "c"))
    assert not captured()
    assert found == {
        ("a", "stdout", "a out\nno end"),
        ("a", "stderr", "a err\n"),
        ("b", "stdout", "b\nb within\n"),
        ("c", "stdout", "c\nc within\n"),
    }
    assert capsys.readouterr() == ("", "")


async def test_embedded_they_go_where_the_program_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert await printed((loud, "a"), (soft, "b")) == set()
    captured_text = capsys.readouterr()
    assert "a out\n" in captured_text.out
    assert "b within\n" in captured_text.out
    assert captured_text.err == "a err\n"


def test_what_nobody_calls_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout
    with capture():
        assert real(sys.stdout) is before
        print("loose")
        sys.stdout.flush()
        assert sys.stdout.writable()
        assert sys.stdout.encoding == before.encoding
        assert sys.stdout.isatty() == before.isatty()
    assert sys.stdout is before
    assert capsys.readouterr() == ("", "loose\n")


async def test_an_attempt_prints_so_much_and_no_more() -> None:
    told: list[dict[str, Any]] = []
    prints = Prints(headway.testing.VirtualClock(), told.append)
    with printing(prints), capture():
        for _ in range(MAX_CHARACTERS // 1000 + 10):
            print("x" * 999)
        print("\udc80 \x9b")
    prints.close()
    assert 0 < sum(len(data["text"]) for data in told) <= MAX_CHARACTERS


async def test_an_attempt_that_prints_for_long_prints_no_more_than_that() -> None:
    told: list[dict[str, Any]] = []
    clock = headway.testing.VirtualClock()
    prints = Prints(clock, told.append)
    for _ in range(MAX_CHARACTERS // 10_000 + 10):
        prints.write("stdout", "x" * 9_999 + "\n")
        await clock.advance(1.0)
    prints.close()
    assert sum(len(data["text"]) for data in told) == MAX_CHARACTERS


async def test_a_line_without_end_is_told_in_pieces() -> None:
    told: list[dict[str, Any]] = []
    prints = Prints(headway.testing.VirtualClock(), told.append)
    prints.write("stdout", "x" * MAX_LINE)
    assert prints._held["stdout"] == "x" * MAX_LINE
    prints.write("stdout", "y")
    assert prints._held["stdout"] == ""
    prints.close()
    assert "".join(data["text"] for data in told) == "x" * MAX_LINE + "y"


async def test_what_is_printed_has_no_secrets() -> None:
    told: list[dict[str, Any]] = []
    redactor = Redactor()
    redactor.add("KEY", headway.Secret(SECRET))
    prints = Prints(headway.testing.VirtualClock(), told.append, redactor)
    for part in ("it is ", SECRET[:7], SECRET[7:], "\nand no more"):
        prints.write("stdout", part)
    prints.close()
    assert "".join(data["text"] for data in told) == "it is «secret:KEY»\nand no more"


async def test_after_a_call_its_thread_prints_for_itself(capsys: pytest.CaptureFixture[str]) -> None:
    told: list[dict[str, Any]] = []
    prints = Prints(headway.testing.VirtualClock(), told.append)
    with capture():
        with printing(prints):
            print("within")
        print("after")
    prints.close()
    assert [data["text"] for data in told] == ["within\n"]
    assert capsys.readouterr() == ("", "after\n")


async def test_a_context_that_began_printing_prints_to_its_call() -> None:
    told: list[dict[str, Any]] = []
    prints = Prints(headway.testing.VirtualClock(), told.append)

    async def main() -> None:
        begin_printing(prints)
        print("\x9b here", end="")

    with capture():
        await asyncio.create_task(main())
    prints.close()
    assert told == [{"stream": "stdout", "text": "\x9b here"}]
