"""A source and commands that tests steer, and a console on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from textual.pilot import Pilot

from headway.errors import HeadwayError
from headway.events.checkpoint import CheckpointInfo, StateDiff
from headway.events.event import Event
from headway.events.fold import fold_all
from headway.events.recording import Recording
from headway.events.views import Elicitation, JobRow, RunView
from headway_console.app import HeadwayConsole
from headway_console.commands import Command, Receipt, send
from headway_console.resources import recordings
from headway_console.screens.dialog import Dialog
from headway_console.source import Commands, Item, Link, ReplayControls


def recorded(name: str) -> list[Event]:
    """The events of a shipped recording."""
    return list(Recording(recordings() / f"{name}.jsonl"))


JOB = "900d00000001"
"""The job of the recording of a good run."""


def points() -> list[CheckpointInfo]:
    """The ends of two levels of it, as checkpoints."""
    return [
        CheckpointInfo(f"{JOB}@L{level}", "level", "runtime", 40 + level, 1_767_258_001_000, JOB, level, keys=2)
        for level in range(2)
    ]


@dataclass
class FakeCommands:
    """Remembers what was asked; raises ``error`` if there is one."""

    calls: list[tuple[str, Any]] = field(default_factory=list)
    error: HeadwayError | None = None
    says: str = "requested"
    points: list[CheckpointInfo] = field(default_factory=list)

    def _note(self, name: str, value: Any) -> None:
        if self.error is not None:
            raise self.error
        self.calls.append((name, value))

    async def cancel(self, job_id: str, reason: str = "") -> str:
        self._note("cancel", job_id)
        return self.says

    async def kill(self, job_id: str, reason: str = "") -> str:
        self._note("kill", job_id)
        return self.says

    async def checkpoints(self, job_id: str | None = None, scope: str | None = None) -> Sequence[CheckpointInfo]:
        self._note("checkpoints", job_id)
        return self.points

    async def save_checkpoint(
        self, *, job_id: str | None = None, scope: str | None = None, name: str | None = None
    ) -> CheckpointInfo:
        self._note("save", job_id)
        point = CheckpointInfo("ckpt_0123456789ab", "manual", f"job:{job_id}", 200, 1_767_258_009_000, job_id=job_id)
        self.points.append(point)
        return point

    async def diff(self, checkpoint_id: str) -> StateDiff:
        self._note("diff", checkpoint_id)
        return StateDiff(checkpoint_id, "job:x", {"back": [1]}, {"gone": "[red]"}, {"report": [{"a": 1}, {"a": 2}]})

    async def restore(self, checkpoint_id: str) -> StateDiff:
        self._note("restore", checkpoint_id)
        return StateDiff(checkpoint_id, "job:x", {"back": [1]}, {}, {})

    async def fork(self, checkpoint_id: str) -> JobRow:
        self._note("fork", checkpoint_id)
        return JobRow(job_id="f00000000001")

    async def answer(self, elicitation_id: str, choice: str, value: Any = None, reason: str = "") -> Elicitation:
        self._note("answer", (elicitation_id, choice, value))
        return Elicitation(elicitation_id, state="answered", choice=choice, value=value)


class FakeSource:
    """A live source that yields what :meth:`feed` is given."""

    def __init__(self, *items: Item, commands: Commands | None = None, live: bool = True) -> None:
        self.title = "a test"
        self.live = live
        self.commands = commands
        self.read_only = "" if commands is not None else "this is a test that only shows"
        self.replay: ReplayControls | None = None
        self.link = Link()
        self.time_ms = 0
        self.asked: list[str] = []
        self.sent: list[Command] = []
        self.known: dict[str, RunView] = {}
        self.open_error: HeadwayError | None = None
        self.closed = False
        self._queue: asyncio.Queue[Item | None] = asyncio.Queue()
        for item in items:
            self.feed(item)

    def feed(self, item: Item) -> None:
        """Yield this next; the time is that of its last event."""
        if isinstance(item, list) and item:
            self.time_ms = max(self.time_ms, item[-1].ts)
        self._queue.put_nowait(item)

    def end(self) -> None:
        """End the items."""
        self._queue.put_nowait(None)

    def now_ms(self) -> int:
        return self.time_ms

    async def open(self) -> None:
        if self.open_error is not None:
            raise self.open_error

    async def batches(self) -> AsyncIterator[Item]:
        while (item := await self._queue.get()) is not None:
            yield item

    async def send(self, command: Command) -> Receipt:
        self.sent.append(command)
        return await send(self.commands, command, self.read_only)

    async def run(self, job_id: str) -> RunView | None:
        self.asked.append(job_id)
        return self.known.get(job_id)

    async def close(self) -> None:
        self.closed = True
        self.end()


def run_of(events: list[Event], job_id: str) -> RunView:
    """The run as folded from its first event."""
    return fold_all(RunView(job=JobRow(job_id=job_id)), events)


def console_on(source: Any, *, quiet_s: float = 0, **options: Any) -> HeadwayConsole:
    """A console that paints as fast as tests like, and whose messages stay however slow the machine is.

    It need not be quiet before a key confirms: tests that are about that say so.
    """
    app = HeadwayConsole(source, fps=60, **options)
    app.router.quiet_s = quiet_s
    app.NOTIFICATION_TIMEOUT = 3600  # type: ignore[misc]
    return app


async def press_keys(app: HeadwayConsole, pilot: Pilot[Any], *keys: str) -> None:
    """Press keys one by one: each after the dialog that the one before opened was seen."""
    for key in keys:
        await pilot.press(key)
        await keys_done(app, pilot)


async def keys_done(app: HeadwayConsole, pilot: Pilot[Any]) -> None:
    """Wait until every key is finished and a dialog that is open has been painted."""

    def done() -> bool:
        dialog = app.screen
        return app.router.idle and not (isinstance(dialog, Dialog) and dialog.shown_at == float("inf"))

    while app.is_running and not done():
        await pilot.pause()


def painted(app: HeadwayConsole) -> str:
    """The text on the screen, line by line."""
    height = app.size.height
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in lines[:height])
