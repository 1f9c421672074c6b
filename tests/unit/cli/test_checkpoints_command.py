"""``headway checkpoints ls``: what it knows, and what it leaves out."""

import asyncio
import json
from pathlib import Path

import pytest

from headway.home import Home
from headway.jobs.history import RECENT_JOBS
from headway.store import StoreLog
from headway_console.cli import main
from tests.unit.store.runs import whole_run

pytestmark = pytest.mark.anyio


async def filled(path: Path, jobs: int) -> None:
    home = Home(path)
    home.prepare()
    log = await StoreLog.open(home)
    for number in range(jobs):
        await log.write(*whole_run(f"job{number}"))
    await log.close()


@pytest.mark.parametrize("jobs", [RECENT_JOBS, RECENT_JOBS + 1])
async def test_level_ends_of_older_jobs_are_left_out_and_that_is_said(
    jobs: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await filled(tmp_path, jobs)
    assert await asyncio.to_thread(main, ["checkpoints", "ls", "--home", str(tmp_path), "--json"]) == 0
    out, err = capsys.readouterr()
    listed = json.loads(out)
    assert len(listed) == RECENT_JOBS
    assert [info["keys"] for info in listed] == [None] * RECENT_JOBS
    told = f"level ends of the {RECENT_JOBS} newest jobs; --job shows those of another" in err
    assert told == (jobs > RECENT_JOBS)
    assert await asyncio.to_thread(main, ["checkpoints", "ls", "--home", str(tmp_path), "--job", "job0"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1].split()[:4] == ["job0@L0", "level", "2/2", "-"]
    assert err == ""
