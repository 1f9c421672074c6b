"""The palette's findings: every action of the table, and the jobs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from headway_console.actions import ACTIONS, Act, key_text
from headway_console.screens.main import MainScreen
from headway_console.text import clean

if TYPE_CHECKING:
    from headway_console.app import HeadwayConsole

JOBS = 200
"""The newest jobs that are searched."""


class ConsoleCommands(Provider):
    """Actions that apply here, with their keys; jobs by id and title. Titles are shown as text, never as markup."""

    @property
    def _console(self) -> HeadwayConsole:
        return cast("HeadwayConsole", self.app)

    def _actions(self) -> list[tuple[Act, Callable[[], None]]]:
        screen = self.screen
        if not isinstance(screen, MainScreen):
            return []
        skipped = ("list", "dialog", "checkpoints")
        return [
            (act, partial(self._console.perform, act))
            for act in ACTIONS
            if act.scope not in skipped and act.id not in ("palette", "interrupt", "back") and screen.applies(act)
        ]

    async def discover(self) -> Hits:
        """Yield all actions."""
        for act, run in self._actions():
            yield DiscoveryHit(Content(f"{act.title}  ({key_text(act)})"), run, act.title, act.help)

    async def search(self, query: str) -> Hits:
        """Yield what matches."""
        matcher = self.matcher(query)
        for act, run in self._actions():
            score = matcher.match(f"{act.title} {act.id}")
            if score > 0:
                yield Hit(score, Content(f"{act.title}  ({key_text(act)})"), run, act.title, act.help)
        jobs = list(self._console.model.jobs.jobs.values())[-JOBS:]
        for job in reversed(jobs):
            text = clean(f"job {job.job_id} {job.title}")
            score = matcher.match(text)
            if score > 0:
                look = partial(self._console.open_job, job.job_id)
                yield Hit(score, Content(text), look, text, f"{job.status}, {job.actions} actions")
