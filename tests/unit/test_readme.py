"""The snippets of the README are true."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from headway import parse_proposal

README = (Path(__file__).parents[2] / "README.md").read_text()
LINKS = re.findall(r"\]\(([^)#:]+)\)", README)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_plan_is_a_plan() -> None:
    (block,) = blocks("json")
    assert len(parse_proposal(json.loads(block)).actions) == 3


def test_the_python_example_runs_as_printed() -> None:
    (block,) = blocks("python")
    run = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, timeout=60, check=False)
    assert (run.stdout, run.stderr) == ("completed hello you\n", "")


@pytest.mark.parametrize("link", LINKS)
def test_its_links_lead_somewhere(link: str) -> None:
    assert (Path(__file__).parents[2] / link).exists()
