"""Steering of runs: cancel, kill, restore, fork, copy, leave. Each asks first where work is at stake."""

from __future__ import annotations

from collections.abc import Coroutine
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from headway.errors import HeadwayError, describe
from headway.events.views import JobRow, RunView
from headway.plan.results import ActionStatus
from headway_console.screens.dialog import Choice, ChoiceDialog
from headway_console.screens.restore import Decision, RestoreDialog
from headway_console.text import clean, count, duration, to_json
from headway_console.widgets.painted import Line
from headway_console.widgets.panel import Subject

if TYPE_CHECKING:
    from headway_console.app import HeadwayConsole

TYPED_FROM = 20
"""A kill that stops more actions than this has to be confirmed by typing the job's id."""

_NAMED = 6


class QuitChoice(StrEnum):
    """The way that the user left: what becomes of the runs that are live."""

    GO_ON = "go_on"
    STOP = "stop"


def stopping_lines(job: JobRow, run: RunView | None, now_ms: int, *, hard: bool) -> tuple[list[Line], int]:
    """Return what a cancel or kill would do to a run, in lines, and how many actions it stops or skips."""
    lines: list[Line] = [[(clean(f"{job.job_id} {job.title}"), "bold")]]
    if run is None:
        left = job.actions - job.succeeded - job.failed - job.skipped - job.rejected
        return [*lines, [(f"{count(left, 'action')} not finished.", "")]], left
    flying = [action for action in run.actions if action.status is ActionStatus.EXECUTING]
    waiting = [action for action in run.actions if not action.done and action.status is not ActionStatus.EXECUTING]
    verb = (
        "broken off" if hard else "running, goes on to its end" if len(flying) == 1 else "running, go on to their end"
    )
    if flying:
        lines.append([(f"{len(flying)} {verb}", "running")])
    for action in flying[:_NAMED]:
        age = duration(now_ms - action.started_ms) if action.started_ms else ""
        lines.append([(f"  {clean(action.id)} ", ""), (f"{clean(action.tool or action.type)} {age}", "dim")])
    if len(flying) > _NAMED:
        lines.append([(f"  and {len(flying) - _NAMED} more", "dim")])
    if waiting:
        lines.append([(f"{len(waiting)} not started, will be skipped", "skipped")])
    names = ", ".join(clean(action.id) for action in waiting[:_NAMED])
    if names:
        more = f" and {len(waiting) - _NAMED} more" if len(waiting) > _NAMED else ""
        lines.append([(f"  {names}{more}", "dim")])
    lines.append([("What is finished stays as it is; nothing is undone.", "dim")])
    return lines, len(flying) + len(waiting)


