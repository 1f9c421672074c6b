"""docs/architecture.md against the tree, and docs/glossary.md against what is written."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "core" / "headway"
PLACES = (CORE, ROOT, ROOT / "core", ROOT / "bridge", ROOT / "console")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")

PATHS = sorted(set(re.findall(r"`([\w/.-]*(?:/[\w.-]+|\.py|\.md))`", ARCHITECTURE)))
LINKS = re.findall(r"\]\(([^)#:]+)\)", ARCHITECTURE + GLOSSARY)


def section(page: str, title: str) -> str:
    """Return what stands under a heading."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


def rows(text: str) -> list[str]:
    """Return the first cells of a table, its head left out."""
    return [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")][1:]


def layers() -> list[list[str]]:
    """Return the rooms as the page orders them, those of one row together."""
    return [re.findall(r"`(\w+)`", cell) for cell in rows(section(ARCHITECTURE, "Rooms"))]


def terms() -> list[str]:
    """Return the terms that the glossary explains."""
    explained = GLOSSARY.partition("## Words not to use")[0]
    return [cell for cell in rows(explained) if cell != "term"]


@pytest.mark.parametrize("path", PATHS)
def test_each_file_that_is_named_exists(path: str) -> None:
    assert any((place / path).exists() for place in PLACES)


def test_paths_are_found() -> None:
    assert len(PATHS) > 40
    assert {"jobs/supervisor.py", "execution/stages", "headway_console/cli"} <= set(PATHS)


@pytest.mark.parametrize("link", LINKS)
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / "docs" / link).exists()


def test_each_room_is_named_once() -> None:
    found = {path.name for path in CORE.iterdir() if (path / "__init__.py").exists()}
    found |= {path.stem for path in CORE.glob("*.py")} - {"__init__"}
    named = [room for layer in layers() for room in layer]
    assert sorted(named) == sorted(found)


def test_the_order_is_the_one_that_is_enforced() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    (rooms,) = [contract["layers"] for contract in contracts if contract.get("containers") == ["headway"]]
    assert [sorted(layer) for layer in layers()] == [sorted(layer.split(" | ")) for layer in rooms]


def test_terms_are_found_and_explained_once() -> None:
    assert len(terms()) >= 30
    assert len(set(terms())) == len(terms())


@pytest.fixture(scope="module")
def written() -> str:
    """All source and docs but the glossary, in lower case, line ends and underscores as spaces."""
    files = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    files += [path for room in ("core", "bridge", "console") for path in (ROOT / room).rglob("*.py")]
    texts = [path.read_text(encoding="utf-8") for path in files if path.name != "glossary.md"]
    return re.sub(r"[\s_]+", " ", "\n".join(texts)).lower()


@pytest.mark.parametrize("term", terms())
def test_each_term_is_used(term: str, written: str) -> None:
    assert len(re.findall(rf"\b{re.escape(term)}(?:s|es)?\b", written)) >= 3


def test_words_not_to_use_have_words_in_their_place() -> None:
    replaced = section(GLOSSARY, "Words not to use")
    assert len(rows(replaced)) >= 5
    assert all(line.split("|")[2].strip() for line in replaced.splitlines() if line.startswith("| "))
