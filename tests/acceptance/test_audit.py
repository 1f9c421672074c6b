"""The audit: on real folders, its numbers counted again by other means."""

import hashlib
import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from headway_console.resources import examples
from tests.acceptance.commands import Headway

AUDIT = examples() / "plans" / "audit.json"
REPORT = "audit-report.md"
SKIPPED = set(
    next(
        action["parameters"]["skip_dirs"]
        for action in json.loads(AUDIT.read_text(encoding="utf-8"))["actions"]
        if action["id"] == "all"
    )
)


def files_of(folder: Path) -> list[Path]:
    """The files that an audit is about, found without Headway."""
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not path.is_symlink() and not SKIPPED.intersection(name.parts[:-1]):
            found.append(path)
    return [path for path in found if path != folder / REPORT]


def facts_of(folder: Path) -> dict[str, Any]:
    """Return the words that the report must say, counted without Headway."""
    files = files_of(folder)
    texts = {path: path.read_bytes() for path in files}
    python = [path for path in files if path.suffix == ".py"]
    read = [text for text in texts.values() if b"\0" not in text[:8192]]
    markers = sum(bool(re.search(rb"\b(TODO|FIXME|XXX)\b", line)) for text in read for line in text.split(b"\n"))
    header = re.compile(rb"SPDX-License-Identifier|[Cc]opyright|[Ll]icen[cs]ed under")
    headers = sum(bool(header.search(texts[path])) for path in python)
    lines = sum(text.count(b"\n") for text in texts.values())
    sums = {str(path.relative_to(folder)): hashlib.sha256(text).hexdigest() for path, text in texts.items()}
    listed = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
    facts: dict[str, Any] = {
        "files": len(files),
        "bytes": sum(map(len, texts.values())),
        "lines": lines,
        "Python files": len(python),
        "Python share (%)": round(100 * len(python) / max(len(files), 1), 1),
        "digest (SHA-256)": hashlib.sha256(listed.encode()).hexdigest(),
        "search cut short": False,
        "markers": markers,
        "markers per 1000 lines": round(1000 * markers / max(lines, 1), 2),
        "Python files with a licence header": headers,
        "licence header share (%)": round(100 * headers / max(len(python), 1), 1),
        "markers_per_1000_lines": round(1000 * markers / max(lines, 1), 2),
    }
    for name, key in (("README.md", "readme_words"), ("LICENSE", "licence_words")):
        if (folder / name).is_file():
            facts[key] = len((folder / name).read_text(encoding="utf-8").split())
    suffixes = Counter(path.suffix or "-" for path in files)
    facts.update(sorted(suffixes.items(), key=lambda item: (-item[1], item[0]))[:10])
    return facts


def facts_in(report: str) -> dict[str, Any]:
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", report, re.MULTILINE)
    return {name: _value(text) for name, text in rows if (name, text) != ("what", "value")}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


@pytest.fixture
def project(headway: Headway) -> Path:
    """A small project with something of everything in it."""
    folder = headway.here / "project"
    contents = {
        "README.md": "# A project\n\nWith TODO: nothing.\n",
        "LICENSE": "All rights reserved, more or less.\n",
        "src/a.py": "# Copyright somebody\n# TODO one\n# FIXME two TODO three\nx = 1\n",
        "src/b.py": "# SPDX-License-Identifier: MIT\n" + f"y = '{'long' * 40}'\n",
        "src/deep/er/c.py": "NOTATODO = 1  # nor this_TODO\nno end of line",
        "data/über maß.txt": "XXX\n" * 12,
        "data/empty": "",
        "keys/id_test": "-----BEGIN OPENSSH PRIVATE KEY-----\nnothing\n",
        ".git/config": "TODO\n",
        "node_modules/x/index.js": "// TODO\n",
        "src/__pycache__/a.cpython.pyc": "TODO\n",
    }
    for name, text in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / "data" / "picture.png").write_bytes(b"\x89PNG\0TODO\n" * 100)
    (folder / "data" / "link").symlink_to("/etc/passwd")
    return folder


def test_the_report_is_right(headway: Headway, project: Path) -> None:
    expected = facts_of(project)
    done = headway.run("run", AUDIT, "--workspace", project, "--json")
    assert done.code == 0, done.err
    result = done.json
    assert result["status"] == "completed"
    assert re.fullmatch("[0-9a-f]{12}", result["job_id"])
    assert {entry["status"] for entry in result["results"]} == {"succeeded"}
    report = (project / REPORT).read_text(encoding="utf-8")
    assert facts_in(report) == expected
    assert expected["files"] == 9
    assert expected["markers"] == 15
    places = re.findall(r"^- (.+:\d+)$", report, re.MULTILINE)
    assert {"README.md:3", "src/a.py:2", "src/a.py:3", "data/über maß.txt:12"} <= set(places)
    assert {"keys/id_test:1", "src/b.py:2"} <= set(places)
    assert "OPENSSH" not in report
    _every_panel_has_something_true_to_show(headway, result)


