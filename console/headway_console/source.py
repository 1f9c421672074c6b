"""Sources: where the console's events come from, and where its commands go.

A console does not know whether it looks at the store of a local daemon, at a remote one or at a recording: it reads a
:class:`Source`. All sources feed the same fold, so all show the same.

::

    source = StoreSource(home)              one of headway_console.sources, or headway_console.replay
    await source.open()
    async for item in source.batches():     Snapshot (forget everything, start from here) or list[Event]
        model.feed(item)
    receipt = await source.send(command)    unless source.commands is None: then source.read_only says why
    await source.close()
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from headway.events.event import Event
from headway.events.snapshot import Snapshot
from headway.events.views import Elicitation, JobRow, RunView

if TYPE_CHECKING:
    from headway_console.commands import Command, Receipt

SPEEDS: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0, 600.0)
"""The speeds that a replay offers, slowest first."""


Item = Snapshot | list[Event]
"""The news that :meth:`Source.batches` yields: a fresh start, or the next events in seq order (never empty).

A fresh start says: forget what you knew and continue from these views. A live source sends one first (``Snapshot()``
means "from the beginning"), so that what is not read yet is never taken for empty, and another one whenever it has lost
its place, or goes back in time as a replay that seeks does. Its ``runs`` are those worth following from the start (the
live ones); others are asked for with :meth:`Source.run`.
"""


class Link(msgspec.Struct, frozen=True):
    """The contact of the source with its origin. ``detail`` is one line for people, "" when all is well.

    ``since_ms`` is when this state began, in the time of :meth:`Source.now_ms`.
    """

    connected: bool = True
    detail: str = ""
    since_ms: int = 0


class Checkpoint(Protocol):
    """A place to go back to, as :meth:`Commands.checkpoints` lists it."""

    @property
    def checkpoint_id(self) -> str:
        """``JOBID@L2`` after level index 2 of that job, or ``ckpt_…`` of a manual one."""

    @property
    def kind(self) -> str:
        """level, manual or file."""

    @property
    def scope(self) -> str:
        """The state scope it belongs to."""

    @property
    def job_id(self) -> str | None:
        """The job it was taken in, if one."""

    @property
    def level(self) -> int | None:
        """The index of the finished level, for kind level."""

    @property
    def name(self) -> str | None:
        """The name that its maker gave it."""

    @property
    def seq(self) -> int:
        """The event after which the state was so."""

    @property
    def created_ms(self) -> int:
        """When, ms since 1970."""

    @property
    def keys(self) -> int | None:
        """The number of keys that the state has there; None if nobody has counted them."""

    @property
    def done(self) -> int:
        """The number of the job's actions that were finished."""

    @property
    def total(self) -> int:
        """The number of actions that the job has."""


class StateDiff(Protocol):
    """The changes that a restore makes in a scope's state, from now to the checkpoint."""

    @property
    def checkpoint_id(self) -> str:
        """The checkpoint."""

    @property
    def scope(self) -> str:
        """The scope."""

    @property
    def added(self) -> Mapping[str, Any]:
        """Keys that come back, with their values."""

    @property
    def removed(self) -> Mapping[str, Any]:
        """Keys that go away, with their present values."""

    @property
    def changed(self) -> Mapping[str, Sequence[Any]]:
        """Keys that change: ``[now, then]``."""


class Commands(Protocol):
    """The receiver of an operator's commands, which are audited, and questions. All raise
    :class:`headway.errors.HeadwayError`. A console sends commands by :meth:`Source.send` only."""

    async def cancel(self, job_id: str, reason: str = ...) -> str:
        """Stop softly: answers ``forced``, ``requested`` or ``already_finished``."""

    async def kill(self, job_id: str, reason: str = ...) -> str:
        """Stop hard, in-flight calls included; the same answers."""

    async def checkpoints(self, job_id: str | None = None, scope: str | None = None) -> Sequence[Checkpoint]:
        """List the checkpoints of a job or a scope, oldest first."""

    async def save_checkpoint(
        self, *, job_id: str | None = None, scope: str | None = None, name: str | None = None
    ) -> Checkpoint:
        """Save the present state of a scope."""

    async def diff(self, checkpoint_id: str) -> StateDiff:
        """Tell what a restore would change."""

    async def restore(self, checkpoint_id: str) -> StateDiff:
        """Set the scope's state to the checkpoint's; ``Conflict`` while a job runs in the scope."""

    async def fork(self, checkpoint_id: str) -> JobRow:
        """Start a new job in a new scope from there; the old run is not changed."""

    async def answer(self, elicitation_id: str, choice: str, value: Any = None, reason: str = ...) -> Elicitation:
        """Answer a question; the first answer counts, others raise ``Conflict``."""


class ReplayControls(Protocol):
    """The controls of a source that plays a recording. Each takes effect with the next item of ``batches``."""

    @property
    def playing(self) -> bool:
        """True while time moves; False at the end."""

    @property
    def speed(self) -> float:
        """Recorded seconds a second; one of :data:`SPEEDS`."""

    @property
    def seq(self) -> int:
        """The last event shown; 0 before the first."""

    @property
    def last_seq(self) -> int:
        """The last event of the recording."""

    @property
    def position_ms(self) -> int:
        """Recorded time since the first event."""

    @property
    def duration_ms(self) -> int:
        """Recorded time from the first event to the last."""

    def play(self) -> None:
        """Resume; from the end, begin anew."""

    def pause(self) -> None:
        """Stand still."""

    def seek(self, seq: int) -> None:
        """Show everything up to that event and nothing after it; out of range is clamped."""

    def seek_time(self, position_ms: int) -> None:
        """Show everything up to that recorded time; out of range is clamped."""

    def step(self, count: int = 1) -> None:
        """Pause and go ``count`` events on (back when negative)."""

    def step_level(self, count: int = 1) -> None:
        """Pause and go to the ``count``-th next (previous when negative) end of a level."""

    def set_speed(self, speed: float) -> None:
        """Set the speed; :class:`ValueError` if it is not positive."""


class Source(Protocol):
    """One place to watch runs from. Everything belongs to the thread of the event loop."""

    @property
    def title(self) -> str:
        """The title of what is looked at, in a few words: a home, an address, a recording's title."""

    @property
    def live(self) -> bool:
        """True if it follows a runtime: then time is real and quitting may leave runs behind."""

    @property
    def commands(self) -> Commands | None:
        """The receiver of commands, and of the questions that come before them; None when this source only shows."""

    @property
    def read_only(self) -> str:
        """Why there are no commands, in one line (``a recording cannot be changed``); "" when there are."""

    @property
    def replay(self) -> ReplayControls | None:
        """The controls of a recording; None for all others."""

    @property
    def link(self) -> Link:
        """True if the origin still answers. The source itself tries again, with back-off."""

    def now_ms(self) -> int:
        """Return the time that ages are told in: real time when live, recorded time in a replay (ms since 1970)."""

    async def open(self) -> None:
        """Connect or open the file. Raises :class:`headway.errors.HeadwayError` if there is nothing to show."""

    def batches(self) -> AsyncIterator[Item]:
        """Yield fresh starts and batches of events, replay first, then live. Ends only when nothing can follow."""

    async def send(self, command: Command) -> Receipt:
        """Have a confirmed command carried out; return the receipt. Raises :class:`headway.errors.HeadwayError`."""

    async def run(self, job_id: str) -> RunView | None:
        """Return a run that is not followed yet, folded up to some seq (its ``last_seq``); None if there is none."""

    async def close(self) -> None:
        """Let go of everything. Closing twice, or before ``open``, is harmless."""
