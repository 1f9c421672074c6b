"""The owner of a home: asked from outside, without its lock being taken."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from headway.home import Home
from headway.owner import Mark, owner_of
from headway.store import HomeLock

HOLDS = """
import sys
from headway.home import Home
from headway.store import HomeLock

lock = HomeLock(Home(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


def holder(home: Home) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_home_that_nobody_has_used(tmp_path: Path) -> None:
    assert owner_of(Home(tmp_path).alive_file) is None


def test_the_writer_is_named_while_it_lives_and_not_after_a_kill(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with holder(home) as process:
        try:
            assert owner_of(home.alive_file) == process.pid
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert owner_of(home.alive_file) is None
    assert home.alive_file.read_text() == f"{process.pid}\n"  # what is written there decides nothing


def test_this_process_sees_itself(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with HomeLock(home):
        assert owner_of(home.alive_file) == os.getpid()
        assert owner_of(home.alive_file) == os.getpid()  # asking has dropped nothing
        asks = "import sys, pathlib; from headway.owner import owner_of; print(owner_of(pathlib.Path(sys.argv[1])))"
        command = [sys.executable, "-c", asks, str(home.alive_file)]
        seen = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert seen.stdout.strip() == str(os.getpid())
    assert owner_of(home.alive_file) is None


def test_asking_keeps_nobody_from_the_lock(tmp_path: Path) -> None:
    """A probe that takes a lock to look, however shortly, turns away some of the writers that start meanwhile."""
    home = Home(tmp_path / "home")
    home.prepare()
    home.alive_file.touch()
    asks = (
        "from headway.owner import owner_of; from pathlib import Path; import sys\n"
        f"path = Path({str(home.alive_file)!r})\nprint('asks', flush=True)\nwhile True: owner_of(path)"
    )
    with subprocess.Popen([sys.executable, "-c", asks], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            for _ in range(300):
                with HomeLock(home):
                    assert owner_of(home.alive_file) == os.getpid()
        finally:
            process.kill()


def test_a_mark_is_taken_away_once(tmp_path: Path) -> None:
    mark = Mark(tmp_path / "alive")
    assert owner_of(tmp_path / "alive") == os.getpid()
    mark.remove()
    mark.remove()
    assert owner_of(tmp_path / "alive") is None
