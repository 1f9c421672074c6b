"""The tutorial works as it stands: its files, its commands, what it shows of their output."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.acceptance.pages import Step, missing, reader, steps

DOCS = Path(__file__).parents[2] / "docs"


def type_page(page: str, root: Path, *, before: str = "") -> list[str]:
    """Do what ``page`` says after ``before``, as a new user with a home in ``root``; return all that was printed."""
    home, work = root / "home", root / "work"
    home.mkdir()
    work.mkdir()
    environment = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
    environment |= {
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "TERM": "dumb",
        "HEADWAY_A2A_PORT": "0",  # the page's own port may be in use
    }
    printed: list[str] = []
    folder = work
    with reader(work, environment) as bash:
        if before:
            bash.run(Step(before), root / "commands.sh")
        for step in steps((DOCS / page).read_text(encoding="utf-8")):
            if step.file:
                (folder / step.file).parent.mkdir(exist_ok=True)
                (folder / step.file).write_text(step.text, encoding="utf-8")
                continue
            printed += bash.run(step, root / "commands.sh")
            made = next(iter(sorted(work.iterdir())), None)
            folder = made or work
    return printed


def test_the_tutorial(tmp_path: Path) -> None:
    printed = type_page("tutorial.md", tmp_path)
    cancelled = next(line for line in printed if line.startswith("canceled: interrupted by the user"))
    succeeded, skipped = (int(word) for word in cancelled.replace("(", " ").split() if word.isdigit())
    assert succeeded >= 2
    assert succeeded + skipped == 6


def test_the_page_on_tokens(tmp_path: Path) -> None:
    printed = type_page("howto/tokens.md", tmp_path, before="mkdir here; cd here; headway init")
    token = next((tmp_path / "home").rglob("a2a.token")).read_text().strip()
    assert token not in "\n".join(printed), "shown once, before it was replaced"


def test_output_that_a_page_shows_is_looked_for_in_order() -> None:
    lines = ["a: done in 1.5s", "  job 0123456789ab", "b"]
    assert missing(["a: done in 12ms", "b"], lines) is None
    assert missing(["b", "a: done in 12ms"], lines) == "a: done in 12ms"
    assert missing(["a: failed in 12ms"], lines) == "a: failed in 12ms"


def test_a_page_is_its_files_and_its_commands() -> None:
    page = '```toml title="a.toml"\nx = 1\n```\n```console\n$ no\n```\n```sh\nls\n```\n\n```text\na.toml\n…\n```\n'
    file, commands = steps(page)
    assert (file.file, file.text) == ("a.toml", "x = 1\n")
    assert (commands.file, commands.text, commands.shown) == ("", "ls\n", ("a.toml",))
