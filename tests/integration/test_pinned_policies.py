"""File policies hold as they were at a job's start, and as they are now."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from headway.config import load_config
from headway.engine import Engine
from headway.errors import InvalidInput
from headway.events import kinds
from headway.home import Home
from headway.policy.files import load_policies
from headway.policy.pinned import MAX_BYTES, kept, pinned_rules, sources_of
from headway.store import open_store
from headway.tools.decorator import tool

pytestmark = pytest.mark.anyio

DENY = 'deny_tool = ["second"]\n'
ALLOW = 'deny_tool = ["nothing"]\n'
LIMIT = '[[rate_limit_tool]]\ntool = "second"\nmax_calls = 1\ninterval_secs = 3600\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "headway.toml").write_text("")
    (tmp_path / "policies").mkdir()
    return tmp_path


@pytest.fixture
async def engine(project: Path, home: Home) -> AsyncIterator[Engine]:
    write(project, DENY)
    async with await opened(project, home) as engine:
        yield engine


def write(project: Path, text: str) -> None:
    (project / "policies" / "p.toml").write_text(text)


def apply(engine: Engine, project: Path) -> None:
    engine.policies.use_files(load_policies(project / "policies"))


async def opened(project: Path, home: Home, **options: Any) -> Engine:
    from headway.clock import SYSTEM_CLOCK

    @tool
    async def first(path: str = "") -> str:
        """Wait for a file."""
        while path and not Path(path).exists():  # noqa: ASYNC240 - a look
            await SYSTEM_CLOCK.sleep(0.01)
        return "first"

    @tool(idempotent=True)
    async def second() -> str:
        """Be denied."""
        return "second"

    return await Engine.open(home, load_config(project, {}), tools=[first, second], **options)


def plan(project: Path) -> dict[str, Any]:
    def call(name: str, **more: Any) -> dict[str, Any]:
        return {"id": name, "type": "tool_call", "tool": name, "failure_behavior": "skip", **more}

    return {
        "actions": [
            call("first", parameters={"path": str(project / "go")}),
            call("second", dependencies=["first"]),
        ]
    }


def second_of(run: Any) -> Any:
    return next(action for action in run.actions if action.id == "second")


@pytest.mark.parametrize("how", ["weakened", "taken away"])
async def test_a_policy_of_the_start_still_holds(engine: Engine, project: Path, how: str) -> None:
    job = await engine.submit(plan(project))
    if how == "weakened":
        write(project, ALLOW)
        apply(engine, project)
    else:
        engine.policies.use_files(None)
    (project / "go").touch()
    action = second_of(await engine.wait(job.job_id, timeout=60))
    assert action.error_code == "policy_denied"
    assert "in force when the job started" in action.error
    later = await engine.wait((await engine.submit(plan(project))).job_id, timeout=60)
    assert second_of(later).output == "second"


async def test_a_policy_that_came_since_holds_too(engine: Engine, project: Path) -> None:
    engine.policies.use_files(None)
    job = await engine.submit(plan(project))
    write(project, DENY)
    apply(engine, project)
    (project / "go").touch()
    action = second_of(await engine.wait(job.job_id, timeout=60))
    assert action.error_code == "policy_denied"
    assert "when the job started" not in action.error


async def test_rate_limits_hold_as_they_are_now(engine: Engine, project: Path) -> None:
    write(project, LIMIT)
    apply(engine, project)
    (project / "go").touch()
    job = await engine.submit(plan(project))
    assert second_of(await engine.wait(job.job_id, timeout=60)).output == "second"
    engine.policies.use_files(None)
    again = await engine.wait((await engine.submit(plan(project))).job_id, timeout=60)
    assert second_of(again).output == "second"


async def test_they_are_one_blob_that_job_created_names(engine: Engine, project: Path) -> None:
    (project / "go").touch()
    ids = [(await engine.submit(plan(project))).job_id for _ in range(3)]
    for job_id in ids:
        await engine.wait(job_id, timeout=60)
    created = await engine.reader.events(kinds=[kinds.JOB_CREATED])
    names = {event.data["policies"]["$blob"] for event in created}
    assert len(created) == 3
    assert len(names) == 1
    whole = await engine.reader.resolve(created[0].data)
    assert whole["policies"] == {"files": [["p.toml", DENY]]}


async def test_a_fork_is_bound_by_what_bound_its_parent(engine: Engine, project: Path) -> None:
    (project / "go").touch()
    job = await engine.submit(plan(project))
    await engine.wait(job.job_id, timeout=60)
    write(project, ALLOW)
    apply(engine, project)
    forked = await engine.fork(f"{job.job_id}@L0")
    action = second_of(await engine.wait(forked.job_id, timeout=60))
    assert "in force when the job started" in (action.error or "")
    again = await engine.fork(f"{forked.job_id}@L0")
    assert second_of(await engine.wait(again.job_id, timeout=60)).error_code == "policy_denied"


async def test_a_job_that_resumes_is_bound_by_its_start(project: Path, home: Home) -> None:
    write(project, DENY)
    engine = await opened(project, home)
    job = await engine.submit(plan(project))
    await engine.log.flush()
    created = await engine.reader.events(job_id=job.job_id, kinds=[kinds.JOB_CREATED], resolve=True)
    await engine.close(grace=0)
    write(project, ALLOW)
    (project / "go").touch()
    again = Home(home.path / "again")
    store = await open_store(again)
    await store.write(*created)
    await store.close()
    async with await opened(project, again, on_restart="resume") as engine:
        action = second_of(await engine.wait(job.job_id, timeout=60))
    assert "in force when the job started" in (action.error or "")


def test_sources_are_checked_before_they_are_used() -> None:
    sources = (("p.toml", DENY), ("q.toml", LIMIT))
    assert sources_of(kept(sources)) == sources
    assert sources_of(None) == ()
    assert kept(()) is None
    assert [rule.name for rule in pinned_rules(sources)] == ["p.toml:1"]
    for wrong in (
        [],
        {"files": 1},
        {"files": [["a"]]},
        {"files": [["a", 1]]},
        {"files": [["a", "x" * (MAX_BYTES + 1)]]},
    ):
        with pytest.raises(InvalidInput):
            sources_of(wrong)
    for text in ("[", "deny_everything = 1\n"):
        with pytest.raises(InvalidInput, match="job's start"):
            pinned_rules((("p.toml", text),))
