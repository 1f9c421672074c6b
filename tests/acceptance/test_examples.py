"""The programs in ``examples/``: each runs as a reader would run it, and does what it says."""

from __future__ import annotations

import csv
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import headway
from headway.testing import VirtualClock

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAMS = sorted(path.stem for path in EXAMPLES.glob("*.py") if path.stem != "tools")


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return a program as a module, not run."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # where dataclasses and pydantic look names up
    spec.loader.exec_module(module)
    return module


def run(name: str, home: Path) -> list[str]:
    """Run a program in a process of its own, warnings as errors; return the lines that it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py")],
        env={**os.environ, "HEADWAY_HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_readme_describes_it(name: str) -> None:
    assert f"`{name}.py`" in (EXAMPLES / "README.md").read_text(encoding="utf-8")


def test_the_etl_loads_what_is_right_and_drops_what_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    etl = load("etl", monkeypatch)
    plan = etl.make_plan(tmp_path)
    assert len(plan.proposal().actions) == 200
    assert plan.verify().valid
    result = headway.run_sync(plan)
    assert result.ok
    report = etl.Report.model_validate(result["report"].output)

    rows = [
        [int(row[2]) for row in csv.reader(file.read_text(encoding="utf-8").splitlines())]
        for file in tmp_path.glob("*.csv")
    ]
    assert len(rows) == report.days == etl.DAYS
    assert sum(map(len, rows)) == report.orders
    assert sum(map(sum, rows)) == report.cents
    assert min(map(min, rows)) > 0  # the broken ones are gone
    extracted = [len(action.output) for action in result.results if action.action_id.startswith("extract")]
    assert sum(extracted) > report.orders


def test_the_etl_as_a_program(tmp_path: Path) -> None:
    first, second, third = run("etl", tmp_path)
    assert first == "200 actions in 5 levels, valid: True"
    assert second.startswith("completed: ")
    assert "best day" in third


async def test_the_research_agent_replans_and_keeps_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = load("research_agent", monkeypatch)
    first, second, third = await agent.answer_all()
    for answered in (first, second):
        assert answered.ok
        assert [step.status for step in answered.replan_lineage] == ["failed", "completed"]
    assert first["write_answer"].output.startswith("On durable execution: Write-ahead logs")
    assert second["write_answer"].output.startswith("On token buckets: Leaky")
    assert (third.outcome, third["write_answer"].status) == ("budget_exhausted", headway.ActionStatus.SKIPPED)
    assert max(result.cost.tokens for result in (first, second, third)) <= 2 * agent.TOKENS_A_PAGE


async def test_the_research_agent_gives_up_where_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = load("research_agent", monkeypatch)
    agent.LIBRARY.pop("library")  # the second source fails too
    tools = [agent.search, agent.summarise, agent.write_answer]
    async with headway.Runtime(tools=tools) as runtime:
        result = await agent.research(runtime, "token buckets")
    assert (result.outcome, len(result.replan_lineage)) == ("aborted", 2)


def test_the_research_agent_as_a_program(tmp_path: Path) -> None:
    lines = run("research_agent", tmp_path)
    assert lines.count("completed (ok) after 2 plans, 560 tokens") == 2
    assert lines[-1] == "failed (budget_exhausted) after 2 plans, 560 tokens"


async def test_the_crawler_stops_when_it_has_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    crawler = load("crawler", monkeypatch)
    clock = VirtualClock(autojump=True)
    result = await crawler.crawl(6, clock)
    assert result.status == "cancelled"
    fetched = [action for action in result.results if action.status is headway.ActionStatus.SUCCEEDED]
    assert [action.output for action in fetched] == list(crawler.SITE.values())[: len(fetched)]
    assert 6 <= len(fetched) <= 7  # one may have been in flight
    assert {action.error for action in result.results[len(fetched) :]} == {"canceled: 6 pages are enough"}
    assert 0.12 <= clock.now() <= 0.2  # four go immediately, then one each 62.5 ms


async def test_the_crawler_skips_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    crawler = load("crawler", monkeypatch)
    result = await crawler.crawl(1000, VirtualClock(autojump=True))
    assert result.ok
    assert [action.action_id for action in result.results if action.error] == ["/gone"]


def test_the_crawler_as_a_program(tmp_path: Path) -> None:
    cancelled, ended, example = run("crawler", tmp_path)
    assert cancelled.startswith("cancelled after ")
    assert ended.startswith("cancelled: ")
    assert "canceled: " in example


async def test_no_piece_of_the_stock_is_sold_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stock = load("shared_stock", monkeypatch)
    ended, pieces, left = await stock.sell(tmp_path / "home")
    assert ended == {"completed": stock.PIECES, "sold out": stock.ORDERS - stock.PIECES}
    assert sorted(pieces) == list(range(1, stock.PIECES + 1))
    assert left == 0


def test_the_stock_as_a_program(tmp_path: Path) -> None:
    assert run("shared_stock", tmp_path) == [
        "150 orders: 100 completed, 50 sold out, 0 pieces left",
        "each piece was sold once: True",
    ]


def test_a_killed_job_resumes_and_repeats_only_what_was_in_flight(tmp_path: Path) -> None:
    crash, resumed, *steps = run("crash_resume", tmp_path)
    assert crash == "killed in step 3; steps begun: ['1', '2', '3']"
    assert resumed == "completed; steps begun: ['1', '2', '3', '3', '4', '5']"
    assert [step.rpartition(" ")[2] for step in steps] == ["1", "1", "2", "1", "1"]
    assert "'start, 1, 2, 3, 4, 5'" in steps[-1]
