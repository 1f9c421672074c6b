"""The corpus of escapes: whatever a confined child tries, control files stay as they are and secrets where they are."""

from __future__ import annotations

import os
import shlex
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from headway.errors import ToolError
from tests.unit.tools.process.confined import PYTHON, Place, need_sandbox, sh
from tests.unit.tools.process.escapes import (
    GIT,
    PYTHON_WRITES,
    REACHES,
    READS,
    ROUTES,
    SET_ID,
    SET_ID_COMMANDS,
    TARGETS,
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    need_sandbox()
    place = Place(tmp_path)
    monkeypatch.setenv("HOME", str(place.home))
    monkeypatch.setenv("HEADWAY_SECRET", "SECRET ENVIRONMENT")
    (place.project / "evil").write_text("ESC\n")
    return place


async def attempt(place: Place, command: str) -> str:
    """Run a command and return all that it wrote, or the error of its call."""
    try:
        result = await sh(place.sandbox, place.project, command, timeout_s=120)
    except ToolError as error:
        return error.message
    return str(result["stdout"] + result["stderr"])


@pytest.mark.parametrize("route", ROUTES)
async def test_no_control_file_is_changed_or_made(place: Place, route: str) -> None:
    before = place.control()
    commands = []
    for target in TARGETS:
        given = {"{t}": target, "{python}": shlex.quote(PYTHON), "{writes}": PYTHON_WRITES}
        text = ROUTES[route]
        for name, value in given.items():
            text = text.replace(name, value)
        commands.append(f"({text}) 2>/dev/null")
    await attempt(place, "\n".join(commands))
    assert place.control() == before
    assert not (place.home / ".gitconfig").exists()


async def test_git_gets_nothing_that_it_would_run(place: Place) -> None:
    before = place.control()
    await attempt(place, GIT)
    after = place.control()
    assert {path: text for path, text in after.items() if path.startswith((".git/", "deep/"))} == {
        path: text for path, text in before.items() if path.startswith(".git/")
    }
    for head in place.project.rglob("HEAD"):
        if head.parent != place.project / ".git":
            assert not (head.parent / "config").exists()
            assert not (head.parent / "hooks").exists()


async def test_no_secret_is_read(place: Place) -> None:
    seen = await attempt(place, READS.format(home=place.home, state=place.state, pid=os.getpid()))
    assert "SECRET" not in seen


@pytest.fixture
def listeners(place: Place) -> Iterator[tuple[str, int]]:
    """Listen where an operator, an agent and a desktop would; give the abstract name and the port."""
    with ExitStack() as stack:
        for address in (str(place.state / "headway.sock"), f"\0headway-test-{os.getpid()}"):
            unix = stack.enter_context(socket.socket(socket.AF_UNIX))
            unix.bind(address)
            unix.listen()
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        yield f"headway-test-{os.getpid()}", tcp.getsockname()[1]


async def test_nothing_outside_is_reached(place: Place, listeners: tuple[str, int], tmp_path: Path) -> None:
    (place.home / "outside.txt").write_text("SECRET")
    abstract, port = listeners
    words = [PYTHON, "-c", REACHES, str(place.state), abstract, str(port), str(os.getpid())]
    seen = await attempt(place, shlex.join(words) + "; echo done")
    assert seen.endswith("done\n")
    assert "REACHED" not in seen
    # With the network granted, TCP is reached and all else is not: the corpus does find what is open.
    open_place = place.sandbox
    open_place.network = frozenset({"shell"})
    seen = await attempt(place, shlex.join(words))
    assert {line for line in seen.splitlines() if "REACHED" in line} <= {
        "REACHED tcp 127.0.0.1",
        "REACHED tcp 0.0.0.0",
        "REACHED abstract socket",
        "REACHED name",
    }
    assert "REACHED tcp 127.0.0.1" in seen


def with_set_id(folder: Path) -> list[str]:
    """Return what of a folder has the setuid or setgid bit."""
    bits = stat.S_ISUID | stat.S_ISGID
    return sorted(path.name for path in folder.rglob("*") if path.lstat().st_mode & bits)


async def test_nobody_gets_rights_from_a_file_that_a_child_leaves(place: Place) -> None:
    script = place.project / "set_id.py"
    script.write_text(SET_ID)
    commands = SET_ID_COMMANDS.replace("{python}", shlex.quote(PYTHON))
    seen = await attempt(place, f"{shlex.quote(PYTHON)} set_id.py; {commands}\necho done")
    assert "done\n" in seen
    assert with_set_id(place.project) == []
    assert "REACHED" not in seen
    assert not list(place.project.glob("device *"))
    # Without the filter the same ways leave such files: the corpus does find what is open.
    place.sandbox.mode = "off"
    await attempt(place, f"{shlex.quote(PYTHON)} set_id.py no-devices; {commands}")
    left = with_set_id(place.project)
    for path in place.project.rglob("*"):
        if path.name in left:
            path.chmod(0o700)
    for way in ("chmod", "chmod to setgid", "fchmod", "fchmodat", "open", "openat", "creat", "unnamed file", "mknod"):
        assert f"made by {way}" in left
    assert {"s1", "s2", "s3", "s4", "d2"} <= set(left)


async def test_modes_without_those_bits_are_set_as_ever(place: Place) -> None:
    command = (
        "set -e; umask 022; touch a; chmod 1777 a; chmod 755 a; mkfifo b; mkdir -m 1777 c; install -m 600 a d;"
        " cp -p a e;"
        f" {shlex.quote(PYTHON)} -c 'import os; os.close(os.open(\"f\", os.O_RDONLY | os.O_CREAT, 0o640))';"
        " stat -c %a a b c d e f"
    )
    seen = await sh(place.sandbox, place.project, command)
    assert seen["stdout"].split() == ["755", "644", "1777", "600", "755", "640"], seen["stderr"]


def test_the_corpus_is_large_enough() -> None:
    assert len(ROUTES) * len(TARGETS) >= 300
