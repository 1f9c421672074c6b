"""Checkpoints: the list, what would change, then a fork (a new run, the default) or a restore (of the state)."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical

from headway.errors import HeadwayError, describe
from headway_console.actions import bindings
from headway_console.screens.dialog import Dialog, HintBar, Text
from headway_console.source import Checkpoint, Commands, StateDiff
from headway_console.text import clean, count, cut, moment, to_json
from headway_console.widgets.line_list import LineList
from headway_console.widgets.painted import Line

Decision = tuple[str, Checkpoint]
"""``("fork" | "restore", checkpoint)``."""


class CheckpointList(LineList):
    """Checkpoints, newest first."""

    def __init__(self, now_ms: int) -> None:
        super().__init__()
        self._now = now_ms
        self.checkpoints: list[Checkpoint] = []

    def put(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Show these; the cursor stays on its checkpoint."""
        chosen = self.chosen()
        self.checkpoints = sorted(checkpoints, key=lambda c: (c.seq, c.created_ms), reverse=True)
        for index, point in enumerate(self.checkpoints):
            if chosen is not None and point.checkpoint_id == chosen.checkpoint_id:
                self.cursor = index
        self.sync()

    def chosen(self) -> Checkpoint | None:
        """Return the one under the cursor."""
        return self.checkpoints[self.cursor] if self.cursor < len(self.checkpoints) else None

    def total(self) -> int:
        """Return how many there are."""
        return len(self.checkpoints)

    def empty(self, width: int) -> list[Line]:
        """Say when there will be one."""
        return [[("No checkpoint yet: one comes with every level's end.", "dim")]]

    def row(self, index: int, width: int) -> Line:
        """Paint one."""
        point = self.checkpoints[index]
        what = f"after level {point.level}" if point.level is not None else clean(point.name or point.checkpoint_id)
        return [
            (f" {what:<18}", "bold"),
            (f" {f'{point.done}/{point.total}':>9} done", ""),
            (f"  {count(point.keys, 'key') if point.keys is not None else '':>9}", ""),  # level ends are not counted
            (f"  {moment(point.created_ms, self._now)}", "dim"),
            (f"  seq {point.seq:<9,}", "dim"),
            (f"  {clean(point.checkpoint_id)}", "dim"),
        ]


def diff_lines(diff: StateDiff, width: int) -> list[Line]:
    """Return what a restore changes, key by key: ``+`` comes back, ``-`` goes away, ``~`` changes."""
    lines: list[Line] = []

    def value(raw: object, room: int) -> str:
        return cut(clean(to_json(raw)), max(8, room))

    for key, then in sorted(diff.added.items()):
        lines.append([("+ ", "succeeded"), (clean(key), "bold"), (f" = {value(then, width - len(key) - 6)}", "")])
    for key, (now, then) in sorted(diff.changed.items()):
        half = max(8, (width - len(key) - 10) // 2)
        lines.append(
            [
                ("~ ", "waiting"),
                (clean(key), "bold"),
                (f"   {value(now, half)}", "dim"),
                (f" → {value(then, half)}", ""),
            ]
        )
    for key, now in sorted(diff.removed.items()):
        lines.append([("- ", "failed"), (clean(key), "bold"), (f"   {value(now, width - len(key) - 6)}", "dim")])
    return lines or [[("The state there is the state now.", "dim")]]


class RestoreDialog(Dialog[Decision]):
    """Choose a checkpoint, see the diff; ``f`` or enter forks, ``r`` restores (asks again), ``s`` saves one now."""

    BINDINGS = bindings("checkpoints")
    DEFAULT_CSS = """
    RestoreDialog > Vertical { height: 90%; }
    RestoreDialog CheckpointList { height: 2fr; max-height: 100%; }
    RestoreDialog #diff { height: 3fr; max-height: 100%; border-top: solid $state-rule; }
    RestoreDialog #diff { border-title-color: $text-primary; }
    """

    def __init__(self, commands: Commands, job_id: str, title: str, now_ms: int) -> None:
        super().__init__()
        self._commands = commands
        self._job_id = job_id
        self._title = title
        self._now = now_ms
        self._sure = ""
        self._diffs: dict[str, StateDiff] = {}

    def compose(self) -> ComposeResult:
        """The list, the diff, the keys."""
        with Vertical() as box:
            box.border_title = self._title.replace("[", "(")
            yield CheckpointList(self._now)
            diff = Text([], id="diff")
            diff.border_title = "State, now to then"
            yield diff
            yield HintBar(
                [("f", "fork a new run"), ("r", "restore the state"), ("s", "save one now"), ("esc", "close")]
            )

    def on_mount(self) -> None:
        """Ask for the checkpoints."""
        super().on_mount()
        self.query_one(CheckpointList).focus()
        self.run_worker(self._load(), exclusive=True, group="checkpoints")

    async def _load(self) -> None:
        try:
            self.query_one(CheckpointList).put(await self._commands.checkpoints(job_id=self._job_id))
        except HeadwayError as error:
            self.query_one("#diff", Text).put([[(describe(error), "failed")]])
            return
        await self._show_diff()

    async def _show_diff(self) -> None:
        point, pane = self.selected, self.query_one("#diff", Text)
        if point is None:
            pane.put([])
            return
        try:
            diff = self._diffs.get(point.checkpoint_id)
            if diff is None:
                pane.put([[("Reading the state there.", "dim")]])
                diff = self._diffs[point.checkpoint_id] = await self._commands.diff(point.checkpoint_id)
            lines = diff_lines(diff, pane.row_width)
        except HeadwayError as error:
            lines = [[(describe(error), "failed")]]
        chosen = self.selected
        if chosen is not None and chosen.checkpoint_id == point.checkpoint_id:  # no other one was chosen meanwhile
            pane.put(lines)

    @property
    def selected(self) -> Checkpoint | None:
        """The checkpoint under the cursor."""
        return self.query_one(CheckpointList).chosen()

    def on_line_list_moved(self, event: LineList.Moved) -> None:
        """Show the diff of the one under the cursor."""
        self._sure = ""
        self.run_worker(self._show_diff(), exclusive=True, group="diff")

    def action_fork(self) -> None:
        """Start a new run from there."""
        self._decide("fork")

    def action_accept(self) -> None:
        """Fork: it changes nothing that is there."""
        self._decide("fork")

    def action_save(self) -> None:
        """Save the present state."""
        self.run_worker(self._save(), exclusive=True, group="checkpoints")

    def _decide(self, what: str) -> None:
        if self.selected is not None:
            self.dismiss((what, self.selected))

    def action_restore(self) -> None:
        """Restore, when asked twice."""
        point = self.selected
        if point is None:
            return
        if self._sure == point.checkpoint_id:
            self._decide("restore")
            return
        self._sure = point.checkpoint_id
        text = f"Restore overwrites the state of {point.scope} as shown. Press r again to do it, f to fork instead."
        self.notify(text, severity="warning", markup=False)

    async def _save(self) -> None:
        try:
            saved = await self._commands.save_checkpoint(job_id=self._job_id)
        except HeadwayError as error:
            self.notify(describe(error), severity="error", markup=False)
            return
        self.notify(f"Saved {saved.checkpoint_id}.", markup=False)
        await self._load()
