"""docs/cli.md, docs/config.md and docs/errors.md say what commands, configuration and error tree say."""

import tomllib
from pathlib import Path

import pytest

from headway.config import load_config
from headway.errors import HeadwayError
from headway_console.cli.docs import EXAMPLE, PAGES

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.mark.parametrize("page", PAGES)
def test_page_is_up_to_date(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert text == PAGES[page](), f"docs/{page} is out of date: python -m headway_console.cli.docs docs"


def test_the_example_is_a_valid_configuration(tmp_path: Path) -> None:
    text = EXAMPLE.split("```toml\n")[1].split("```")[0]
    (tmp_path / "headway.toml").write_text(text)
    config = load_config(tmp_path, env={})
    assert config.a2a.tools == ["read_file", "fetch"]
    assert set(tomllib.loads(text)) <= set(type(config).model_fields)


def test_every_error_has_a_code_and_a_remedy_of_its_own() -> None:
    kinds = list(_below(HeadwayError))
    for name in ("code", "remedy"):
        values = [vars(kind).get(name) for kind in kinds]
        assert None not in values, [kind.__name__ for kind in kinds if name not in vars(kind)]
        assert len(set(values)) == len(values)


def _below(kind: type[HeadwayError]) -> set[type[HeadwayError]]:
    found = {kind} if kind.__module__ == HeadwayError.__module__ else set()
    return found.union(*map(_below, kind.__subclasses__()))
