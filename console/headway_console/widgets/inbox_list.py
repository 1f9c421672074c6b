"""The inbox: all that waits for a person, the most blocking first, then the jobs that failed."""

from __future__ import annotations

import msgspec

from headway.clock import rfc3339
from headway.events.views import Elicitation, FailedJob
from headway.secrets import mask
from headway_console.glyphs import FAILED, WAITING
from headway_console.model import ConsoleModel
from headway_console.target import Target, question_target
from headway_console.text import ago, clean, count, duration, fit, to_json
from headway_console.widgets.painted import Line
from headway_console.widgets.panel import Inspection, Panel, Subject

KIND_WORDS = {"approval": "approve", "input": "answer", "auth": "sign in", "budget": "top up"}
"""The kinds of question, and what each asks of a person."""

VALUE_LINES = 40
"""The most lines of parameters that the inspector shows."""


class InboxList(Panel):
    """One line a question: what is asked of a person, since when, by which run and action, what it blocks."""

    noun = "questions"

    def __init__(self, model: ConsoleModel, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(model, id=id)
        self._rows: list[Elicitation | FailedJob] = []
        self._cursor_id: str | None = None

    def refresh_rows(self) -> None:
        """Take the open questions and the failed jobs, newest first."""
        inbox = self.model.inbox
        self._rows = [*inbox.waiting(), *reversed(inbox.failed.values())]
        for index, row in enumerate(self._rows):
            if _id_of(row) == self._cursor_id:
                self.cursor = index
                break
        else:
            self._cursor_id = None

    def total(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    def move_to(self, index: int, *, tell: bool = True) -> None:
        """Move, and stay on that row when others come."""
        super().move_to(index, tell=tell)
        row = self._selected()
        self._cursor_id = _id_of(row) if row is not None else None

    def question(self) -> Elicitation | None:
        """Return the question under the cursor; None if that is a failed job."""
        row = self._selected()
        return row if isinstance(row, Elicitation) else None

    def wants_attention(self, index: int) -> bool:
        """Return whether it is a question."""
        return isinstance(self._rows[index], Elicitation)

    def note(self) -> Line:
        """Say how many questions wait."""
        waiting = sum(1 for row in self._rows if isinstance(row, Elicitation))
        return [(f"{count(waiting, 'question')} for you", "waiting")] if waiting else []

    def vacant(self, width: int) -> list[Line]:
        """Say that nothing waits."""
        return [[("Nothing waits for you.", "dim")]]

    def row(self, index: int, width: int) -> Line:
        """Paint a question or a failed job."""
        row, now = self._rows[index], self.model.now_ms()
        if isinstance(row, FailedJob):
            return self._failed(row, now, width)
        shapes, age = self.shapes, f" {ago(now - row.asked_ms):>5} "
        line: Line = [(shapes.look(WAITING) + " ", WAITING.tone), (fit(KIND_WORDS.get(row.kind, row.kind), 8), "bold")]
        line.append((age, "dim"))
        if width >= 60:
            blocks = f"blocks {row.blocking}" if row.blocking else ""
            line.append((fit(blocks, 11), "waiting"))
        used = sum(len(text) for text, _ in line)
        where = fit(f"{self._title(row.job_id)} {clean(row.action_id or '')}".rstrip(), width // 3, shapes.more)
        prompt = fit(clean(row.prompt), max(0, width - used - len(where) - 1), shapes.more)
        return [*line, (where + " ", ""), (prompt, "")]

    def _failed(self, row: FailedJob, now: int, width: int) -> Line:
        shapes = self.shapes
        line: Line = [(shapes.look(FAILED) + " ", FAILED.tone), (fit("failed", 8), FAILED.tone)]
        line.append((f" {ago(now - row.at_ms):>5} ", "dim"))
        if width >= 60:
            line.append((fit(clean(row.outcome or ""), 11, shapes.more), "dim"))
        used = sum(len(text) for text, _ in line)
        where = fit(self._title(row.job_id), width // 3, shapes.more)
        return [*line, (where + " ", ""), (fit(clean(row.error), max(0, width - used - len(where) - 1)), "dim")]

    def _title(self, job_id: str) -> str:
        job = self.model.jobs.jobs.get(job_id)
        return clean(job.title or job_id) if job is not None else clean(job_id)

    def inspect(self, width: int) -> Inspection | None:
        """Tell about the row under the cursor."""
        row = self._selected()
        if row is None:
            return None
        if isinstance(row, FailedJob):
            lines: list[Line] = [[("error     ", "dim"), (clean(row.error), "failed")]]
            lines.append([("ended     ", "dim"), (rfc3339(row.at_ms), "")])
            return Inspection(row.job_id, [("failed ", "failed"), (self._title(row.job_id), "bold")], lines)
        return Inspection(row.id, [(clean(row.prompt), "bold")], question_lines(row, self.model.now_ms()))

    def subject(self) -> Subject | None:
        """The row under the cursor."""
        row, target = self._selected(), self.target()
        if row is None or target is None:
            return None
        shown = f"headway inbox show {row.id}" if isinstance(row, Elicitation) else f"headway jobs show {row.job_id}"
        return Subject(target, msgspec.to_builtins(row), shown)

    def target(self) -> Target | None:
        """The question under the cursor, or the failed job."""
        row = self._selected()
        if isinstance(row, FailedJob):
            return Target("job", row.job_id, row.job_id, self._title(row.job_id))
        return question_target(row) if row is not None else None

    def _selected(self) -> Elicitation | FailedJob | None:
        return self._rows[self.cursor] if self.cursor < len(self._rows) else None


def _id_of(row: Elicitation | FailedJob) -> str:
    return row.id if isinstance(row, Elicitation) else row.job_id


def question_lines(question: Elicitation, now_ms: int) -> list[Line]:
    """Return what is to be known of a question before it is answered, in lines."""
    facts = [
        ("run", question.job_id),
        ("action", question.action_id or ""),
        ("tool", question.tool),
        ("for", question.principal or ""),
        ("blocks", count(question.blocking, "action") if question.blocking else ""),
    ]
    lines: list[Line] = [[(f"{name:<10}", "dim"), (clean(value), "")] for name, value in facts if value]
    if question.asked_ms:
        lines.append([("asked     ", "dim"), (f"{ago(now_ms - question.asked_ms)} ago", "")])
    if question.expires_ms is not None:
        left = max(0, question.expires_ms - now_ms)
        lines.append([("else      ", "dim"), (f"{clean(question.default)} in {duration(left)}", "waiting")])
    for name, value in mask(question.parameters or {}).items():
        lines.append([("with      ", "dim"), (clean(name), "bold"), (f" = {clean(to_json(value))}", "")])
    if len(lines) > VALUE_LINES:
        lines = [*lines[:VALUE_LINES], [(f"and {len(lines) - VALUE_LINES} more", "dim")]]
    for name, value in mask(question.detail).items():
        lines.append([(f"{clean(name):<10}", "dim"), (clean(to_json(value)), "dim")])
    return lines
