"""What an act is done with: the console, the layer that has the keys, and the target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from headway_console.target import Target, job_target

if TYPE_CHECKING:
    from headway.events.views import JobRow
    from headway_console.app import HeadwayConsole
    from headway_console.screens.main import MainScreen
    from headway_console.widgets.line_list import LineList


class Press(msgspec.Struct, frozen=True):
    """One key: Textual's name of it, the character that it types ("" if none), and when it came.

    ``at`` is when the terminal sent it, on the monotonic clock: not when its turn came. ``after`` is when the one
    before came.
    """

    key: str
    character: str = ""
    at: float = 0.0
    after: float = float("-inf")

    @property
    def text(self) -> str:
        """The character to insert where one types; "" for a key that types none."""
        modified = "+" in self.key and len(self.key) > 1
        return self.character if self.character.isprintable() and not modified else ""


class Layer(Protocol):
    """One of those that take the keys: the main screen, the filter's bar, a dialog. The top one has them.

    ``mode`` is the router's state while it does (see :data:`headway_console.router.MODES`); ``scopes`` those of the
    action table whose keys work.
    """

    mode: str

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes whose acts can be done."""

    @property
    def moving(self) -> LineList | None:
        """The list that the keys of scope ``list`` move in."""

    def target(self) -> Target | None:
        """Return the selected row as a target."""

    def take(self, press: Press) -> bool:
        """Take a key that is this layer's own, such as text; False leaves it to the action table."""

    def paste(self, text: str) -> bool:
        """Take pasted text; False if nothing is typed here."""

    def accept(self, press: Press) -> None:
        """Do what is chosen."""

    def dismiss_layer(self) -> None:
        """Close; nothing is done."""


class Context:
    """The arguments of an act. ``target`` is the selected row, else the run in sight; ``press`` the key, if one."""

    __slots__ = ("console", "layer", "press", "target")

    def __init__(self, console: HeadwayConsole, layer: Any, target: Target | None, press: Press | None = None) -> None:
        self.console = console
        self.layer = layer
        self.target = target
        self.press = press

    @property
    def main(self) -> MainScreen:
        """The main screen."""
        main = self.console.main
        assert main is not None, "acts are done on a console that is drawn"
        return main

    @property
    def moving(self) -> LineList | None:
        """The list that moves."""
        moving: LineList | None = self.layer.moving
        return moving

    @property
    def job(self) -> JobRow | None:
        """The job that the target is, or belongs to; without such a target the one in sight."""
        model = self.console.model
        job_id = self.target.job_id if self.target is not None else None  # a bucket is of no job
        return model.jobs.jobs.get(job_id) if job_id is not None else model.job

    @property
    def job_target(self) -> Target | None:
        """That job as a target."""
        return job_target(self.job) if self.job is not None else None
