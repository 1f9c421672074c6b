"""A process with edited tools never runs old code unsaid: every door says so, and what runs keeps what it has."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headway.config import load_config
from headway.engine import Engine
from headway.errors import Conflict
from headway.events import kinds
from headway.home import Home
from headway.jobs.submission import Submission

pytestmark = pytest.mark.anyio

TOOLS = '''
import asyncio
from pathlib import Path

import headway


@headway.tool
async def hold(path: str) -> str:
    """Wait for a file."""
    while not Path(path).exists():
        await asyncio.sleep(0.01)
    return "{version}"
'''


def call(name: str, tool: str, **parameters: object) -> dict[str, object]:
    return {"id": name, "type": "tool_call", "tool": tool, "parameters": parameters}


@pytest.fixture
def project(trusted: Path) -> Path:
    (trusted / "tools.py").write_text(TOOLS.replace("{version}", "old"))
    (trusted / "headway.toml").write_text('[tools]\npython = ["tools.py"]\npath = ["lib"]\n')
    (trusted / "lib").mkdir()
    (trusted / "lib" / "helper.py").write_text("")
    return trusted


def edit(project: Path) -> None:
    (project / "tools.py").write_text(TOOLS.replace("{version}", "new"))


@pytest.fixture
async def engine(project: Path, home: Home) -> AsyncIterator[Engine]:
    async with await Engine.open(home, load_config(project, {})) as engine:
        yield engine


def plan(project: Path) -> dict[str, object]:
    return {"actions": [call("c", "calculate", expression="1"), call("h", "hold", path=str(project / "go"))]}


async def test_every_door_refuses_and_what_runs_keeps_its_tools(engine: Engine, project: Path) -> None:
    before = await engine.submit(plan(project))
    saved = await engine.save_checkpoint(job_id=before.job_id)
    edit(project)
    runtime = await engine.runtime()
    doors = {
        "submit": lambda: engine.submit(plan(project)),
        "a submission of A2A": lambda: engine.submit(Submission(plan(project), source="a2a", record_rejected=True)),
        "in a context": lambda: engine.submit(Submission(plan(project), context_id="ops")),
        "execute": lambda: engine.execute(plan(project)),
        "candidates": lambda: engine.plan_and_execute([plan(project)]),
        "fork": lambda: engine.fork(saved.checkpoint_id),
        "an embedded face": lambda: runtime.execute(plan(project)),
    }
    for name, door in doors.items():
        with pytest.raises(Conflict, match=r"tools changed .*tools\.py.*headway restart"):
            pytest.fail(f"{name} let it in: {await door()}")
    with pytest.raises(Conflict, match="headway restart"):
        engine.start(plan(project))
    (project / "go").touch()
    run = await engine.wait(before.job_id, timeout=60)
    assert [action.output for action in run.actions] == [{"expression": "1", "result": 1}, "old"]
    await engine.log.flush()
    assert [event.data for event in await engine.log.read() if event.kind == kinds.TOOLS_CHANGED] == [
        {"files": ["tools.py"]}
    ]
    assert len(await engine.jobs()) == 1


async def test_code_that_is_as_it_was_is_no_change(engine: Engine, project: Path) -> None:
    (project / "go").touch()
    os.utime(project / "tools.py", (1, 1))
    (project / "lib" / "notes.txt").write_text("no code")
    assert engine.look() == []
    await engine.wait((await engine.submit(plan(project))).job_id, timeout=60)
    (project / "lib" / "another.py").write_text("")
    with pytest.raises(Conflict, match=r"another\.py"):
        await engine.submit(plan(project))
    (project / "lib" / "another.py").unlink()
    assert engine.look() == []
    (project / "lib" / "helper.py").unlink()
    assert engine.look() == ["helper.py"]


async def test_a_hidden_edit_is_seen(engine: Engine, project: Path) -> None:
    """The same size and times as before: what the file system writes itself cannot be set back."""
    stamp = (project / "tools.py").stat()
    edit(project)
    os.utime(project / "tools.py", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert engine.look() == ["tools.py"]


@pytest.mark.parametrize("began", [True, False])
async def test_a_job_of_before_resumes_under_the_code_that_it_began_with(
    project: Path, home: Home, began: bool
) -> None:
    from headway.store import open_store

    engine = await Engine.open(home, load_config(project, {}))
    job = await engine.submit(plan(project))
    events = await engine.log.read()
    await engine.log.flush()
    while began and not any(event.kind == kinds.ACTION_EXECUTING for event in events):
        await asyncio.sleep(0)  # what is in memory is read without giving way
        events = await engine.log.read()
    copied = [event for event in events if event.job_id == job.job_id and (began or event.kind == kinds.JOB_CREATED)]
    await engine.close(grace=0)
    again = Home(home.path / "again")
    store = await open_store(again)
    await store.write(*copied)
    await store.close()
    edit(project)
    (project / "go").touch()
    async with await Engine.open(again, load_config(project, {})) as engine:
        run = await engine.wait(job.job_id, timeout=60)
        if began:
            assert run.job.outcome == "interrupted"
            assert "the code of tools that it has yet to call has changed: hold" in (run.job.error or "")
        else:
            assert [action.output for action in run.actions] == [{"expression": "1", "result": 1}, "new"]
