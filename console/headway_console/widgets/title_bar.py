"""The first line: what is looked at and how it stands, and whether the data is fresh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway_console.glyphs import bar, job_look
from headway_console.text import ago, clean, cut
from headway_console.widgets.painted import Line, LineBar

if TYPE_CHECKING:
    from headway_console.app import HeadwayConsole


class TitleBar(LineBar):
    """Source, job, state, progress; at the right how many jobs run. A broken link is told in reverse video."""

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
        if not self._front.opened:
            return [*line, ("opening", "dim")]
        link = self._source.link
        if not link.connected:
            for_ = ago(self._source.now_ms() - link.since_ms)
            what = clean(link.detail) or "disconnected"
            text = f" STALE {for_}: {what}, retrying " if self._source.live else f" {what} "
            return [*line, (cut(text, left, self.shapes.more), "alert")]
        job = self._model.job
        if job is None:
            return [*line, (cut(clean(self._source.title), left, self.shapes.more), "dim")]
        look = job_look(job)
        settled = job.succeeded + job.failed + job.skipped + job.rejected
        running = sum(1 for row in self._model.live_jobs() if row.status == "running")
        right = f" {running} running " if running > 1 else ""
        state = f"{self.shapes.look(look)} {look.word}"
        if job.outcome and width >= 80:
            state += f" ({clean(job.outcome)})"
        progress: Line = []
        if width >= 60:
            full, rest = bar(self.shapes, 10, settled / job.actions if job.actions else 0.0)
            progress = [(" " + full, look.tone), (rest, "dim")]
        numbers = f" {settled}/{job.actions} "
        name = f" {clean(job.title or job.source or job.job_id)} "
        used = len(state) + sum(len(text) for text, _ in progress) + len(numbers) + len(right)
        name = cut(name, max(0, left - used), self.shapes.more)
        source = f" {clean(self._source.title)}"
        source = cut(source, max(0, left - used - len(name)), self.shapes.more) if width >= 100 else ""
        line += [(state, look.tone), *progress, (numbers, "bold"), (name, ""), (source, "dim")]
        return [*line, (right, "running")]
