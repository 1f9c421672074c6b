"""The console: one source, one model, one main screen, and a pace of painting.

Events are folded as they come; the screen is painted at most ``fps`` times a second and only after something changed.
A key is answered immediately. Where nothing happens no timer runs but one a second, and nothing is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Literal, TypeVar

from textual import events
from textual.app import App, SystemCommand
from textual.screen import Screen
from textual.timer import Timer

from headway.clock import SYSTEM_CLOCK
from headway.errors import HeadwayError, one_line
from headway.events.snapshot import Snapshot
from headway_console.actions import ACTIONS, Act, key_text
from headway_console.model import ConsoleModel
from headway_console.playback import Playback
from headway_console.resources import themes
from headway_console.router import KeyRouter
from headway_console.screens.dialog import Dialog
from headway_console.screens.main import MainScreen
from headway_console.screens.palette import JOBS, Entry, Palette, job_words
from headway_console.source import Item, Link, Source
from headway_console.steering import QuitChoice, Steering
from headway_console.theme import DARK, load_themes
from headway_console.widgets.colors import with_states

__all__ = ["HeadwayConsole", "QuitChoice"]

DialogAnswer = TypeVar("DialogAnswer")

_FEED_S = 0.008
_REST_S = 0.002
"""After this much time of folding without a break the keys get their turn for that long."""

MAX_HELD = 200_000
"""Events kept back by a paused view; then it continues by itself and says so."""


class HeadwayConsole(App[QuitChoice], inherit_bindings=False):
    """The Textual app. ``run()`` returns a :class:`QuitChoice`, or None when it could not begin: see ``failure``.

    ``theme``: the name of a theme, of ``themes/`` or of Textual; ``fps``: the most paints a second;
    ``ascii``: draw with ASCII alone; ``keymap``: other keys of actions, by the action's id. The app opens and closes
    the source.
    """

    TITLE = "headway"
    BINDINGS: ClassVar[list[Any]] = []
    ENABLE_COMMAND_PALETTE = False
    ESCAPE_TO_MINIMIZE = False
    ALLOW_SELECT = False  # a press on a toast would end Textual; and here "c" copies
    NOTIFICATION_TIMEOUT = 6

    def __init__(
        self,
        source: Source,
        *,
        theme: str | None = None,
        fps: int = 10,
        ascii: bool = False,  # noqa: A002 - what everybody calls it
        keymap: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.source = source
        self.ascii = ascii
        super().__init__()
        self.animation_level = "none"
        self.failure: HeadwayError | None = None
        self.opened = False
        self.model = ConsoleModel(self.now_ms, keeps_ended=source.live)
        self.router = KeyRouter(self, keymap)
        self.steering: Steering = Steering(self)
        self.playback: Playback = Playback(self)
        self.held: int | None = None
        self._held_items: list[Item] = []
        self._held_at = 0
        self._period = 1.0 / max(1, min(60, fps))
        self._painted_at = -1.0
        self._refilling = False
        self._paint_timer: Timer | None = None
        self._link = Link()
        self._themes: list[str] = []
        self._wanted_theme = theme
        self._load_themes()

    # -- themes --------------------------------------------------------------------------------------------------

    def _load_themes(self) -> None:
        try:
            found = load_themes([themes()])
        except FileNotFoundError:
            self._themes = ["textual-dark", "textual-light"]
            return
        for theme in found.themes.values():
            self.register_theme(theme)
        self._themes = list(found.themes) or ["textual-dark", "textual-light"]
        wanted = self._wanted_theme or (DARK if DARK in self._themes else self._themes[0])
        self.theme = wanted if wanted in self.available_themes else self._themes[0]

    def get_css_variables(self) -> dict[str, str]:
        """Add our variables where the theme has none."""
        self.theme_variables = with_states(super().get_css_variables())
        return self.theme_variables

    def next_theme(self) -> None:
        """Change to the next theme."""
        place = self._themes.index(self.theme) if self.theme in self._themes else -1
        self.theme = self._themes[(place + 1) % len(self._themes)]
        self.say(f"Theme {self.theme}")

    # -- life ----------------------------------------------------------------------------------------------------

    def get_default_screen(self) -> Screen[Any]:
        """The main screen."""
        return MainScreen(self)

    @property
    def main(self) -> MainScreen | None:
        """The main screen, once there is one."""
        screen = self.screen_stack[0] if self._screen_stacks.get(self._current_mode) else None
        return screen if isinstance(screen, MainScreen) else None

    def on_ready(self) -> None:
        """Begin to follow the source, once the first frame is on the screen."""
        if self._wanted_theme and self.theme != self._wanted_theme:
            self.say(f"There is no theme {self._wanted_theme}; this is {self.theme}.", severity="warning")
        if self.main is not None:
            self.router.enter(self.main)
        self.run_worker(self.router.run(), group="keys", exit_on_error=True)
        self.run_worker(self._follow(), group="source", exit_on_error=True)
        self.set_interval(1.0, self._each_second)

    async def on_unmount(self) -> None:
        """Let go of the source."""
        await self.source.close()

    async def _follow(self) -> None:
        """Open the source and take its items until it ends."""
        try:
            await self.source.open()
        except HeadwayError as error:
            self.failure = error
            self.exit(return_code=1)
            return
        self.opened = True
        if not self.source.live:
            self.model.opening = False  # at its start a recording has nothing, and that is known
        now = SYSTEM_CLOCK.now
        begun = now()
        try:
            async for item in self.source.batches():
                self.take(item)
                if now() - begun > _FEED_S:
                    await asyncio.sleep(_REST_S)
                    begun = now()
        except HeadwayError as error:
            self.say(f"The source ended: {one_line(str(error), 300)}", severity="error", timeout=60)
        self.paint_soon()

    # -- events in -----------------------------------------------------------------------------------------------

    def now_ms(self) -> int:
        """The source's time; that of the pause while the view is paused, and of the loss while the link is lost."""
        if self.held is not None:
            return self._held_at
        if not self.opened:
            return 0
        now, link = self.source.now_ms(), self.source.link
        return now if link.connected else min(now, link.since_ms)

    def take(self, item: Item) -> None:
        """Fold an item, or keep it back while the view is paused."""
        if self.held is None:
            self.model.feed(item)
            self._ask_for_missing()
        else:
            self._hold(item)
        self.paint_soon()

    def _hold(self, item: Item) -> None:
        if isinstance(item, Snapshot):
            self._held_items, self.held = [], 0  # what was kept back is part of it, or was undone by it
        self._held_items.append(item)
        self.held = (self.held or 0) + (len(item) if isinstance(item, list) else 0)
        if self.held > MAX_HELD:
            self.set_paused(False)
            self.say(f"The pause ended: more than {MAX_HELD:,} events came.", severity="warning")

    def set_paused(self, on: bool) -> None:
        """Stand still, keeping back what comes; or continue with all of it."""
        if on and self.held is None:
            self._held_at = self.source.now_ms()
            self.held = 0
        elif not on and self.held is not None:
            self.held = None
            items, self._held_items = self._held_items, []
            for item in items:
                self.model.feed(item)
            self._ask_for_missing()
        self.paint_now()

    def _ask_for_missing(self) -> None:
        job_id = self.model.missing
        if job_id is not None:
            self.run_worker(self._fetch(job_id), group="fetch", exclusive=True, exit_on_error=False)

    async def _fetch(self, job_id: str) -> None:
        """Ask the source for a run that is looked at and not followed."""
        try:
            run = await self.source.run(job_id)
        except HeadwayError as error:
            self.say(one_line(str(error), 300), severity="error")
            run = None
        self.model.install(job_id, run)
        self.paint_soon()

    def want_run(self, job_id: str) -> None:
        """Ask the source for a run that something is shown of, unless it is followed already."""
        if job_id not in self.model.runs:
            self.run_worker(self._fetch(job_id), group=f"fetch {job_id}", exclusive=True, exit_on_error=False)

    def look_at(self, job_id: str) -> None:
        """Pin that job in sight."""
        self.model.choose(job_id)
        self._ask_for_missing()
        self.paint_soon()

    def follow_newest(self) -> None:
        """Follow the newest run from now on."""
        self.model.choose(None)
        self._ask_for_missing()
        self.paint_now()

    def open_job(self, job_id: str) -> None:
        """Pin that job and show its DAG."""
        self.look_at(job_id)
        if self.main is not None:
            self.main.show_view("dag")

    # -- painting ------------------------------------------------------------------------------------------------

    def paint_soon(self) -> None:
        """Paint within one period; many calls are one paint."""
        if self._paint_timer is None:
            wait = self._painted_at + self._period - SYSTEM_CLOCK.now()
            self._paint_timer = self.set_timer(max(0.001, wait), self.paint_now)

    def paint_now(self) -> None:
        """Paint what is shown of the model."""
        if self._paint_timer is not None:
            self._paint_timer.stop()
            self._paint_timer = None
        self._painted_at = SYSTEM_CLOCK.now()
        main = self.main
        if main is None:
            return
        main.sync()
        self.model.seen()
        top = self.router.layers[-1] if self.router.layers else None
        if isinstance(top, Dialog):
            top.sync()

    def _each_second(self) -> None:
        """Move the clocks that run, and look at the link."""
        if not self.opened:
            return
        controls = self.source.replay
        link = self.source.link
        if link != self._link or not link.connected:
            if link.connected and link.detail and link.detail != self._link.detail:
                self.say(one_line(link.detail, 300), severity="warning", timeout=20)
            self._link = link
            self.paint_soon()
        elif self.held is None and self._clocks_run and (controls is None or controls.playing):
            self.paint_soon()
        elif self.main is not None:
            self.main.sync_bars()  # commands may have come or gone

    @property
    def _clocks_run(self) -> bool:
        """True if what is shown changes by time alone: something runs, or a bucket fills (and once when it is full)."""
        refilled, self._refilling = self._refilling, self.model.refilling(self.now_ms())
        return self.model.busy or refilled or self._refilling

    def replay_changed(self) -> None:
        """Show the new state of the replay immediately; a pause of the view would hide it."""
        if self.held is not None:
            self.set_paused(False)
        self.paint_now()

    # -- keys ----------------------------------------------------------------------------------------------------

    async def on_event(self, event: events.Event) -> None:
        """Hand keys and pastes to the router, and nothing else of them to any widget."""
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            self.app_focus = True
            self.router.take(event)
        else:
            await super().on_event(event)

    def show_dialog(
        self, dialog: Dialog[DialogAnswer], decided: Callable[[DialogAnswer | None], None] | None = None
    ) -> None:
        """Open a dialog and give it the keys; ``decided`` gets its answer. The next key waits until it is there."""
        self.router.enter(dialog, self.push_screen(dialog, decided))

    def touch(self, act: Act) -> None:
        """Pin the run in sight when something is done in its list: it is not to be replaced under the cursor."""
        main = self.main
        if main is None or not self.source.live or self.router.mode != "list" or not main.on_run:
            return
        if act.scope in ("list", "dag") or act.id in ("inspect", "filter", "copy", "attention", "attention_back"):
            self.model.pin()

    def open_palette(self) -> None:
        """Open the palette on every act that belongs here, and the newest jobs."""
        main = self.main
        if main is None:
            return
        skipped = ("palette", "interrupt", "back")
        context = self.router.context_of(main)
        entries = [
            Entry(
                f"{act.title} {act.id}", f"{act.title}  ({key_text(act)})", act.help, partial(self.router.perform, act)
            )
            for act in ACTIONS
            if act.scope in main.scopes and act.scope != "list" and act.id not in skipped
            if act.when(context) is not None
        ]
        for job in reversed(list(self.model.jobs.jobs.values())[-JOBS:]):
            words = job_words(job.job_id, job.title)
            look = partial(self.open_job, job.job_id)
            entries.append(Entry(words, words, f"{job.status}, {job.actions} actions", look, always=False))

        def chosen(entry: Entry | None) -> None:
            if entry is not None:
                entry.run()

        self.show_dialog(Palette(entries), chosen)

    def say_how_to_quit(self) -> None:
        """Say how to quit, also over a dialog."""
        if self.router.mode == "list":
            self.say("q quits the console; x cancels the run.")
        else:
            self.say("esc closes this; q quits the console; x cancels the run.")

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """None of Textual's: the palette shows the action table."""
        return ()

    def say(
        self,
        text: str,
        *,
        severity: Literal["information", "warning", "error"] = "information",
        timeout: float | None = None,
    ) -> None:
        """Show a toast of plain text."""
        self.notify(text, severity=severity, timeout=timeout, markup=False)
