"""The policy files of a home's engine: read at the start, followed while it runs, each change in the log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path

from headway.errors import InvalidConfig, one_line
from headway.events import kinds
from headway.events.event import Event
from headway.events.log import EventLog
from headway.policy.engine import PolicyEngine
from headway.policy.files import RuleSet, find_policies, load_policies
from headway.policy.watch import watch_policies
from headway.watching import LOOK_MS

_log = logging.getLogger("headway.engine")

LOOK_S = LOOK_MS / 1000
"""Seconds between two looks for a folder that is not there yet."""


class PolicyFiles:
    """The folder ``policies`` of a project, now or later.

    Raises :class:`headway.errors.InvalidConfig` for files that cannot be understood, and for a folder of that name on
    the way up from ``start``, where none is read. One that breaks while the engine runs changes nothing, nor does a
    folder that goes: the rules in force stay, and the log says why.
    """

    def __init__(self, policies: PolicyEngine, project: Path, start: Path | None = None) -> None:
        self._policies = policies
        self._project = project
        self._start = start
        self.folder = find_policies(project, start)
        self._task: asyncio.Task[None] | None = None
        if self.folder is not None:
            policies.use_files(load_policies(self.folder))

    def follow(self, log: EventLog) -> None:
        """Tell ``log`` which rules are in force, and follow the files."""
        if self.folder is not None:
            log.append(_loaded(self._policies.file_rules))
        self._task = asyncio.create_task(self._follow(log), name="headway-policies")

    async def _follow(self, log: EventLog) -> None:
        folder = self.folder if self.folder is not None else await self._comes(log)
        async with contextlib.aclosing(watch_policies(self._policies, folder)) as changes:
            async for change in changes:
                if change.error is not None:
                    _refuse(log, change.error)
                else:
                    log.append(_loaded(change.rules))

    async def _comes(self, log: EventLog) -> Path:
        """Wait for the folder and return it. Asked for now and then: watching all folders above costs more."""
        told = ""
        while True:
            await asyncio.sleep(LOOK_S)  # in the time of the disk, as watchfiles
            try:
                self.folder = find_policies(self._project, self._start)
            except InvalidConfig as error:
                if error.message != told:
                    told = error.message
                    _refuse(log, told)
            if self.folder is not None:
                return self.folder

    async def aclose(self) -> None:
        """End the following."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


def _refuse(log: EventLog, error: str) -> None:
    """Tell the log, and who reads the daemon's lines, why a change is not taken."""
    log.append(Event(kinds.POLICIES_REFUSED, {"error": error}))
    _log.warning("policies: %s", one_line(error, 1000))


def _loaded(rules: RuleSet | None) -> Event:
    files = [path.name for path in rules.files] if rules is not None else []
    return Event(kinds.POLICIES_LOADED, {"files": files, "rules": len(rules.rules) if rules is not None else 0})
