"""One writer a home, whoever and wherever it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from headway.errors import HomeLocked, StoreUnreadable
from headway.home import Home
from headway.store.sqlite.lock import HomeLock, held_here
from headway.store.sqlite.log import StoreLog

_HOLD = """
import sys
from headway.home import Home
from headway.store.sqlite.lock import HomeLock
lock = HomeLock(Home(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_the_second_is_told_the_pid(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with HomeLock(home) as lock:
        assert lock.held
        assert home.lock_file.read_text() == f"{os.getpid()}\n"
        assert held_here(home) is lock
        with pytest.raises(HomeLocked, match=str(os.getpid())):
            HomeLock(home).acquire()
        with pytest.raises(HomeLocked):
            lock.acquire()
    assert not lock.held
    lock.release()
    with HomeLock(home):
        pass


def test_another_process_holds_it_until_it_dies(tmp_path: Path) -> None:
    home = Home(tmp_path)
    child = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(HomeLocked, match=f"process {child.pid} ") as caught:
            HomeLock(home).acquire()
        assert caught.value.details == {"pid": child.pid}
        child.kill()
        child.wait()
        with HomeLock(home):  # its pid is still in the file, its lock is not
            pass


def test_a_lock_file_that_cannot_be_opened(tmp_path: Path) -> None:
    Home(tmp_path).lock_file.mkdir()
    with pytest.raises(StoreUnreadable, match=r"headway\.lock"):
        HomeLock(Home(tmp_path)).acquire()
    Home(tmp_path).lock_file.rmdir()
    Home(tmp_path).lock_file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreUnreadable):
        HomeLock(Home(tmp_path)).acquire()
    assert not (tmp_path / "elsewhere").exists()


async def test_a_second_log_is_refused(tmp_path: Path) -> None:
    home = Home(tmp_path)
    log = await StoreLog.open(home)
    with pytest.raises(HomeLocked):
        await StoreLog.open(home)
    await log.close()
    assert held_here(home) is None
    log = await StoreLog.open(home)
    await log.close()


async def test_a_log_under_a_lock_that_is_held_already(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with HomeLock(home) as lock:
        log = await StoreLog.open(home)
        with pytest.raises(HomeLocked):
            await StoreLog.open(home, lock=lock)
        await log.close()
        assert lock.held
        log = await StoreLog.open(home, lock=lock)
        await log.close()
