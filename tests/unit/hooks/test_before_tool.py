"""Hooks before tools: their verdicts, nonsense among them, what an edit passes again, and who is asked."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import headway
from headway import Runtime
from headway.clock import SYSTEM_CLOCK
from headway.config import load_config
from headway.egress import Door, Rules
from headway.elicitation import Elicitation
from headway.engine import Engine
from headway.errors import Conflict, InvalidConfig, InvalidInput, NotTrusted
from headway.events import kinds
from headway.execution.resumption import resumption_of
from headway.hooks.gate import CONCURRENT, ToolHook
from headway.hooks.judges import RemoteJudge
from headway.hooks.post import Post
from headway.hooks.program import Program
from headway.hooks.verdict import JudgedCall, Verdict
from headway.plan.results import ActionStatus, ErrorCode
from headway.secrets.vault import Vault
from headway.testing import VirtualClock
from headway.tools.sandbox import Sandbox
from tests.unit.egress.server import page, serving
from tests.unit.execution.kit import call, events_of, write

PLAN = {"actions": [call("a", "note", parameters={"path": "a.txt", "n": 1})]}


class Noted:
    """A runtime with a tool that notes its calls."""

    def __init__(self, **options: Any) -> None:
        self.calls: list[dict[str, Any]] = []

        @headway.tool
        async def note(path: str, n: int = 0) -> str:
            self.calls.append({"path": path, "n": n})
            return path

        self.runtime = Runtime(tools=[note], sandbox="off", **options)

    async def run(self, plan: dict[str, Any] = PLAN) -> headway.ActionResult:
        return (await self.runtime.execute(plan)).results[0]

    async def verdicts(self) -> list[dict[str, Any]]:
        return [event.data for event in await events_of(self.runtime, kinds.HOOK_VERDICT)]


async def test_a_call_that_is_allowed_is_made_as_it_is_and_the_hook_sees_all_of_it(tmp_path: Path) -> None:
    noted, seen = Noted(workspace=tmp_path, principal="ann"), []

    @noted.runtime.before_tool
    def look(judged: JudgedCall) -> bool:
        seen.append(judged)
        judged.parameters["path"] = "changed in place"  # of a copy
        return True

    plan = {
        "actions": [
            write("w", "k"),
            call("a", "note", parameters={"path": "b.txt"}),
            call("b", "note", parameters={"path": "$a.output"}),
        ]
    }
    result = await noted.runtime.execute(plan)
    assert result.status == "completed"
    assert [one["path"] for one in noted.calls] == ["b.txt", "b.txt"]
    assert [(one.tool, one.action_id, one.principal, one.workspace) for one in seen] == [
        ("note", "a", "ann", str(tmp_path)),
        ("note", "b", "ann", str(tmp_path)),
    ]
    assert await noted.verdicts() == []


async def test_a_call_that_is_denied_is_not_made_and_says_why() -> None:
    noted = Noted()
    noted.runtime.before_tool(lambda judged: {"verdict": "deny", "reason": "not\non Fridays"}, name="guard")
    result = await noted.run()
    assert (result.status, result.error_code) == (ActionStatus.REJECTED, ErrorCode.POLICY_DENIED)
    assert result.error == "hook 'guard' denied it: not on Fridays"
    assert noted.calls == []
    [event] = await events_of(noted.runtime, kinds.POLICY_VIOLATION)
    assert event.data["reasons"] == [result.error]


NONSENSE: list[Any] = [
    None,
    "allow",
    1,
    [],
    {},
    {"verdict": "maybe"},
    {"verdict": True},
    {"verdict": "allow", "parametres": {}},
    {"verdict": "allow", "parameters": {}},
    {"verdict": "edit"},
    {"verdict": "edit", "parameters": [1]},
    {"verdict": "edit", "parameters": {"x": object()}},
    {"verdict": "deny", "reason": 7},
    Verdict("edit"),
    Verdict("nonsense"),
]


@pytest.mark.parametrize("answer", NONSENSE, ids=range(len(NONSENSE)))
async def test_nonsense_is_no_verdict_it_denies_if_strict_and_else_is_told(answer: Any) -> None:
    strict, lenient = Noted(), Noted()
    strict.runtime.before_tool(lambda judged: answer, name="h")
    lenient.runtime.before_tool(lambda judged: answer, name="h", strict=False)
    denied, allowed = await strict.run(), await lenient.run()
    assert denied.error_code == ErrorCode.POLICY_DENIED
    assert denied.error is not None
    assert denied.error.startswith("hook 'h' gave no verdict: ")
    assert (strict.calls, allowed.status, len(lenient.calls)) == ([], ActionStatus.SUCCEEDED, 1)
    assert [one["denied"] for one in (*await strict.verdicts(), *await lenient.verdicts())] == [True, False]
    assert (await lenient.verdicts())[0]["reason"] in denied.error


@pytest.mark.parametrize("strict", [True, False])
async def test_an_error_and_a_hang_are_no_verdict_within_a_bounded_time(strict: bool) -> None:
    clock = VirtualClock()
    noted = Noted(clock=clock)

    hangs = asyncio.Event()

    async def hang(judged: JudgedCall) -> None:
        hangs.set()
        await asyncio.Event().wait()

    def broken(judged: JudgedCall) -> None:
        raise ValueError("a bug")

    noted.runtime.before_tool(broken, strict=False)
    noted.runtime.before_tool(hang, strict=strict, timeout_secs=3)
    running = asyncio.ensure_future(noted.run())
    await hangs.wait()
    await clock.advance(3)
    result = await running
    assert result.status is (ActionStatus.REJECTED if strict else ActionStatus.SUCCEEDED)
    reasons = [(one["hook"], one["reason"], one["denied"]) for one in await noted.verdicts()]
    assert reasons == [("broken", "ValueError: a bug", False), ("hang", "it gave none within 3 s", strict)]


async def test_an_edited_call_is_validated_and_judged_by_the_policies_anew() -> None:
    def edits(parameters: dict[str, Any]) -> Noted:
        noted = Noted()
        noted.runtime.policies.deny_tool_param("secrets", "note", "path", "secret")
        noted.runtime.before_tool(lambda judged: {"verdict": "edit", "parameters": parameters}, name="edit")
        return noted

    fine = edits({"path": "safe.txt", "n": 2})
    result = await fine.run()
    assert (result.output, fine.calls) == ("safe.txt", [{"path": "safe.txt", "n": 2}])
    assert await fine.verdicts() == [{"hook": "edit", "verdict": "edit", "parameters": {"path": "safe.txt", "n": 2}}]
    widens = edits({"path": "my-secret.txt"})
    result = await widens.run()
    assert (result.error_code, widens.calls) == (ErrorCode.POLICY_DENIED, [])
    for parameters in ({"path": 7}, {"path": "x", "more": 1}, {}):
        wrong = edits(parameters)
        result = await wrong.run()
        assert (result.error_code, wrong.calls) == (ErrorCode.VALIDATION, [])


async def test_what_runs_is_what_every_hook_has_allowed() -> None:
    noted, seen = Noted(), []

    def guard(judged: JudgedCall) -> dict[str, Any]:
        seen.append(judged.parameters["path"])
        return {"verdict": "deny", "reason": "no"} if judged.parameters["path"] == "b.txt" else {"verdict": "allow"}

    noted.runtime.before_tool(guard)
    noted.runtime.before_tool(lambda judged: {"verdict": "edit", "parameters": {"path": "b.txt"}}, name="edit")
    assert (await noted.run()).error == "hook 'guard' denied it: no"
    assert (seen, noted.calls) == (["a.txt", "b.txt"], [])


async def test_hooks_that_edit_without_end_are_denied() -> None:
    noted = Noted()
    noted.runtime.before_tool(
        lambda judged: {"verdict": "edit", "parameters": {"path": judged.parameters["path"] + "x"}}, name="more"
    )
    assert (await noted.run()).error == "hook 'more' edits the call again and again"
    assert noted.calls == []


def answering(choice: str, value: Any = None) -> tuple[list[Elicitation], Callable[[Elicitation], Any]]:
    asked: list[Elicitation] = []

    def answer(question: Elicitation) -> Any:
        asked.append(question)
        return headway.elicitation.Answer(choice, value)

    return asked, answer


@pytest.mark.parametrize(("choice", "runs"), [("allow", True), ("deny", False)])
async def test_a_person_is_asked_through_the_inbox(choice: str, runs: bool) -> None:
    asked, answer = answering(choice)
    noted = Noted(on_elicitation=answer)
    noted.runtime.before_tool(lambda judged: Verdict("ask", "it is Friday"), name="guard")
    result = await noted.run()
    assert result.status is (ActionStatus.SUCCEEDED if runs else ActionStatus.REJECTED)
    assert [(one.kind, one.prompt, one.parameters) for one in asked] == [
        ("approval", "hook 'guard' asks: it is Friday", {"path": "a.txt", "n": 1})
    ]
    assert len(noted.calls) == runs


async def test_nobody_there_to_ask_is_a_no() -> None:
    noted = Noted()
    noted.runtime.before_tool(lambda judged: Verdict("ask"), name="guard")
    result = await noted.run()
    assert (result.error_code, noted.calls) == (ErrorCode.APPROVAL_DENIED, [])


async def test_what_a_person_edits_is_judged_again_and_asked_about_no_second_time() -> None:
    asked, answer = answering("edit", {"path": "c.txt", "n": 3})
    noted, seen = Noted(on_elicitation=answer), []

    @noted.runtime.before_tool
    def guard(judged: JudgedCall) -> Verdict:
        seen.append(judged.parameters["path"])
        return Verdict("ask")

    assert (await noted.run()).output == "c.txt"
    assert (seen, len(asked)) == (["a.txt", "c.txt"], 1)


async def test_a_call_is_judged_once_not_at_each_attempt() -> None:
    tries, judged = [], []

    @headway.tool
    async def flaky() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise RuntimeError("not yet")
        return 7

    runtime = Runtime(tools=[flaky])

    @runtime.before_tool
    async def count(one: JudgedCall) -> bool:
        judged.append(one)
        return True

    result = await runtime.execute({"actions": [call("a", "flaky", max_retries=3, failure_behavior="retry")]})
    assert (result.results[0].output, len(judged)) == (7, 1)


async def test_what_undoes_an_action_is_judged_and_cannot_be_edited() -> None:
    undone: list[str] = []

    @headway.tool
    async def book() -> None:
        return None

    @headway.tool
    async def cancel() -> None:
        undone.append("cancel")

    @headway.tool
    async def boom() -> None:
        raise RuntimeError("boom")

    plan = {
        "actions": [
            call(
                "a",
                "book",
                reversibility="compensable",
                compensation={"type": "tool", "tool": "cancel", "parameters": {}},
            ),
            call("b", "boom", dependencies=["a"], failure_behavior="abort"),
        ]
    }
    for answer, runs in (({"verdict": "edit", "parameters": {}}, 0), (False, 0), (True, 1)):
        runtime, undone[:] = Runtime(tools=[book, cancel, boom]), []
        runtime.before_tool(lambda judged, answer=answer: answer, name="guard", tools=["canc*"])  # type: ignore[misc]
        await runtime.execute(plan)
        assert len(undone) == runs


async def test_only_the_tools_that_are_named_are_judged_and_a_hook_may_go() -> None:
    noted = Noted()
    noted.runtime.before_tool(lambda judged: False, name="a", tools=["other", "git_*"])
    assert (await noted.run()).status is ActionStatus.SUCCEEDED
    noted.runtime.before_tool(lambda judged: False, name="b", tools=["no*"])
    assert (await noted.run()).status is ActionStatus.REJECTED
    assert noted.runtime.remove_before_tool("b")
    assert not noted.runtime.remove_before_tool("b")
    assert (await noted.run()).status is ActionStatus.SUCCEEDED


def test_what_makes_no_sense_is_refused() -> None:
    runtime = Runtime()
    runtime.before_tool(lambda judged: True, name="a")
    with pytest.raises(Conflict, match="already a hook 'a'"):
        runtime.before_tool(lambda judged: True, name="a")
    wrong: list[tuple[Any, dict[str, Any]]] = [
        (7, {}),
        (bool, {"timeout_secs": 0}),
        (bool, {"strict": "yes"}),
        (bool, {"tools": [7]}),
        (bool, {"name": ""}),
    ]
    for judge, options in wrong:
        with pytest.raises(InvalidInput) as refused:
            runtime.before_tool(judge, **options)
        assert refused.value.code
        assert refused.value.remedy


async def test_a_cancel_ends_the_wait_for_a_verdict() -> None:
    noted, began, gone = Noted(), asyncio.Event(), []

    @noted.runtime.before_tool
    async def hang(judged: JudgedCall) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            gone.append(True)
            raise

    handle = noted.runtime.start(PLAN)
    await began.wait()
    handle.cancel("enough")
    result = await handle
    assert result.results[0].error == "canceled: enough"
    assert (gone, noted.calls) == ([True], [])


async def test_a_hook_judges_a_bounded_number_of_calls_concurrently() -> None:
    noted, now, most = Noted(), 0, 0
    free = asyncio.Event()

    @noted.runtime.before_tool
    async def slow(judged: JudgedCall) -> bool:
        nonlocal now, most
        now, most = now + 1, max(most, now + 1)
        if now == CONCURRENT:
            free.set()
        await free.wait()
        now -= 1
        return True

    actions = [call(f"a{n}", "note", parameters={"path": str(n)}) for n in range(40)]
    await noted.runtime.execute({"actions": actions})
    assert (most, len(noted.calls)) == (CONCURRENT, 40)


async def test_a_function_that_blocks_holds_up_its_call_only() -> None:
    noted, free = Noted(), threading.Event()
    noted.runtime.before_tool(lambda judged: free.wait(60) and True, name="slow", tools=["note"])
    blocked = asyncio.ensure_future(noted.run())
    assert (await Noted().run()).status is ActionStatus.SUCCEEDED
    free.set()
    assert (await blocked).status is ActionStatus.SUCCEEDED


async def test_an_edit_is_known_to_the_run_that_resumes() -> None:
    noted = Noted()
    noted.runtime.before_tool(lambda judged: {"verdict": "edit", "parameters": {"path": "b.txt"}}, name="edit")
    handle = noted.runtime.start(PLAN)
    await handle
    view = handle.view
    assert resumption_of(view, {}).edited == {0: {"path": "b.txt"}}


# -- programs and webhooks -------------------------------------------------------------------------------------------

JUDGE = """
import json, sys
call = json.load(sys.stdin)
open('seen', 'w').write(json.dumps(call))
print(json.dumps({"verdict": "deny", "reason": f"{call['kind']} {call['tool']} {call['parameters']['path']}"}))
"""


def asked(noted: Noted, judge: RemoteJudge, **options: Any) -> None:
    hook = ToolHook("far", judge, (), strict=options.get("strict", True), timeout=options.get("timeout", 60.0))
    noted.runtime._powers.env.add_before_tool(hook)


def program(folder: Path, code: str) -> RemoteJudge:
    run = Program("far", [sys.executable, "-c", code], sandbox=Sandbox("off"), clock=SYSTEM_CLOCK, folder=folder)
    return RemoteJudge.program(run)


async def test_a_program_judges(tmp_path: Path) -> None:
    noted = Noted()
    asked(noted, program(tmp_path, JUDGE))
    assert (await noted.run()).error == "hook 'far' denied it: before_tool note a.txt"
    assert json.loads((tmp_path / "seen").read_text())["action_id"] == "a"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; sys.exit(3)", "it ended with exit code 3"),
        ("", "its answer is not JSON"),
        ("print('{')", "its answer is not JSON"),
        ("print('[' * 60000)", "its answer is not JSON"),
        ('print(\'{"verdict": "allow", "x": 1}\')', "a verdict has no 'x'"),
    ],
)
async def test_a_program_that_fails_or_babbles_gives_no_verdict(tmp_path: Path, code: str, said: str) -> None:
    noted = Noted()
    asked(noted, program(tmp_path, code))
    error = (await noted.run()).error
    assert error is not None
    assert error.startswith(f"hook 'far' gave no verdict: {said}")
    assert noted.calls == []


async def test_a_webhook_judges_and_sees_no_secret_nor_edits_what_it_did_not_see() -> None:
    noted = Noted()
    noted.runtime.log.redactor.add("hub", headway.Secret("CANARY-4711-XYZ"))
    verdict = {"verdict": "edit", "parameters": {"path": "b.txt"}}
    async with serving(judge=page(json.dumps(verdict).encode())) as web:
        url = f"http://127.0.0.1:{web.port}/judge"
        post = Post("far", url, None, door=Door(Rules()), vault=Vault(), clock=SYSTEM_CLOCK)
        asked(noted, RemoteJudge.webhook(post))
        assert (await noted.run()).output == "b.txt"
        plan = {"actions": [call("a", "note", parameters={"path": "CANARY-4711-XYZ"})]}
        error = (await noted.run(plan)).error
        await post.aclose()
    assert error == "hook 'far' gave no verdict: it cannot edit parameters with a secret that it was not shown"
    assert len(noted.calls) == 1
    assert "CANARY" not in str([got.body for got in web.got])
    assert json.loads(web.got[0].body)["parameters"] == {"path": "a.txt", "n": 1}


# -- headway.toml ----------------------------------------------------------------------------------------------------

TOML = """
[before_tool.guard]
python = "guard.py:judge"
tools = ["calc*"]
"""

GUARD = """
def judge(call):
    return {"verdict": "deny", "reason": "no " + call.parameters["expression"]}
