"""The Python of the docs runs as it stands."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import headway

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def snippets() -> list[object]:
    """Return the ```python blocks of docs/*.md, each with its place: file and line."""
    found: list[object] = []
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for block in re.finditer(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            line = text.count("\n", 0, block.start()) + 1
            found.append(pytest.param(block[1], id=f"{page.name}:{line}"))
    return found


@pytest.fixture(scope="module")
def python() -> Iterator[subprocess.Popen[str]]:
    """A Python that runs snippets, each in a process of its own."""
    command = [sys.executable, "-W", "error", "-m", "tests.unit.snippets"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("code", snippets())
def test_a_snippet_runs(code: str, tmp_path: Path, python: subprocess.Popen[str]) -> None:
    # Each alone, in an empty folder and with an empty home, as a reader would.
    assert python.stdin is not None
    assert python.stdout is not None
    python.stdin.write(json.dumps({"code": code, "folder": str(tmp_path), "home": str(tmp_path / "home")}) + "\n")
    python.stdin.flush()
    assert json.loads(python.stdout.readline()) == {"code": 0, "stderr": ""}


@pytest.mark.long
@pytest.mark.parametrize("code", snippets())
def test_a_snippet_runs_in_a_new_python(code: str, tmp_path: Path) -> None:
    environment = {**os.environ, "HEADWAY_HOME": str(tmp_path / "home"), "PYTHONWARNINGS": "error"}
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("option", inspect.signature(headway.Runtime).parameters)
def test_each_option_of_a_runtime_is_described(option: str) -> None:
    table = (DOCS / "embedding.md").read_text(encoding="utf-8").partition("All are keywords.")[0]
    assert re.search(rf"^\|[^|]*`{option}`[^|]*\|", table, re.MULTILINE)


def test_the_site_has_each_page_once() -> None:
    site = (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    named = re.findall(r"- (?:[^:\n]+: )?([\w/.-]+\.md)$", site, re.MULTILINE)
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    decisions = {
        page for page in pages if page.startswith("adr/") and page != "adr/README.md"
    }  # their README lists them
    assert sorted(named) == sorted(pages - decisions)


def test_troubleshooting_quotes_what_is_said() -> None:
    page = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    quoted = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    source = "\n".join(
        path.read_text(encoding="utf-8").lower()
        for room in ("core", "bridge", "console")
        for path in (ROOT / room).rglob("*.py")
    )
    assert len(quoted) > 10
    assert [words for words in quoted if words.lower() not in source] == []
