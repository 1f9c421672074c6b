"""All jobs, newest first."""

from __future__ import annotations

import msgspec

from headway.clock import rfc3339
from headway.events.views import JobRow
from headway_console.filters import JOB_FIELDS, Filter
from headway_console.glyphs import bar, job_look
from headway_console.model import ConsoleModel
from headway_console.target import Target, job_target
from headway_console.text import clean, count, duration, fit, moment
from headway_console.widgets.painted import Line
from headway_console.widgets.panel import Inspection, Panel, Subject


class JobsList(Panel):
    """One line a job: state, id, title, progress, how long, since when. The rail marks the one looked at."""

    noun = "jobs"
    filterable = True

    def __init__(self, model: ConsoleModel, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(model, id=id)
        self._rows: list[JobRow] = []
        self._all = 0
        self._cursor_id: str | None = None

    def refresh_rows(self) -> None:
        """Take the jobs, newest first."""
        jobs = list(self.model.jobs.jobs.values())
        self._all = len(jobs)
        jobs.reverse()
        if self.expression:
            wanted = Filter(self.expression, JOB_FIELDS)
            jobs = [job for job in jobs if wanted.matches(job)]
        keep = self._cursor_id or self.model.current_id
        self._rows = jobs
        for index, job in enumerate(jobs):
            if job.job_id == keep:
                self.cursor = index
                break

    def total(self) -> int:
        """Return the number of jobs shown."""
        return len(self._rows)

    def move_to(self, index: int, *, tell: bool = True) -> None:
        """Move, and stay on that job when others come."""
        super().move_to(index, tell=tell)
        job = self.selected()
        self._cursor_id = job.job_id if job else None

    def selected(self) -> JobRow | None:
        """The job under the cursor."""
        return self._rows[self.cursor] if self.cursor < len(self._rows) else None

    def hits(self) -> str:
        """Return how many pass the filter."""
        return f"{len(self._rows):,} of {count(self._all, 'job')}" if self.expression else ""

    def note(self) -> Line:
        """Say so while jobs are missing from the list."""
        return [] if self.model.complete else [("list incomplete: the store is being indexed", "waiting")]

    def wants_attention(self, index: int) -> bool:
        """Return whether it failed or waits for somebody."""
        job = self._rows[index]
        return job.status in ("failed", "paused") or bool(job.waiting_for)

    def vacant(self, width: int) -> list[Line]:
        """Say how to get a job."""
        if self._all:
            return [[("No job passes the filter; esc clears it.", "dim")]]
        return [[("No jobs yet. Start one: headway run PLAN", "dim")]]

    def row(self, index: int, width: int) -> Line:
        """Paint a job."""
        job, shapes, now = self._rows[index], self.shapes, self.model.now_ms()
        look = job_look(job)
        settled = job.succeeded + job.failed + job.skipped + job.rejected
        rail = shapes.rail if job.job_id == self.model.current_id else " "
        line: Line = [(rail, "accent"), (shapes.look(look) + " ", look.tone)]
        if width >= 60:
            line += [(fit(look.word, 11), look.tone)]
        taken = (job.finished_ms or now) - job.started_ms if job.started_ms else None
        line += [(fit(clean(job.job_id), 13, shapes.more), "")]
        wide = width >= 100
        tail: Line = []
        if width >= 70:
            full, rest = bar(shapes, 12 if wide else 6, settled / job.actions if job.actions else 0.0)
            tail += [(" " + full, look.tone), (rest, "dim")]
        tail += [(f" {f'{settled}/{job.actions}':>9}", ""), (f" {duration(taken):>6}", "")]
        tail += [(f"  {moment(job.created_ms, now)}", "dim")] if width >= 60 else []
        used = sum(len(text) for text, _ in line) + sum(len(text) for text, _ in tail)
        title = job.title or job.source
        if job.forked_from:
            title += f" (fork of {job.forked_from})"
        if job.waiting_for and wide:
            title += f" [waits for {job.waiting_for}]"
        elif job.outcome and wide:
            title += f" [{job.outcome}]"
        line += [(fit(clean(title), max(0, width - used), shapes.more), "")]
        return line + tail

    def inspect(self, width: int) -> Inspection | None:
        """Tell about the job under the cursor."""
        job = self.selected()
        if job is None:
            return None
        look = job_look(job)
        title: Line = [
            (f"{self.shapes.look(look)} {look.word} ", look.tone),
            (clean(f"{job.job_id} {job.title}"), "bold"),
        ]
        lines: list[Line] = []
        if job.error:
            lines.append([("error     ", "dim"), (clean(job.error), "failed")])
        if job.cancel_reason:
            asked = "" if job.finished else "asked for: "
            name = "cancelled " if job.finished else "cancel    "
            lines.append([(name, "dim"), (asked + clean(job.cancel_reason), "cancelled")])
        if job.waiting_for:
            lines.append([("waits for ", "dim"), (clean(job.waiting_for), "waiting")])
        counts = ", ".join(
            f"{number} {name}"
            for name, number in (
                ("succeeded", job.succeeded),
                ("failed", job.failed),
                ("skipped", job.skipped),
                ("rejected", job.rejected),
            )
            if number
        )
        lines.append([("actions   ", "dim"), (f"{job.actions}: {counts or 'none settled'}", "")])
        lines.append([("levels    ", "dim"), (f"{job.levels_done} of {job.levels} done", "")])
        times = [("created", job.created_ms), ("started", job.started_ms), ("finished", job.finished_ms)]
        lines += [[(f"{name:<10}", "dim"), (rfc3339(ms), "")] for name, ms in times if ms]
        facts = [
            ("outcome", job.outcome),
            ("scope", job.scope),
            ("context", job.context_id),
            ("source", job.source),
            ("by", job.principal),
            ("fork of", job.forked_from),
            ("proposal", job.proposal_id),
        ]
        lines += [[(f"{name:<10}", "dim"), (clean(value), "")] for name, value in facts if value]
        lines.append([("events    ", "dim"), (f"seq {job.first_seq:,} to {job.last_seq:,}", "")])
        return Inspection(job.job_id, title, lines)

    def subject(self) -> Subject | None:
        """The job under the cursor."""
        job = self.selected()
        if job is None:
            return None
        return Subject(job_target(job), msgspec.to_builtins(job), f"headway jobs show {job.job_id}")

    def target(self) -> Target | None:
        """The job under the cursor."""
        job = self.selected()
        return job_target(job) if job is not None else None
