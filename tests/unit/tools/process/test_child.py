"""Child processes by themselves: their end is certain whatever the system and the loop do."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest

from headway.errors import ToolError
from headway.testing import VirtualClock
from headway.tools.process import child
from headway.tools.process.child import LOST_S, TERM_GRACE_S, ChildProcess, Group
from tests.unit.tools.process.children import alive, descriptors, reaped, until


class Heard:
    """A child and all that it told."""

    def __init__(self, *command: str, **options: Any) -> None:
        self.clock = VirtualClock()
        self.data = {"stdout": b"", "stderr": b""}
        self.events: list[Any] = []
        self.child = ChildProcess(
            command,
            clock=self.clock,
            on_data=self.hear,
            on_eof=lambda name: self.events.append(name),
            on_exit=lambda code: self.events.append(code),
            env={"PATH": os.environ["PATH"]},
            **options,
        )

    def hear(self, name: str, data: bytes) -> None:
        self.data[name] += data


async def test_it_tells_what_it_writes_and_how_it_ends() -> None:
    heard = Heard("sh", "-c", "cat; echo wrong >&2; exit 4", stdin=True)
    heard.child.write(b"in and out")
    heard.child.close_input()
    await heard.child.wait()
    assert heard.data == {"stdout": b"in and out", "stderr": b"wrong\n"}
    assert heard.events[-1] == heard.child.code == 4
    heard.child.terminate()
    heard.child.kill()
    heard.child.write(b"late")
    assert heard.events.count(4) == 1


async def test_what_it_does_not_read_waits_outside_the_pipe() -> None:
    heard = Heard("sleep", "600", stdin=True)
    heard.child.write(b"x" * 1_000_000)
    assert 0 < heard.child.unsent < 1_000_000
    heard.child.terminate()
    await heard.child.wait()
    assert heard.child.code == -signal.SIGTERM


async def test_kill_comes_after_the_grace() -> None:
    heard = Heard("sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 600; done")
    await until(lambda: heard.data["stdout"])
    heard.child.terminate()
    heard.child.terminate()
    await heard.clock.advance(TERM_GRACE_S - 0.01)
    assert alive(heard.child.pid)
    await heard.clock.advance(0.02)
    await heard.child.wait()
    assert heard.child.code == -signal.SIGKILL
    assert heard.clock.pending == 0


async def test_one_that_no_signal_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    before = descriptors()
    heard = Heard("sleep", "600")
    with monkeypatch.context() as patched:
        patched.setattr(Group, "signal", lambda *_: None)
        heard.child.kill()
        await heard.clock.advance(LOST_S)
        await heard.child.wait()
    assert heard.events == [None]
    assert descriptors() == before
    os.kill(heard.child.pid, signal.SIGKILL)  # and when it ends after all it is reaped
    await until(lambda: reaped(heard.child.pid))
    assert heard.events == [None]


async def test_a_system_without_waitid_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "waitid")
    heard = Heard("sh", "-c", "echo out; exit 6")
    await heard.child.wait()
    assert (heard.child.code, heard.data["stdout"]) == (6, b"out\n")


async def test_one_that_somebody_else_reaped_ends_without_a_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: Any) -> Any:
        raise ChildProcessError

    heard = Heard("sh", "-c", "read x", stdin=True)
    monkeypatch.setattr(os, "waitpid", nobody)
    heard.child.close_input()
    await heard.child.wait()
    assert heard.child.code is None
    monkeypatch.undo()
    os.waitpid(heard.child.pid, 0)  # noqa: ASYNC222 - it has ended


async def test_without_a_thread_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any) -> Any:
        raise RuntimeError("can't start new thread")

    before = descriptors()
    monkeypatch.setattr(child._thread, "start_new_thread", none)
    with pytest.raises(ToolError, match="no thread for 'sleep': can't start new thread"):
        Heard("sleep", "600")
    monkeypatch.undo()
    assert descriptors() == before


async def test_a_group_that_is_reaped_or_another_process_s_gets_no_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    heard, group = Heard("true"), Group(os.getpid())
    await heard.child.wait()
    sent: list[Any] = []
    monkeypatch.setattr(os, "killpg", lambda *call: sent.append(call))
    heard.child._group.signal(signal.SIGKILL)
    monkeypatch.setattr(os, "getpid", lambda: -1)  # as in a fork
    group.signal(signal.SIGKILL)
    assert sent == []


def test_a_child_that_ends_when_its_loop_is_closed_is_reaped() -> None:
    async def start() -> Heard:
        return Heard("sh", "-c", "read x", stdin=True)

    heard = asyncio.run(start())
    os.close(heard.child._pipes.pop("stdin"))
    asyncio.run(until(lambda: reaped(heard.child.pid)))
    heard.child.abandon()