"""


async def test_a_project_names_hooks_before_tools_once_it_is_trusted(tmp_path: Path, home: headway.Home) -> None:
    (tmp_path / "headway.toml").write_text(TOML)
    (tmp_path / "guard.py").write_text(GUARD)
    plan = {"actions": [call("c", "calculate", parameters={"expression": "1"})]}
    with pytest.raises(NotTrusted):
        await Engine.open(home, load_config(tmp_path, file=tmp_path / "headway.toml", env={}, trusted=False))
    config = load_config(tmp_path, file=tmp_path / "headway.toml", env={}, trusted=True)
    async with await Engine.open(home, config) as engine:
        row = await engine.submit(plan)
        view = await engine.wait(row.job_id)
        assert view.actions[0].error == "hook 'guard' denied it: no 1"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("other = 1", "it defines no 'judge'"),
        ("judge = 1", "must be a function"),
        ("raise ValueError('x')", "guard.py:1: ValueError: x"),
    ],
)
async def test_a_hook_that_cannot_be_loaded_is_said_in_a_line(
    tmp_path: Path, home: headway.Home, code: str, said: str
) -> None:
    (tmp_path / "headway.toml").write_text(TOML)
    (tmp_path / "guard.py").write_text(code)
    config = load_config(tmp_path, file=tmp_path / "headway.toml", env={}, trusted=True)
    with pytest.raises(InvalidConfig, match=r"before_tool\.guard: ") as refused:
        await Engine.open(home, config)
    assert said in refused.value.message
