"""Plans made in Python, as type checkers see them: what fits passes, what does not is an error on its line.

Both checkers run over this file with their strictest settings, in which an ignored error that is none is an error too:
an ``ignore`` below says that the line must not type-check.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, assert_type

import headway
from headway import Action, ActionProposal, Plan, ToolContext, ToolResult, tool
from headway.plan.builder import Step
from headway.plan.format import ActionType


@dataclass
class Page:
    title: str
    words: int


@tool
async def fetch(url: str, *, timeout_s: float = 10.0) -> str:
    return f"{url} {timeout_s}"


@tool(name="split")
def parse(html: str) -> dict[str, int]:
    return {html: 1}


def read(html: str) -> Page:
    return Page(html, 1)


def count(page: Page, limit: int = 3) -> int:
    return page.words + limit


async def store(context: ToolContext, rows: list[str]) -> int:
    return len(rows) + context.attempt


def charge(amount: int) -> ToolResult:
    return ToolResult(amount)


async def chat(prompt: str) -> AsyncIterator[str]:
    yield prompt


def what_fits() -> None:
    plan = Plan(goal="read a page")
    page = plan.call(fetch, "https://example.org", timeout_s=1.5)
    assert_type(page, Step[str])
    assert_type(page.output, str)
    parts = plan.call(parse, page.output)
    assert_type(parts.output["a"], int)
    read_ = plan.call(read, html=page.output)
    assert_type(read_.output.title, str)
    counted = plan.call(count, read_.output, limit=parts.output["a"])
    assert_type(counted.output, int)
    stored = plan.call(store, rows=[page.output, read_.output.title])
    assert_type(stored.output, int)
    assert_type(plan.call(charge, 5).output, Any)
    assert_type(plan.call(chat, page.output).output, Any)
    named = plan.call("notify", text=page.output, any={"thing": 1})
    assert_type(named.output, Any)
    assert_type(plan.write("total", counted.output).output, str)
    assert_type(plan.read("total").output, Any)
    total = plan.read("total", int)
    assert_type(total.output, int)
    plan.call(count, read_.output, total.output).options(
        id="again",
        after=[stored, "notify"],
        failure_behavior="retry",
        max_retries=2,
        timeout_ms=500,
        idempotent=True,
        invocation_mode="one_shot",
    ).undo(parse, html=page.output).undo("revert", n=1).undo(store, rows=[])
    plan.check("total", 4)
    assert_type(plan.proposal(), ActionProposal)
    assert_type(plan.to_dict(), dict[str, Any])
    headway.verify(plan)
    plan.verify({"total": 3}).to_json()


def actions() -> None:
    Action(type="tool_call", tool="fetch", failure_behavior="skip", reversibility="compensable")
    Action(id="a", type=ActionType.STATE_READ, parameters={"key": "k"}, timeout_ms=5)
    assert_type(Action(type="assertion").type, ActionType)
    Action(type="tool_cal")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Action(tool="fetch")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Action(type="tool_call", params={})  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Action(type="tool_call", failure_behavior="replan")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def what_does_not_fit() -> None:
    plan = Plan()
    page = plan.call(fetch, "u")
    number = plan.call(count, Page("t", 1))
    headway.Pan()  # type: ignore[attr-defined]  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]
    plan.call(fetch)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    plan.call(fetch, 5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    plan.call(fetch, "u", timeout=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    plan.call(parse, number.output)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    plan.call(parse, page)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    plan.call(count, page.output)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    plan.call(store, rows=page.output)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    _ = page.output.nothing  # type: ignore[attr-defined]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType, reportAttributeAccessIssue]
    page.options(failure_behavior="replan")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    page.options(params={})  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Plan(gaol="x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