def _every_panel_has_something_true_to_show(headway: Headway, result: dict[str, Any]) -> None:
    job_id = result["job_id"]
    row = headway.run("jobs", "ls", "--json").json[0]
    assert row["levels"] >= 5
    assert row["levels_done"] == row["levels"]
    views = headway.run("console", "--json").json
    bucket = views["limits"]["buckets"]["checksum"]
    events = _events(headway, job_id)
    waits = [event for event in events if event["kind"] == "rate_limit_wait"]
    waited = [event["data"]["waited_ms"] for event in events if event["kind"] == "rate_limit_grant"]
    assert (bucket["capacity"], bucket["grants"], len(waited)) == (2, 6, 6)
    assert bucket["waits"] == len(waits) > 0
    assert bucket["waited_ms"] == pytest.approx(sum(waited))
    assert bucket["waited_ms"] > 0
    budget = views["budgets"]["budgets"][job_id]
    assert budget["limits"]["tool_calls"] == 40
    assert budget["spent"]["tool_calls"] == result["cost"]["tool_calls"] > 20
    kinds = {event["kind"] for event in events}
    assert {"action_progress", "rate_limit_wait", "rate_limit_grant", "level_finished", "budget_settled"} <= kinds


def _events(headway: Headway, job_id: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in headway.run("events", "--job", job_id, "--json").out.splitlines()]


def test_a_second_audit_counts_the_same(headway: Headway, project: Path) -> None:
    reports = []
    for _ in range(2):
        assert headway.run("run", AUDIT, "--workspace", project).code == 0
        reports.append((project / REPORT).read_text(encoding="utf-8"))
    assert reports[0] == reports[1]


def test_an_empty_folder_is_audited_too(headway: Headway) -> None:
    empty = headway.here / "empty"
    empty.mkdir()
    done = headway.run("run", AUDIT, "--workspace", empty, "--json")
    assert done.code == 0, done.err
    assert facts_in((empty / REPORT).read_text(encoding="utf-8")) == facts_of(empty)
    skipped = {entry["action_id"] for entry in done.json["results"] if entry["status"] == "skipped"}
    assert skipped == {"readme", "licence", "readme_words", "licence_words", "keep_readme", "keep_licence"}


DEMO_TELLS = (
    "waits for the rate limit of fetch_page",
    "page_04: retrying: again in .*503",
    "read_legacy: skipped: legacy: row",
    "store_legacy: skipped: dependency 'read_legacy'",
    "budget nearly used: tokens",
    "policy 'freeze'",
    "staging: undone",
    "cancelled: the demo shows a cancel",
)


def test_the_demo_without_a_terminal(headway: Headway) -> None:
    done = headway.run("up", "--demo")
    assert done.code == 0, done.err
    assert re.search(r"^job [0-9a-f]{12}: created: audit \(\d+ actions, \d+ levels\)$", done.out, re.MULTILINE)
    for told in DEMO_TELLS:
        assert re.search(rf"^job [0-9a-f]{{12}}: .*{told}", done.out, re.MULTILINE), told
    workspace = headway.home / "workspace"
    assert facts_in((workspace / REPORT).read_text(encoding="utf-8")) == facts_of(workspace)
    answer = headway.run("up", "--demo", "--json").json
    assert answer["status"] == "completed"
    assert sorted((job["title"].partition(":")[0], job["status"]) for job in answer["jobs"]) == [
        ("audit", "completed"),
        ("crawl", "completed"),
        ("import", "completed"),
        ("release", "failed"),
        ("render", "cancelled"),
        ("triage", "completed"),
    ]
    assert "imported" in [point["name"] for point in headway.run("checkpoints", "ls", "--json").json]
    assert headway.run("status").code == 3


def test_the_plain_demo_ends_by_itself_on_a_terminal(headway: Headway) -> None:
    with headway.terminal("up", "--demo", "--plain") as shown:
        shown.wait_for("cancelled: the demo shows a cancel")
        assert shown.end() == 0
    assert headway.run("up", "--plain").code == 2
    assert headway.run("up", "--demo", "--plain", "--json").code == 2


def test_the_demo_has_its_own_home_unless_told(headway: Headway, tmp_path: Path) -> None:
    del headway.env["HEADWAY_HOME"]
    headway.env["XDG_DATA_HOME"] = str(tmp_path / "data")
    assert headway.run("up", "--demo").code == 0
    homes = [path.parent.relative_to(tmp_path) for path in tmp_path.rglob("headway.db")]
    assert [home.name for home in homes] == ["demo"]


def test_the_audit_finds_its_tools_where_the_plan_lies(headway: Headway, project: Path) -> None:
    copied = headway.here / "copied"
    shutil.copytree(examples(), copied)
    (headway.here / "headway.toml").write_text("[runtime]\nmax_concurrency = 2\n")
    done = headway.run("run", "copied/plans/audit.json", "--workspace", project)
    assert done.code == 2
    assert "tool 'tally' is not registered" in done.err
    (headway.here / "headway.toml").unlink()
    assert headway.run("trust", "copied", "--yes").code == 0
    other = ("--home", headway.here / "other")  # the first one has become that of the working folder
    assert headway.run(*other, "run", "copied/plans/audit.json", "--workspace", project).code == 0