class Steering:
    """The operator's commands on ``console``."""

    def __init__(self, console: HeadwayConsole) -> None:
        self._console = console

    # -- stop ----------------------------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Ask, then stop the run looked at softly."""
        self._ask_to_stop(hard=False)

    def kill(self) -> None:
        """Ask, then stop it hard."""
        self._ask_to_stop(hard=True)

    def _ask_to_stop(self, *, hard: bool) -> None:
        model = self._console.model
        job = model.job
        if job is None:
            return
        lines, stopped = stopping_lines(job, model.run, self._console.now_ms(), hard=hard)
        phrase = job.job_id if hard and stopped > TYPED_FROM else ""
        if hard:
            do = Choice("yes", "y", "Kill the run", "calls in flight are broken off", "failed")
        else:
            do = Choice("yes", "y", "Cancel the run", "softly; X kills if that takes too long", "cancelled")
        stay = Choice("no", "n", "Do nothing", "esc")
        choices = [stay, do] if hard else [do, stay]
        title = "Kill" if hard else "Cancel"
        dialog = ChoiceDialog(f"{title} this run?", lines, choices, phrase=phrase)

        def decided(answer: str | None) -> None:
            if answer == "yes":
                self._start(self._stop(job.job_id, hard=hard))

        self._console.push_screen(dialog, decided)

    async def _stop(self, job_id: str, *, hard: bool) -> None:
        commands = self._console.source.commands
        if commands is None:
            return
        if hard:
            answer = await commands.kill(job_id, "killed by operator")
        else:
            answer = await commands.cancel(job_id, "canceled by operator")
        words = {
            "forced": f"Run {job_id} is stopped.",
            "requested": f"Run {job_id} stops as soon as what is in flight ends.",
            "already_finished": f"Run {job_id} had ended already; nothing was stopped.",
        }
        self._console.say(words.get(answer, f"Run {job_id}: {answer}"))

    # -- checkpoints ---------------------------------------------------------------------------------------------

    def checkpoints(self) -> None:
        """List the checkpoints of the run looked at, then fork or restore."""
        job, commands = self._console.model.job, self._console.source.commands
        if job is None or commands is None:
            return

        def decided(decision: Decision | None) -> None:
            if decision is not None:
                self._start(self._go_back(*decision))

        title = clean(f"Checkpoints of {job.job_id} {job.title}")
        self._console.push_screen(RestoreDialog(commands, job.job_id, title, self._console.now_ms()), decided)

    async def _go_back(self, what: str, point: Any) -> None:
        commands = self._console.source.commands
        if commands is None:
            return
        if what == "fork":
            job = await commands.fork(point.checkpoint_id)
            self._console.look_at(job.job_id)
            self._console.say(f"Forked {point.checkpoint_id} as run {job.job_id}; the old run is unchanged.")
            return
        diff = await commands.restore(point.checkpoint_id)
        keys = len(diff.added) + len(diff.removed) + len(diff.changed)
        self._console.say(f"Restored {point.checkpoint_id}: {count(keys, 'key')} changed in {diff.scope}.")

    # -- copy ----------------------------------------------------------------------------------------------------

    def copy(self, subject: Subject | None) -> None:
        """Ask what to copy of the selected row, then copy it."""
        if subject is None:
            self._console.say("Nothing is selected.")
            return
        texts = {"id": subject.id, "json": to_json(subject.value), "command": subject.command}
        lines: list[Line] = [[(clean(f"{subject.noun} {subject.id}"), "bold")]]
        choices = [
            Choice("id", "i", "Id", clean(subject.id)),
            Choice("json", "j", "Row as JSON", f"{len(texts['json']):,} characters"),
            Choice("command", "c", "Command", clean(subject.command)),
        ]

        def decided(answer: str | None) -> None:
            if answer is not None:
                self._console.copy_to_clipboard(texts[answer])
                self._console.say(f"Copied {len(texts[answer]):,} characters.")

        self._console.push_screen(ChoiceDialog("Copy", lines, choices), decided)

    # -- leave ---------------------------------------------------------------------------------------------------

    def leave(self) -> None:
        """Leave; with live runs that this console may stop, ask whether they go on."""
        console = self._console
        live = console.model.live_jobs() if console.source.live else []
        if not live or console.source.commands is None:
            console.exit(QuitChoice.GO_ON)
            return
        lines: list[Line] = [[(f"{count(len(live), 'run')} live:", "")]]
        for job in live[:_NAMED]:
            settled = job.succeeded + job.failed + job.skipped + job.rejected
            lines.append([(clean(f"  {job.job_id} {job.title} "), "bold"), (f"{settled}/{job.actions}", "dim")])
        if len(live) > _NAMED:
            lines.append([(f"  and {len(live) - _NAMED} more", "dim")])
        choices = [
            Choice("go_on", "g", "Runs go on", "the console leaves, the runtime stays"),
            Choice("stop", "s", "Stop them", "cancel softly, then end the runtime", "cancelled"),
            Choice("stay", "n", "Stay", "esc"),
        ]

        def decided(answer: str | None) -> None:
            if answer in ("go_on", "stop"):
                console.exit(QuitChoice(answer))

        console.push_screen(ChoiceDialog("Leave the console?", lines, choices), decided)

    # -- doing ---------------------------------------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._console.run_worker(self._tell_errors(work), group="commands", exit_on_error=False)

    async def _tell_errors(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except HeadwayError as error:
            self._console.say(describe(error), severity="error")
