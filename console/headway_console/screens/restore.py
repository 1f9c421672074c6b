"""Checkpoints: the list, what would change, then a fork (a new run) or a restore (of the state)."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical

from headway.errors import HeadwayError, describe
from headway_console.context import Press
from headway_console.screens.dialog import Dialog, HintBar, Text
from headway_console.source import Checkpoint, Commands, StateDiff
from headway_console.target import Target
from headway_console.text import clean, count, cut, moment, to_json
from headway_console.widgets.line_list import LineList
from headway_console.widgets.painted import Line


def checkpoint_name(point: Checkpoint) -> str:
    """Return the place of a checkpoint in words: ``after level 2``, or the name that its maker gave it."""
    return f"after level {point.level}" if point.level is not None else clean(point.name or point.checkpoint_id)


def checkpoint_target(point: Checkpoint) -> Target:
    """Return a checkpoint as a target."""
    return Target("checkpoint", point.checkpoint_id, point.job_id, checkpoint_name(point))


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
        return [
            (f" {checkpoint_name(point):<18}", "bold"),
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


class RestoreDialog(Dialog[None]):
    """Choose a checkpoint and see the diff. Fork, restore and save ask first, and name what is selected."""

    scopes = ("checkpoints", "list", "dialog")
    DEFAULT_CSS = """
    RestoreDialog > Vertical { height: 90%; }
    RestoreDialog CheckpointList { height: 2fr; max-height: 100%; }
    RestoreDialog #diff { height: 3fr; max-height: 100%; border-top: solid $state-rule; }
    RestoreDialog #diff { border-title-color: $text-primary; }
    """

    def __init__(self, commands: Commands, job: Target, now_ms: int) -> None:
        super().__init__()
        self._commands = commands
        self._job = job
        self._list = CheckpointList(now_ms)
        self._pane = Text([], id="diff")
        self._diffs: dict[str, StateDiff] = {}

    def compose(self) -> ComposeResult:
        """The list, the diff, the keys."""
        with Vertical() as box:
            box.border_title = f"Checkpoints of {self._job.name}".replace("[", "(")
            yield self._list
            self._pane.border_title = "State, now to then"
            yield self._pane
            yield HintBar(
                [("f", "fork a new run"), ("r", "restore the state"), ("s", "save one now"), ("esc", "close")]
            )

    def on_mount(self) -> None:
        """Ask for the checkpoints."""
        super().on_mount()
        self._list.focus()
        self.reload()

    def reload(self) -> None:
        """List the checkpoints anew, unless the dialog was closed."""
        if not self.answered:
            self.run_worker(self._load(), exclusive=True, group="checkpoints")

    async def _load(self) -> None:
        try:
            checkpoints = await self._commands.checkpoints(job_id=self._job.id)
        except HeadwayError as error:
            self._show([[(describe(error), "failed")]])
            return
        if not self.answered:
            self._list.put(checkpoints)
            await self._show_diff()

    async def _show_diff(self) -> None:
        point = self.selected
        if point is None:
            self._show([])
            return
        try:
            diff = self._diffs.get(point.checkpoint_id)
            if diff is None:
                self._show([[("Reading the state there.", "dim")]])
                diff = self._diffs[point.checkpoint_id] = await self._commands.diff(point.checkpoint_id)
            lines = diff_lines(diff, self._pane.row_width)
        except HeadwayError as error:
            lines = [[(describe(error), "failed")]]
        chosen = self.selected
        if chosen is not None and chosen.checkpoint_id == point.checkpoint_id:  # no other one was chosen meanwhile
            self._show(lines)

    def _show(self, lines: list[Line]) -> None:
        """Show lines in the pane, unless the dialog was closed while they were read."""
        if not self.answered:
            self._pane.put(lines)

    @property
    def selected(self) -> Checkpoint | None:
        """The checkpoint under the cursor."""
        return self._list.chosen()

    def diff_of(self, point: Checkpoint) -> StateDiff | None:
        """Return what a restore would change, if that has been read."""
        return self._diffs.get(point.checkpoint_id)

    def on_line_list_moved(self, event: LineList.Moved) -> None:
        """Show the diff of the one under the cursor."""
        self.run_worker(self._show_diff(), exclusive=True, group="diff")

    # -- as a layer ------------------------------------------------------------------------------------------------

    @property
    def moving(self) -> LineList | None:
        """The checkpoints."""
        return self._list

    def target(self) -> Target | None:
        """The checkpoint under the cursor."""
        point = self.selected
        return checkpoint_target(point) if point is not None else None

    def accept(self, press: Press) -> None:
        """Ask whether to fork: that changes nothing that is there."""
        self.ask("fork")

    def ask(self, what: str) -> None:
        """Ask for a command on the selected checkpoint, or for one that saves the present state."""
        steering, point = self.console.steering, self.selected
        if what == "save":
            steering.ask_to_save(self._job, self)
        elif point is None:
            self.console.say("No checkpoint is selected.")
        else:
            steering.ask_to_go_back(what, point, self)
