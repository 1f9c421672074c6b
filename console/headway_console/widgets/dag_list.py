"""The run by levels: a line a level, under it a line an action."""

from __future__ import annotations

import msgspec

from headway.events.critical_path import critical_path
from headway.events.views import ActionView, LevelView, RunView
from headway.plan.results import ActionStatus
from headway_console.filters import ACTION_FIELDS, Filter
from headway_console.glyphs import Look, Shapes, bar
from headway_console.model import ConsoleModel
from headway_console.target import Target
from headway_console.text import ago, clean, count, duration
from headway_console.widgets.action_row import action_details, action_line, look_of
from headway_console.widgets.painted import Line
from headway_console.widgets.panel import Inspection, Panel, Subject

LevelRow = tuple[int, int]
"""A row: the level's index, and the action's index or -1 for the level's own line."""


class LevelSummary(msgspec.Struct):
    """The line of a level: how many actions, settled, by look; ``share`` counts progress within actions."""

    total: int
    settled: int
    share: float
    looks: dict[str, tuple[Look, int]]

    @property
    def tone(self) -> str:
        """The tone of its bar: that of the worst that happened."""
        tones = {look.tone for look, _ in self.looks.values()}
        for tone in ("failed", "cancelled", "running"):
            if tone in tones:
                return tone
        return "succeeded" if self.settled == self.total else "waiting" if "waiting" in tones else "pending"


def summarize(run: RunView, level: LevelView) -> LevelSummary:
    """Count a level."""
    looks: dict[str, tuple[Look, int]] = {}
    settled, share = 0, 0.0
    for index in level.actions:
        action = run.actions[index]
        look = look_of(run, action)
        looks[look.word] = (look, looks.get(look.word, (look, 0))[1] + 1)
        if action.done:
            settled += 1
            share += 1.0
        elif action.status is ActionStatus.EXECUTING and action.progress is not None:
            share += min(1.0, max(0.0, action.progress))
    return LevelSummary(len(level.actions), settled, share, looks)


def level_took(level: LevelView, now_ms: int, *, running: bool) -> str:
    """Return how long a level took, or is taking; "" before it began."""
    if level.started_ms is None:
        return ""
    if level.finished_ms is None:
        return ago(now_ms - level.started_ms) if running else ""
    return duration(level.finished_ms - level.started_ms)


def level_line(run: RunView, level: LevelView, width: int, shapes: Shapes, now_ms: int, mark: str) -> Line:
    """Paint a level: mark, name, progress bar, done/total, time, counts by state."""
    summary = summarize(run, level)
    room = 10 if width < 60 else 20 if width < 110 else 30
    full, rest = bar(shapes, room, summary.share / summary.total if summary.total else 1.0)
    line: Line = [
        (f"{mark} ", "dim"),
        (f"L{level.index:<3}", "title"),
        (full, summary.tone),
        (rest, "dim"),
        (f" {f'{summary.settled}/{summary.total}':>7}", "bold"),
        (f" {level_took(level, now_ms, running=not run.job.finished):>6}  ", ""),
    ]
    left = width - sum(len(text) for text, _ in line)
    counts = [(f"{shapes.look(look)} {number} {look.word}  ", look.tone) for look, number in summary.looks.values()]
    if sum(len(text) for text, _ in counts) - 2 > left:  # words whole or not at all
        counts = [(f"{shapes.look(look)} {number}  ", look.tone) for look, number in summary.looks.values()]
    return line + counts


