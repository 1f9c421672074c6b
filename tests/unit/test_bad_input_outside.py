"""Bad input where a disk, a program or the network is behind the door: engines, files, random plans."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headway
from headway import ControlPlane, Engine, Runtime
from headway.config import Config
from headway.errors import HeadwayError
from headway.home import Home
from headway.learning import Memgine, SkillStore, TrajectoryStore
from headway.testing import VirtualClock
from headway.tools.decorator import entry_of
from tests.sizes import cases, share
from tests.unit.bad_input.control_plane import JOBS
from tests.unit.bad_input.engine import OPEN
from tests.unit.bad_input.kit import Rig, Unmade, build, called, exchanged, line_problem, places, problem_of, settled
from tests.unit.bad_input.marks import mark_of
from tests.unit.bad_input.runtime import echo
from tests.unit.bad_input.table import OUTSIDE, WAITS
from tests.unit.bad_input.threads import with_thread
from tests.unit.bad_input.values import DEPTH, FEW, HOSTILE


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """Stand deep in a folder of the test's own: what takes a hostile text as a path writes here and nowhere else."""
    made = Rig(tmp_path)
    monkeypatch.chdir(made.here)
    return made


# -- engines ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def opened(rig: Rig) -> AsyncIterator[Engine]:
    """Open an engine that has run a job and saved a checkpoint of it, has a thread, a model and a workflow."""
    plan = {"actions": [{"id": "a", "type": "tool_call", "tool": "echo"}]}
    (rig.folder / "w.json").write_text(json.dumps(plan))
    config = Config.model_validate({"workflows": {"w": {"plan": str(rig.folder / "w.json")}}})
    engine = await Engine.open(Home(rig.folder / "home"), config)
    try:
        engine.registry.register(entry_of(echo))
        with_thread(engine)
        rig.plane = ControlPlane(engine)
        rig.job = (await engine.submit(headway.parse_proposal(plan))).job_id
        await engine.wait(rig.job, 30)
        rig.saved = (await engine.save_checkpoint(job_id=rig.job)).checkpoint_id
        yield engine
    finally:
        await engine.close(grace=0)


class Trial:
    """Calls of one callable of an engine or its control plane; the job that it is about is made anew once it went."""

    def __init__(self, name: str, rig: Rig, engine: Engine) -> None:
        self.name = name
        self.problems: list[str] = []
        self._rig, self._engine = rig, engine
        self._job = JOBS.get(name)
        owner, *path = name.split(".")
        subject = rig.plane if owner == "ControlPlane" else engine
        self._function: Any = reduce(getattr, path, subject) if path else ControlPlane

    async def call(self, arguments: dict[str, Any], what: str) -> str:
        """Call once and note how that went: done, refused, unmade, or a problem."""
        if self._job is not None:
            await self._job(self._rig)
            self._job = None
        outcome = await self._outcome(arguments)
        if outcome == "done":
            self._job = JOBS.get(self.name)
        elif outcome not in ("refused", "unmade"):
            self.problems.append(f"{what} {outcome}")
        return outcome

    async def _outcome(self, arguments: dict[str, Any]) -> str:
        engine = self._engine
        try:
            prepared = build(arguments, self._rig)
        except Unmade:
            return "unmade"
        for job in engine._supervisor:  # what was accepted before has come to its end
            await engine.wait(job.job_id, 30)
        await asyncio.gather(*engine.prompts._running)
        await engine.log.flush()
        before = mark_of(engine)
        try:
            await settled(called(self._function, prepared), self.name in WAITS)
        except BaseException as error:  # noqa: BLE001 - that is what is looked for
            return problem_of(error) or ("refused" if mark_of(engine) == before else "changed something")
        return "done"


ROWS = [(name, which) for name, variants in OUTSIDE.items() for which in range(len(variants))]


