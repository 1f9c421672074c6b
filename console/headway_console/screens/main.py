"""The main screen: bars, the seven views, the inspector, and what the keys do to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import Screen
from textual.widgets import ContentSwitcher

from headway_console.actions import VIEWS, Act
from headway_console.context import Press
from headway_console.screens.help import HelpScreen
from headway_console.target import Target
from headway_console.widgets.budgets_list import BudgetsList
from headway_console.widgets.dag_list import DagList, LevelList
from headway_console.widgets.event_log import EventLog
from headway_console.widgets.filter_bar import FilterBar
from headway_console.widgets.inbox_list import InboxList
from headway_console.widgets.inspector import Inspector
from headway_console.widgets.jobs_list import JobsList
from headway_console.widgets.key_bar import KeyBar
from headway_console.widgets.limits_list import LimitsList
from headway_console.widgets.line_list import LineList
from headway_console.widgets.overview import Overview
from headway_console.widgets.panel import Panel
from headway_console.widgets.status_line import StatusLine
from headway_console.widgets.tab_bar import TabBar
from headway_console.widgets.title_bar import TitleBar

if TYPE_CHECKING:
    from headway_console.app import HeadwayConsole


class MainScreen(Screen[None], inherit_bindings=False):
    """One list and a small inspector; two columns from 120, three from 170 columns; one panel below 20 rows.

    The lowest layer of the key router. Which panel has the keys is kept here; the focus only shows it.
    """

    mode = "list"
    scopes = ("list", "dag", "inbox", "events", "run", "replay", "global")
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - Textual's, an instance variable there
        (0, "-narrow"),
        (80, "-normal"),
        (120, "-wide"),
        (170, "-huge"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (10, "-short"), (20, "-tall")]  # noqa: RUF012 - as above
    DEFAULT_CSS = """
    MainScreen {
        layout: vertical;
        background: $background;
        & #body { height: 1fr; layout: vertical; }
        & #views { height: 1fr; width: 1fr; }
        & #inspector { height: 8; width: 1fr; }
        & #side { display: none; }
        &.-wide #body, &.-huge #body { layout: horizontal; }
        &.-wide #views, &.-huge #views { width: 3fr; }
        &.-wide #inspector, &.-huge #inspector {
            width: 2fr;
            height: 1fr;
            border-top: none;
            border-left: solid $state-rule;
            padding-left: 1;
        }
        &.-wide #inspector:focus, &.-huge #inspector:focus { border-left: heavy $accent; }
        &.-huge.-with-side #side { display: block; width: 2fr; border-left: solid $state-rule; padding-left: 1; }
        &.-overview #inspector { display: none; }
        &.-short #inspector, &.-tiny #inspector { display: none; }
        &.-tiny TabBar, &.-tiny KeyBar { display: none; }
        &.-inspect.-narrow #views, &.-inspect.-normal #views { display: none; }
        &.-inspect.-short #views, &.-inspect.-tiny #views { display: none; }
        &.-inspect #inspector { display: block; }
        &.-inspect.-narrow #inspector, &.-inspect.-normal #inspector { height: 1fr; }
        &.-inspect.-short #inspector, &.-inspect.-tiny #inspector { height: 1fr; }
        &.-ascii #inspector { border-top: ascii $state-rule; }
        &.-ascii.-wide #inspector, &.-ascii.-huge #inspector { border-top: none; border-left: ascii $state-rule; }
        &.-ascii.-huge #side { border-left: ascii $state-rule; }
        &.-ascii Overview > Panel { border-top: ascii $state-rule; }
    }
    """

    def __init__(self, console: HeadwayConsole) -> None:
        super().__init__()
        self.console = console
        model = console.model
        self.view = VIEWS[0]
        self.overview = Overview(model, id="overview")
        self.dag: DagList = DagList(model, id="dag")
        self.events = EventLog(model, id="events")
        self.jobs = JobsList(model, id="jobs")
        self.inbox: InboxList = InboxList(model, id="inbox")
        self._panels: dict[str, Panel] = {
            "dag": self.dag,
            "events": self.events,
            "limits": LimitsList(model, id="limits"),
            "budgets": BudgetsList(model, id="budgets"),
            "jobs": self.jobs,
            "inbox": self.inbox,
        }
        self.side = EventLog(model, id="side")
        self.inspector = Inspector(id="inspector")
        self.tabs = TabBar(model, id="tabs")
        self.filter_bar = FilterBar(self._apply_filter, self._close_filter, id="filter")
        self._inspecting = False
        self.bars = (
            TitleBar(console, id="title"),
            StatusLine(console, lambda: self.panel, id="status"),
            KeyBar(self._shown_in_bar, id="keys"),
            self.tabs,
        )

    def compose(self) -> ComposeResult:
        """Everything there is, top to bottom."""
        title, status, keys, _ = self.bars
        yield title
        yield self.tabs
        with Container(id="body"):
            with ContentSwitcher(initial=self.view, id="views"):
                yield self.overview
                yield from self._panels.values()
            yield self.inspector
            yield self.side
        yield self.filter_bar
        yield status
        yield keys

    def on_mount(self) -> None:
        """Begin with the overview."""
        self.set_class(self.console.ascii, "-ascii")
        self.show_view(self.view)

    # -- views ---------------------------------------------------------------------------------------------------

    @property
    def panel(self) -> Panel:
        """The panel that keys and the inspector are about."""
        return self.overview.active if self.view == "overview" else self._panels[self.view]

    def show_view(self, view: str) -> None:
        """Change the view."""
        self.view = self.tabs.view = view
        self.set_class(view == "overview", "-overview")
        self.set_class(view not in ("overview", "events"), "-with-side")
        self.remove_class("-inspect")
        self._inspecting = False
        if self.filter_bar.is_open:
            self._leave_filter()
        self.query_one("#views", ContentSwitcher).current = view
        self.panel.focus()
        self.tabs.refresh()
        self.sync()

    def sync(self) -> None:
        """Repaint what is shown of the model."""
        if not self.is_mounted:
            return
        for panel in self.overview.panels.values() if self.view == "overview" else (self.panel,):
            if panel.display:
                panel.sync()
        if self.has_class("-huge") and self.has_class("-with-side"):
            self.side.sync()
        self.sync_details()

    def sync_details(self) -> None:
        """Repaint the inspector and the bars."""
        if self.view != "overview":
            self.inspector.show(self.panel.inspect(self.inspector.row_width))
        self.sync_bars()

    def sync_bars(self) -> None:
        """Repaint the bars where they changed."""
        for bar in self.bars:
            bar.sync()

    def on_screen_resume(self) -> None:
        """Catch up after a dialog."""
        self.sync()

    def on_resize(self) -> None:
        """Lay the rows out anew once the widgets have their sizes."""
        self.call_after_refresh(self.sync)

    def on_line_list_moved(self, event: LineList.Moved) -> None:
        """Tell about the row under the cursor."""
        self.sync_details()

    def on_line_list_touched(self, event: LineList.Touched) -> None:
        """Give what was clicked the keys."""
        if event.list is self.inspector:
            self._inspecting = True
        elif event.list in self.overview.panels.values() and isinstance(event.list, Panel):
            self.overview.activate(event.list)
        elif event.list is self.panel:
            self._inspecting = False
        self.sync_bars()

    def on_line_list_opened(self, event: LineList.Opened) -> None:
        """Open the row that was clicked twice."""
        if event.list is self.panel:
            self.inspect()

    def on_tab_bar_chosen(self, event: TabBar.Chosen) -> None:
        """Change the view by mouse."""
        self.show_view(event.view)

    # -- as a layer ------------------------------------------------------------------------------------------------

    @property
    def moving(self) -> LineList | None:
        """The inspector while it is open for scrolling, else the panel."""
        return self.inspector if self._inspecting else self.panel

    def target(self) -> Target | None:
        """The selected row of the panel that has the keys."""
        return self.panel.target()

    def take(self, press: Press) -> bool:
        """Leave every key to the action table."""
        return False

    def paste(self, text: str) -> bool:
        """Nothing is typed here."""
        return False

    def accept(self, press: Press) -> None:
        """Open the row under the cursor."""
        self.inspect()

    def dismiss_layer(self) -> None:
        """Peel one layer: this one stays."""
        self.peel()

    @property
    def event_log(self) -> EventLog | None:
        """The event log, if that has the keys."""
        return self.panel if isinstance(self.panel, EventLog) else None

    @property
    def on_run(self) -> bool:
        """True if the panel that has the keys shows the run in sight."""
        return isinstance(self.panel, DagList)

    def _shown_in_bar(self, act: Act) -> bool:
        return act.scope in self.scopes and act.when(self.console.router.context_of(self)) == ""

    # -- acts: views and inspector ---------------------------------------------------------------------------------

    def inspect(self) -> None:
        """Open what is under the cursor: a job's DAG, an overview panel's view, else the inspector."""
        if self.view == "overview":
            self._open_from_overview()
        elif self.view == "jobs" and not self._inspecting:
            job = self.jobs.selected()
            if job is not None:
                self.console.look_at(job.job_id)
                self.show_view("dag")
        elif self._inspecting:
            self._close_inspector()
        elif self.panel.inspect(80) is not None:
            self._inspecting = True
            self.add_class("-inspect")
            self.inspector.focus()
            self.call_after_refresh(self.sync_details)

    def _open_from_overview(self) -> None:
        panel, view = self.overview.active, self.overview.active_view
        selected = panel.selected() if isinstance(panel, LevelList) else None
        cursor = panel.cursor
        following = panel.following if isinstance(panel, EventLog) else True
        self.show_view(view)
        if selected is not None:
            self.dag.go_to_level(selected[0].index)
        elif not following or view in ("limits", "budgets"):
            self.panel.move_to(cursor)

    def _close_inspector(self) -> None:
        self._inspecting = False
        self.remove_class("-inspect")
        self.panel.focus()
        self.call_after_refresh(self.sync_details)

    def peel(self) -> None:
        """Peel one layer."""
        if self._inspecting or self.has_class("-inspect"):
            self._close_inspector()
        elif self.panel.expression:
            self._apply_filter("")
        elif self.console.held is not None:
            self.console.set_paused(False)

    # -- acts: lists -----------------------------------------------------------------------------------------------

    def open_filter(self) -> None:
        """Type a filter for the list."""
        self.filter_bar.open(self.panel.expression)
        self.console.router.enter(self.filter_bar)

    def _apply_filter(self, expression: str) -> None:
        self.panel.set_filter(expression)
        self.sync_details()

    def _close_filter(self, kept: bool) -> None:
        if not kept:
            self._apply_filter("")
        self._leave_filter()
        self.panel.focus()
        self.sync_details()

    def _leave_filter(self) -> None:
        self.filter_bar.close()
        self.console.router.leave(self.filter_bar)

    def attend(self, step: int) -> None:
        """Go to the next or previous row that wants attention; in the overview to the next or previous panel."""
        if self.view == "overview":
            self.overview.activate_next(step)
            self.sync_bars()
        elif not self.panel.next_attention(step):
            self.console.say(f"None of the {self.panel.noun} needs attention.")

    def go_to_error(self, step: int) -> None:
        """Go to the next or previous error in the log."""
        if self.view != "events":
            self.show_view("events")
        if not self.events.next_error(step):
            self.console.say("No later error." if step > 0 else "No earlier error.")

    def toggle_follow(self) -> None:
        """Follow the newest event, or let go."""
        log = self.event_log
        if log is not None:
            log.set_following(not log.following)
            self.sync_details()

    def toggle_fold(self) -> None:
        """Fold settled levels, or unfold them."""
        self.dag.folded = not self.dag.folded
        self.dag.sync()
        self.dag.show_row(self.dag.cursor)
        self.sync_details()

    def open_help(self) -> None:
        """Show all keys."""
        source = self.console.source
        self.console.show_dialog(HelpScreen(self.view, self.tabs.shapes, replay=source.replay is not None))
