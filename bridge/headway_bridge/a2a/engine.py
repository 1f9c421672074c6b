"""The part of an engine that the bridge needs: the methods it calls, and no others.

:class:`headway.engine.Engine` has them; tests hand in one that runs nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from typing import Any, Protocol

from headway.clock import Clock
from headway.config import Config
from headway.events.event import Event
from headway.events.views import JobRow, RunView
from headway.jobs.submission import Submission
from headway.tools.schema import ToolSchema


class Tool(Protocol):
    """A registered tool, as far as a remote agent is concerned."""

    @property
    def schema(self) -> ToolSchema:
        """Name, description and parameters."""

    @property
    def writes_files(self) -> bool:
        """True if calling it can change files."""

    @property
    def permission(self) -> str:
        """``allow``, ``ask`` or ``deny``."""


class Tools(Protocol):
    """The tools there are."""

    def entries(self) -> Collection[Any]:
        """Return every :class:`Tool`."""

    def get(self, name: str) -> Any:
        """Return the :class:`Tool` of that name, None if there is none."""


class Values(Protocol):
    """The store of large values."""

    async def resolve(self, value: Any) -> Any:
        """Return what a reference stands for; raises :class:`headway.errors.NotFound` if it is gone."""


class Events(Protocol):
    """A subscription: batches of a job's events in seq order, until :meth:`close` or the log's end."""

    def __aiter__(self) -> AsyncIterator[list[Event]]:
        """Iterate over the batches."""

    def close(self) -> None:
        """Stop."""


class TaskEngine(Protocol):
    """The part of the engine that the bridge stands on."""

    @property
    def config(self) -> Config:
        """The configuration."""

    @property
    def registry(self) -> Tools:
        """The tools."""

    @property
    def clock(self) -> Clock:
        """The time."""

    @property
    def reader(self) -> Values:
        """The store, for what events only refer to."""

    async def submit(self, plan: Submission) -> JobRow:
        """Record a job, committed when it returns; a cancelled call is carried through all the same."""

    async def inherit(self, scope: str, heir: str, theirs: Callable[[Event], bool]) -> bool:
        """Begin the scope ``heir`` with the state of ``scope`` where nobody else has worked on that."""

    async def wait(self, job_id: str, timeout: float | None = None) -> RunView:
        """Return the run once it has ended, or as it stands at the timeout. A cancelled wait changes nothing."""

    async def cancel(self, job_id: str, reason: str = "", by: str = "") -> str:
        """Ask the job to stop: ``forced``, ``requested`` or ``already_finished``."""

    async def run(self, job_id: str) -> RunView:
        """Return the run as it stands; raises :class:`headway.errors.NotFound`."""

    def subscribe(self, after: int = 0, job_id: str | None = None) -> Events:
        """Follow a job's events."""