@pytest.mark.parametrize(("name", "which"), ROWS)
async def test_an_engine_refuses_bad_arguments_in_one_line(
    name: str, which: int, rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    arguments = OUTSIDE[name][which]
    async with opened(rig) as engine:
        trial = Trial(name, rig, engine)
        assert await trial.call(arguments, "as it should be") == "done"
        for place in [place for place in places(arguments) if place]:
            for label, value in FEW.items():
                await trial.call(exchanged(arguments, place, value), f"{place}: {label}")
    assert not trial.problems[:20]
    assert not [record.getMessage() for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("kind", [Engine, ControlPlane])
async def test_an_engine_opens_or_says_why_not(kind: type[Engine] | type[ControlPlane], rig: Rig) -> None:
    problems = []
    for turn, place in enumerate(place for place in places(OPEN) if place):
        for label, value in share(HOSTILE, turn).items():
            try:
                made = await kind.open(**build(exchanged(OPEN, place, value), rig))
            except BaseException as error:  # noqa: BLE001 - that is what is looked for
                problems.append((place, label, problem_of(error)))
            else:
                await (made.engine if isinstance(made, ControlPlane) else made).close(grace=0)
    assert [entry for entry in problems if entry[2] is not None] == []


# -- programs --------------------------------------------------------------------------------------------------------


async def test_a_program_is_asked_in_json_or_not_at_all(rig: Rig) -> None:
    code = 'import json, sys\nfor line in sys.stdin: print(json.dumps({"id": json.loads(line)["id"], "result": 1}))'
    tool = headway.tools.SubprocessTool([sys.executable, "-u", "-c", code], name="t", timeout=30.0)
    problems = []
    for label, value in HOSTILE.items():
        try:
            await tool.call(x=value)
        except BaseException as error:  # noqa: BLE001 - that is what is looked for
            problems.append((label, problem_of(error)))
    await tool.aclose()
    assert [entry for entry in problems if entry[1] is not None] == []


def refusal(call: Callable[[], object]) -> str | None:
    """Return what is wrong with the way in which a call is refused; None if nothing is, or it is not refused."""
    try:
        call()
    except BaseException as error:  # noqa: BLE001 - that is what is looked for
        return problem_of(error)
    return None


# -- files -----------------------------------------------------------------------------------------------------------

CONTENTS: dict[str, bytes] = {
    "nothing": b"",
    "a NUL": b"\0",
    "no UTF-8": b"\xff\xfe\xfa",
    "null": b"null",
    "a list": b"[]",
    "an object": b"{}",
    "a number": b"1e999",
    "a huge number": b'{"version": ' + b"9" * 5000 + b"}",
    "deep lists": b"[" * DEPTH + b"]" * DEPTH,
    "deep objects": b'{"a":' * DEPTH + b"1" + b"}" * DEPTH,
    "half an object": b'{"version": 1, "state": {',
    "wrong types": b'{"version": "x", "state": [], "format": 5, "facts": {}}',
    "TOML": b'[[rule]]\nname = "\\u0000"\nwhen = "x"\n[rule.deny]\n',
    "a TOML date": b"deny_tool = [2026-01-02]\n",
    "deep TOML": b"a = " + b"[" * 5000 + b"]" * 5000,
    "front matter": b"+++\nname = 5\n+++\n",
    "escapes": b'"\x1b[31m\\ud800"',
    "10 MB": b"x" * 10_000_000,
}

READERS: dict[str, Callable[[Path, bytes], object]] = {
    "a checkpoint": lambda path, _: Runtime().load_checkpoint_from_file(path / "x.toml"),
    "a memory": lambda path, _: Memgine.load(path / "x.toml"),
    "a skill": lambda _, text: SkillStore().import_text(text),
    "skills": lambda path, _: SkillStore().import_from(path),
    "trajectories": lambda path, _: list(TrajectoryStore(path).read()),
    "feedback": lambda path, _: TrajectoryStore(path).feedback(),
    "policies": lambda path, _: headway.policy.load_policies(path),
    "a plan": lambda _, text: headway.parse_proposal(text),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("content", CONTENTS)
def test_a_file_of_anything_is_read_or_refused_in_one_line(reader: str, content: str, tmp_path: Path) -> None:
    for name in ("x.toml", "x.md", "trajectories-000001.jsonl"):
        (tmp_path / name).write_bytes(CONTENTS[content])
    assert refusal(lambda: READERS[reader](tmp_path, CONTENTS[content])) is None


# -- random plans ----------------------------------------------------------------------------------------------------

TEXTS = st.sampled_from(["a", "b", "k", "", "$a.output", "$b.output.x.0", "$$a.output", "no\tpe", "\0\n", "\x1b[1m"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.text(max_size=5)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3))
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "id": TEXTS,
    "type": st.sampled_from(["tool_call", "state_write", "state_read", "assertion", "no such"]),
    "tool": st.sampled_from(["echo", "echo", "no\npe", None]),
    "parameters": st.dictionaries(st.sampled_from(["x", "key", "value", "expected"]), JSON, max_size=3),
    "dependencies": st.lists(TEXTS, max_size=2),
    "preconditions": st.lists(st.fixed_dictionaries({"key": TEXTS}, optional={"operator": TEXTS, "value": JSON})),
    "expected_effects": st.dictionaries(TEXTS, JSON, max_size=2),
    "state_dependencies": st.lists(TEXTS, max_size=1),
    "write_set": st.lists(TEXTS, max_size=1),
    "failure_behavior": st.sampled_from(["abort", "skip", "retry", "explode"]),
    "max_retries": st.integers(-1, 2),
    "timeout_ms": st.integers(-1, 2000) | st.none(),
    "compensation": st.none() | st.fixed_dictionaries({"tool": st.sampled_from(["echo", "nope"])}),
}
ACTIONS = st.fixed_dictionaries({"type": FIELDS.pop("type")}, optional=FIELDS) | JSON
PLANS = (
    st.fixed_dictionaries({"actions": st.lists(ACTIONS, max_size=4)}, optional={"context": JSON, "id": TEXTS}) | JSON
)


@settings(max_examples=cases(320))
@given(plan=PLANS)
async def test_a_random_plan_is_refused_in_one_line_or_runs_to_an_end(plan: Any) -> None:
    runtime = Runtime(state={"k": 1}, clock=VirtualClock(autojump=True))
    runtime.register_tool(echo)
    try:
        proposal = headway.parse_proposal(plan)
    except HeadwayError:
        with pytest.raises(HeadwayError) as caught:
            await runtime.execute(plan)
        assert line_problem(str(caught.value)) is None
        assert (runtime.log.last_seq, dict(runtime.state.snapshot())) == (0, {"k": 1})
        return
    report = headway.verify(proposal, runtime.state.snapshot(), runtime.registry)
    assert [issue.message for issue in report.issues if line_problem(issue.message) is not None] == []
    result = await runtime.execute(proposal)
    assert result.status in ("completed", "failed")
    assert result.outcome in (None, "rejected", "aborted")
    assert [r.action_id for r in result.results] == [action.id for action in proposal.actions]
    assert result.error is None or line_problem(result.error) is None
    for found in result.results:
        assert found.error is None or line_problem(found.error) is None
        assert found.status in (*headway.ActionStatus,)
        assert found.error_code is None or found.error_code in (*headway.ErrorCode,)
