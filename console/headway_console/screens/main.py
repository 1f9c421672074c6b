"""The main screen: bars, the six views, the inspector, and what the keys do to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Container
from textual.widgets import ContentSwitcher

from headway_console.actions import BY_ID, VIEWS, Act, bindings
from headway_console.screens.help import HelpScreen
from headway_console.screens.relay import Relay
from headway_console.widgets.budgets_list import BudgetsList
from headway_console.widgets.dag_list import DagList, LevelList
from headway_console.widgets.event_log import EventLog
from headway_console.widgets.filter_bar import FilterBar
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


class MainScreen(Relay, inherit_bindings=False):
    """One list and a small inspector; two columns from 120, three from 170 columns; one panel below 20 rows."""

    BINDINGS = bindings("global", "run", "dag", "events", "replay")
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
        super().__init__(console)
        model = console.model
        self.view = VIEWS[0]
        self.overview = Overview(model, id="overview")
        self.dag = DagList(model, id="dag")
        self.events = EventLog(model, id="events")
        self.jobs = JobsList(model, id="jobs")
        self._panels: dict[str, Panel] = {
            "dag": self.dag,
            "events": self.events,
            "limits": LimitsList(model, id="limits"),
            "budgets": BudgetsList(model, id="budgets"),
            "jobs": self.jobs,
        }
        self.side = EventLog(model, id="side")
        self.inspector = Inspector(id="inspector")
        self.tabs = TabBar(id="tabs")
        self.filter_bar = FilterBar(id="filter")
        self.bars = (
            TitleBar(console, id="title"),
            StatusLine(console, lambda: self.panel, id="status"),
            KeyBar(self._shown_in_bar, id="keys"),
        )

    def compose(self) -> ComposeResult:
        """Everything there is, top to bottom."""
        title, status, keys = self.bars
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
        if self.filter_bar.is_open:
            self.filter_bar.close()
        self.query_one("#views", ContentSwitcher).current = view
        self.panel.focus()
        self.tabs.refresh()
        self.refresh_bindings()
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

    def on_line_list_opened(self, event: LineList.Opened) -> None:
        """Open the row that was clicked twice."""
        self.action_inspect()

    def on_tab_bar_chosen(self, event: TabBar.Chosen) -> None:
        """Change the view by mouse."""
        self.show_view(event.view)

    def on_descendant_focus(self) -> None:
        """The overview's panel in focus changed."""
        self.sync_bars()

    # -- what can be done ----------------------------------------------------------------------------------------

    def why_not(self, act: Act) -> str:
        """Return why an action cannot be used now, in one line; "" when it can."""
        if not act.replay_ok and self.console.source.commands is None:
            return self.console.source.read_only or "this source only shows"
        if act.scope == "run":
            job = self.console.model.job
            if job is None:
                return "there is no run"
            if act.danger == "stops" and job.finished:
                return f"run {job.job_id} has ended: {job.status}"
        return ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Tell Textual what is usable: False hides, None greys out (a toast says why, see the app's ``on_key``)."""
        act = BY_ID.get(action)
        if act is None:
            return True
        if not self.applies(act):
            return False
        return None if self.why_not(act) else True

    def applies(self, act: Act) -> bool:
        """Return whether the action belongs to what is shown."""
        if act.scope == "replay":
            return self.console.source.replay is not None
        if act.scope == "dag":
            return self.view == "dag"
        if act.id == "follow":
            return isinstance(self.panel, EventLog)
        if act.id == "filter":
            return self.panel.filterable
        return True

    def _shown_in_bar(self, act: Act) -> bool:
        return self.applies(act) and not self.why_not(act)

    # -- actions: views and inspector ------------------------------------------------------------------------------

    def action_show_overview(self) -> None:
        """Show the overview."""
        self.show_view("overview")

    def action_show_dag(self) -> None:
        """Show the DAG."""
        self.show_view("dag")

    def action_show_events(self) -> None:
        """Show the events."""
        self.show_view("events")

    def action_show_limits(self) -> None:
        """Show the limits."""
        self.show_view("limits")

    def action_show_budgets(self) -> None:
        """Show the budgets."""
        self.show_view("budgets")

    def action_show_jobs(self) -> None:
        """Show the jobs."""
        self.show_view("jobs")

    def action_inspect(self) -> None:
        """Open what is under the cursor: a job's DAG, an overview panel's view, else the inspector."""
        if self.view == "overview":
            self._open_from_overview()
        elif self.view == "jobs" and not self.inspector.has_focus:
            job = self.jobs.selected()
            if job is not None:
                self.console.look_at(job.job_id)
                self.show_view("dag")
        elif self.inspector.has_focus:
            self._close_inspector()
        elif self.panel.inspect(80) is not None:
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
        self.remove_class("-inspect")
        self.panel.focus()
        self.call_after_refresh(self.sync_details)

    def action_back(self) -> None:
        """Peel one layer."""
        if self.filter_bar.is_open:
            self._set_filter("", close=True)
        elif self.inspector.has_focus or self.has_class("-inspect"):
            self._close_inspector()
        elif self.panel.expression:
            self._set_filter("", close=True)
        elif self.console.held is not None:
            self.console.set_paused(False)

    # -- actions: lists --------------------------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Type a filter for the list."""
        self.filter_bar.open(self.panel.expression)

    def on_filter_bar_changed(self, event: FilterBar.Changed) -> None:
        """Apply what is typed, unless the bar has been closed since: then that counts."""
        if not self.filter_bar.is_open:
            return
        self._set_filter(event.expression, close=event.done)

    def _set_filter(self, expression: str, *, close: bool) -> None:
        self.panel.set_filter(expression)
        if close:
            self.filter_bar.close()
            self.panel.focus()
        self.sync_details()

    def action_attention(self) -> None:
        """Go to the next row that wants attention; in the overview to the next panel."""
        self._attend(1)

    def action_attention_back(self) -> None:
        """Go to the previous one."""
        self._attend(-1)

    def _attend(self, step: int) -> None:
        if self.view == "overview":
            self.overview.focus_next(step)
        elif not self.panel.next_attention(step):
            self.console.say(f"None of the {self.panel.noun} needs attention.")

    def action_next_error(self) -> None:
        """Go to the next error in the log."""
        self._go_to_error(1)

    def action_prev_error(self) -> None:
        """Go to the previous error in the log."""
        self._go_to_error(-1)

    def _go_to_error(self, step: int) -> None:
        if self.view != "events":
            self.show_view("events")
        if not self.events.next_error(step):
            self.console.say("No later error." if step > 0 else "No earlier error.")

    def action_follow(self) -> None:
        """Follow the newest event, or let go."""
        panel = self.panel
        if isinstance(panel, EventLog):
            panel.set_following(not panel.following)
            self.sync_details()

    def action_pause(self) -> None:
        """Stand still, or continue."""
        self.console.set_paused(self.console.held is None)

    def action_fold(self) -> None:
        """Fold settled levels, or unfold them."""
        self.dag.folded = not self.dag.folded
        self.dag.sync()
        self.dag.show_row(self.dag.cursor)
        self.sync_details()

    def action_prev_level(self) -> None:
        """Go to the previous level."""
        self.dag.step_level(-1)

    def action_next_level(self) -> None:
        """Go to the next level."""
        self.dag.step_level(1)

    def action_help(self) -> None:
        """Show all keys."""
        source = self.console.source
        self.app.push_screen(HelpScreen(self.view, self.tabs.shapes, replay=source.replay is not None))

    def action_copy(self) -> None:
        """Open the copy menu."""
        self.console.steering.copy(self.panel.subject())