class DagList(Panel):
    """Levels with their actions. ``z`` folds settled levels; what failed in them stays in sight."""

    noun = "actions"
    filterable = True

    def __init__(self, model: ConsoleModel, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(model, id=id)
        self.folded = False
        self._run: RunView | None = None
        self._rows: list[LevelRow] = []
        self._critical: frozenset[str] = frozenset()
        self._hits = 0
        self._id_width = 12

    # -- rows ----------------------------------------------------------------------------------------------------

    def refresh_rows(self) -> None:
        """Take the run looked at."""
        keep = self._rows[self.cursor] if self.cursor < len(self._rows) else None
        run = self.model.run
        changed = run is not None and (self._run is None or self._run.job.job_id != run.job.job_id)
        self._run = run
        self._rows, self._hits, self._critical = [], 0, frozenset()
        if run is None:
            return
        self._critical = frozenset(critical_path(run, self.model.now_ms()))
        longest = max((len(action.id) for action in run.actions), default=8)
        self._id_width = max(8, min(longest, 14 if self.row_width < 100 else 28))
        wanted = Filter(self.expression, ACTION_FIELDS) if self.expression else None
        for level in run.levels:
            self._add_level(run, level, wanted)
        if changed:
            self.cursor = 0
            self._jump(0)
        elif keep is not None and keep in self._rows:
            self.cursor = self._rows.index(keep)

    def _add_level(self, run: RunView, level: LevelView, wanted: Filter[ActionView] | None) -> None:
        folded = self.folded and level.settled >= len(level.actions)
        shown = []
        for index in level.actions:
            action = run.actions[index]
            if wanted is not None and not wanted.matches(action):
                continue
            if wanted is None and folded and look_of(run, action).tone != "failed":
                continue
            shown.append((level.index, index))
        if wanted is None or shown:
            self._rows.append((level.index, -1))
            self._rows += shown
            self._hits += len(shown)

    def total(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    def hits(self) -> str:
        """Return how many actions pass the filter."""
        if not self.expression or self._run is None:
            return ""
        return f"{self._hits:,} of {count(len(self._run.actions), 'action')}"

    def selected(self) -> tuple[LevelView, ActionView | None] | None:
        """The level under the cursor, and the action unless it is the level's own line."""
        if self._run is None or self.cursor >= len(self._rows):
            return None
        level, action = self._rows[self.cursor]
        return self._run.levels[level], self._run.actions[action] if action >= 0 else None

    def wants_attention(self, index: int) -> bool:
        """Return whether the action failed, retries or waits."""
        run, (_, action) = self._run, self._rows[index]
        return run is not None and action >= 0 and look_of(run, run.actions[action]).tone in ("failed", "waiting")

    def go_to_level(self, index: int) -> None:
        """Put the cursor on a level's line."""
        for row, (level, action) in enumerate(self._rows):
            if level == index and action < 0:
                self.move_to(row)

    def step_level(self, step: int) -> None:
        """Go to the next or previous level's line."""
        rows = [row for row, (_, action) in enumerate(self._rows) if action < 0]
        ahead = [row for row in rows if (row - self.cursor) * step > 0]
        if ahead:
            self.move_to(ahead[0] if step > 0 else ahead[-1])

    # -- painting ------------------------------------------------------------------------------------------------

    def vacant(self, width: int) -> list[Line]:
        """Say why there is nothing."""
        job = self.model.job
        if job is None:
            return [[("No run yet. Start one: headway run PLAN", "dim")]]
        if self._run is None:
            return [[("Reading the run ", "dim"), (clean(job.job_id), "")]]
        if self.expression and self._run.actions:
            return [[("No action passes the filter; esc clears it.", "dim")]]
        lines: list[Line] = [[(clean(job.error or "This job has no actions."), "failed" if job.error else "dim")]]
        for issue in self._run.issues:
            text = issue.get("message") if isinstance(issue, dict) else issue
            where = issue.get("action_id") if isinstance(issue, dict) else None
            lines.append([(clean(f"  {where}: {text}" if where else f"  {text}"), "")])
        return lines

    def row(self, index: int, width: int) -> Line:
        """Paint a level or an action."""
        run = self._run
        if run is None:
            return []
        level_index, action_index = self._rows[index]
        level, now = run.levels[level_index], self.model.now_ms()
        if action_index < 0:
            return level_line(run, level, width, self.shapes, now, self._mark(level))
        action = run.actions[action_index]
        critical = action.id in self._critical
        return action_line(run, action, width, self.shapes, now, critical=critical, id_width=self._id_width)

    def _mark(self, level: LevelView) -> str:
        """Return the mark before a level: whether its actions are listed."""
        closed = self.folded and level.settled >= len(level.actions) and not self.expression
        return self.shapes.closed if closed else self.shapes.open

    def note(self) -> Line:
        """Tell about the rail, and about folding."""
        line: Line = [(self.shapes.rail, "accent"), (" critical path", "dim")] if self._critical else []
        return [*line, ("  settled folded", "dim")] if self.folded else line

    def inspect(self, width: int) -> Inspection | None:
        """Tell about the action or level under the cursor."""
        selected, run = self.selected(), self._run
        if selected is None or run is None:
            return None
        level, action = selected
        now = self.model.now_ms()
        if action is None:
            return self._inspect_level(run, level, now)
        critical = action.id in self._critical
        title: Line = [
            (clean(action.id), "bold"),
            (f"  level {action.level}, {clean(action.tool or action.type)}", "dim"),
        ]
        details = action_details(run, action, self.model.limits, self.shapes, now, critical=critical)
        return Inspection((run.job.job_id, action.id), title, details)

    def _inspect_level(self, run: RunView, level: LevelView, now: int) -> Inspection:
        summary = summarize(run, level)
        lines: list[Line] = [
            [(f"{self.shapes.look(look)} {number} {look.word}  ", look.tone) for look, number in summary.looks.values()]
        ]
        if level.started_ms is not None:
            took = level_took(level, now, running=not run.job.finished)
            lines.append([("took      " if level.finished_ms else "running   ", "dim"), (took, "")])
        if level.finished_ms is not None:
            lines.append([("restore   ", "dim"), (clean(f"{run.job.job_id}@L{level.index}"), "")])
        slowest = sorted(
            (run.actions[index] for index in level.actions), key=lambda a: a.duration_ms or 0.0, reverse=True
        )[:5]
        lines += [
            [("slowest   ", "dim"), (f"{duration(action.duration_ms):>6} {clean(action.id)}", "")]
            for action in slowest
            if action.duration_ms
        ]
        title: Line = [(f"level {level.index}", "bold"), (f"  {summary.settled}/{summary.total} done", "dim")]
        return Inspection((run.job.job_id, level.index), title, lines)

    def subject(self) -> Subject | None:
        """The action or level under the cursor."""
        selected, run = self.selected(), self._run
        if selected is None or run is None:
            return None
        level, action = selected
        command = f"headway jobs show {run.job.job_id}"
        return Subject(_target(run, level, action), msgspec.to_builtins(level if action is None else action), command)

    def target(self) -> Target | None:
        """The action or level under the cursor."""
        selected, run = self.selected(), self._run
        return _target(run, *selected) if selected is not None and run is not None else None


def _target(run: RunView, level: LevelView, action: ActionView | None) -> Target:
    job_id = run.job.job_id
    if action is not None:
        return Target("action", action.id, job_id, action.tool or action.type)
    return Target("level", f"{job_id}@L{level.index}", job_id, f"level {level.index}")


class LevelList(DagList):
    """The levels, and as much as fits of what runs, waits or failed in them: for the overview."""

    filterable = False

    def refresh_rows(self) -> None:
        """Take the levels; where there is room, under each what runs, waits or failed in it."""
        super().refresh_rows()
        run = self._run
        room = self.page - len(self._rows)
        if run is None or room <= 0:
            return
        keep = self._rows[self.cursor] if self.cursor < len(self._rows) else None
        rows: list[LevelRow] = []
        for row in self._rows:
            rows.append(row)
            for index in run.levels[row[0]].actions:
                if room > 0 and look_of(run, run.actions[index]).tone in ("running", "waiting", "failed"):
                    rows.append((row[0], index))
                    room -= 1
        self._rows = rows
        self.cursor = rows.index(keep) if keep is not None else self.cursor

    def _add_level(self, run: RunView, level: LevelView, wanted: Filter[ActionView] | None) -> None:
        self._rows.append((level.index, -1))

    def _mark(self, level: LevelView) -> str:
        return " "

    def note(self) -> Line:
        """Nothing: the overview has no room for legends."""
        return []
