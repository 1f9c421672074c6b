"""The first line: what is looked at and how it stands, and whether the data is fresh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway_console.glyphs import bar, job_look
from headway_console.text import ago, clean, cut
from headway_console.widgets.painted import Line, LineBar

if TYPE_CHECKING:
    from headway.events.views import JobRow
    from headway_console.app import HeadwayConsole


class TitleBar(LineBar):
    """State, progress and title of the run in sight, pinned or the newest; at the right how many jobs run.

    A broken link is told in reverse video before that, which stays: it is the last that is known.
    """

    DEFAULT_CSS = """
    TitleBar { background: $panel; }
    """

    def __init__(self, console: HeadwayConsole, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._front = console
        self._model = console.model
        self._source = console.source

    def line(self, width: int) -> Line:
        """Paint the bar."""
        line: Line = [(" headway ", "title")]
        left = width - 9
        if not self._front.opened or self._model.opening:
            return [*line, ("opening ", "dim"), (clean(self._source.title) if self._front.opened else "", "dim")]
        stale = self._stale(left)
        left -= len(stale)
        line += [(stale, "alert")] if stale else []
        job = self._model.job
        if job is None:
            return [*line, (cut(clean(self._source.title), max(0, left), self.shapes.more), "dim")]
        return line + self._run(job, width, max(0, left))

    def _stale(self, left: int) -> str:
        """Return how long the link has been lost and why, short enough for the run's state to stay; "" if it is not."""
        link = self._source.link
        if link.connected:
            return ""
        what = clean(link.detail) or "disconnected"
        if self._source.live:
            what = f"STALE {ago(self._source.now_ms() - link.since_ms)}: {what}, retrying"
        return f" {cut(what, max(8, left * 3 // 5 - 2), self.shapes.more)} "

    def _run(self, job: JobRow, width: int, left: int) -> Line:
        """Return state, progress and name of the job in sight, and whether it is pinned or the newest."""
        look = job_look(job)
        settled = job.succeeded + job.failed + job.skipped + job.rejected
        running = sum(1 for row in self._model.live_jobs() if row.status == "running")
        right = f" {running} running " if running > 1 else ""
        state = f"{self.shapes.look(look)} {look.word}"
        if job.outcome and left >= 71:
            state += f" ({clean(job.outcome)})"
        progress: Line = []
        if left >= 51:
            full, rest = bar(self.shapes, 10, settled / job.actions if job.actions else 0.0)
            progress = [(" " + full, look.tone), (rest, "dim")]
        numbers = f" {settled}/{job.actions} "
        hold = self._hold(width)
        name = f" {clean(job.title or job.source or job.job_id)} "
        used = len(state) + sum(len(text) for text, _ in progress) + len(numbers) + len(hold) + len(right)
        name = cut(name, max(0, left - used), self.shapes.more)
        source = f" {clean(self._source.title)}"
        source = cut(source, max(0, left - used - len(name)), self.shapes.more) if width >= 100 else ""
        line: Line = [(state, look.tone), *progress, (numbers, "bold"), (name, "")]
        return [*line, (hold, "accent" if self._model.pinned else "dim"), (source, "dim"), (right, "running")]

    def _hold(self, width: int) -> str:
        """Return whether the run in sight is pinned or the newest is followed, and how many are newer."""
        if not self._model.pinned:
            return " newest " if self._source.live else ""
        newer = self._model.newer()
        return f" pinned, {newer} newer " if newer and width >= 60 else " pinned "
