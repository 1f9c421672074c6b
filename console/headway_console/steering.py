"""Steering of runs: what is asked before a command is sent, and the sending.

A command is made when its dialog is confirmed, and sent once. Its dialog names the target by title and id, follows it
while it is open, and confirms nothing once the target is past it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from headway.errors import HeadwayError, describe, one_line
from headway.events.views import Elicitation, JobRow, RunView
from headway.execution.asking import VALUED
from headway.plan.results import ActionStatus
from headway_console.clipboard import copied
from headway_console.commands import COMMANDS, Command, Receipt
from headway_console.glyphs import cancelling
from headway_console.rerun import rerun, rerun_lines
from headway_console.screens.dialog import Choice, ChoiceDialog, PromptDialog, Question
from headway_console.screens.restore import RestoreDialog, checkpoint_target, diff_lines
from headway_console.source import Checkpoint
from headway_console.target import Target, job_target, question_target
from headway_console.text import ago, clean, count, cut, duration, to_json
from headway_console.widgets.inbox_list import question_lines
from headway_console.widgets.painted import Line
from headway_console.widgets.panel import Subject

if TYPE_CHECKING:
    from headway_console.app import HeadwayConsole

TYPED_FROM = 20
"""A kill that stops more actions than this has to be confirmed by typing the job's id."""

DIFF_LINES = 10
"""The most lines of a diff that a dialog shows."""

ANSWER_KEYS = {
    "allow": "y",
    "session": "s",
    "edit": "e",
    "answer": "v",
    "top_up": "t",
    "deny": "d",
    "abort": "b",
}
"""The keys of the answers to a question."""

_CLOSE = Choice("no", "n", "Close", "esc")
_NAMED = 6


class QuitChoice(StrEnum):
    """The way that the user left: what becomes of the runs that are live."""

    CONTINUE = "continue"
    STOP = "stop"


def stopping_lines(job: JobRow, run: RunView | None, now_ms: int, *, hard: bool) -> tuple[list[Line], int]:
    """Return what a cancel or kill would do to a run, in lines, and how many actions it stops or skips."""
    settled = job.succeeded + job.failed + job.skipped + job.rejected
    age = f", for {ago(now_ms - job.started_ms)}" if job.started_ms else ""
    lines: list[Line] = [
        [(job_target(job).name, "bold")],
        [(f"{'cancelling' if cancelling(job) else job.status}{age}, {settled} of {job.actions} settled", "dim")],
    ]
    if run is None:
        left = job.actions - settled
        return [*lines, [(f"{count(left, 'action')} not finished.", "")]], left
    flying = [action for action in run.actions if action.status is ActionStatus.EXECUTING]
    waiting = [action for action in run.actions if not action.done and action.status is not ActionStatus.EXECUTING]
    soft = "running, continues to its end" if len(flying) == 1 else "running, continue to their end"
    if flying:
        lines.append([(f"{len(flying)} {'broken off' if hard else soft}", "running")])
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
        self._sent: set[str] = set()
        self._open: dict[str, Command] = {}

    # -- stop ----------------------------------------------------------------------------------------------------

    def ask(self, kind: str, target: Target | None) -> None:
        """Ask, then cancel or kill the job that is the target."""
        if target is None:
            return
        command = Command(kind, target)
        console, hard = self._console, kind == "kill"
        job = console.model.jobs.jobs.get(target.id)
        console.want_run(target.id)
        phrase = ""
        if hard and job is not None:
            _, stopped = stopping_lines(job, console.model.runs.get(target.id), console.now_ms(), hard=True)
            phrase = target.id if stopped > TYPED_FROM else ""
        self._confirm(command, lambda: self._stopping(command), phrase=phrase)

    def _stopping(self, command: Command) -> tuple[list[Line], bool]:
        """Return the lines of a cancel or kill, and whether there is still something to stop."""
        model = self._console.model
        job = model.jobs.jobs.get(command.target.id)
        if job is None:
            return [[(command.target.name, "bold")], [("This run is no longer in the store.", "failed")]], False
        name: Line = [(job_target(job).name, "bold")]
        if job.finished:
            return [
                name,
                [(f"This run has ended meanwhile: {job.status}. Nothing is left to stop.", "succeeded")],
            ], False
        if command.kind == "cancel" and cancelling(job):
            return [name, [("This run is being cancelled already.", "cancelled")]], False
        hard = command.kind == "kill"
        lines, _ = stopping_lines(job, model.runs.get(job.job_id), self._console.now_ms(), hard=hard)
        return lines, True

    def under_way(self, kind: str, job_id: str) -> bool:
        """Return whether such a command on that job was sent, and neither refused nor seen in the log yet."""
        job = self._console.model.jobs.jobs.get(job_id)
        for token, command in list(self._open.items()):
            if command.target.id == job_id and job is not None and (job.finished or cancelling(job)):
                if command.kind == "cancel":
                    del self._open[token]
            elif command.kind == kind and command.target.id == job_id:
                return True
        return False

    # -- checkpoints ---------------------------------------------------------------------------------------------

    def checkpoints(self, job: JobRow | None) -> None:
        """List the checkpoints of a job, to fork from or to restore."""
        commands = self._console.source.commands
        if job is not None and commands is not None:
            self._console.want_run(job.job_id)
            self._console.show_dialog(RestoreDialog(commands, job_target(job), self._console.now_ms()))

    def ask_to_go_back(self, kind: str, point: Checkpoint, dialog: RestoreDialog) -> None:
        """Ask, then fork from a checkpoint or restore its state."""
        command = Command(kind, checkpoint_target(point))
        if kind == "fork":
            about = self._forking(command.target, point)
        else:
            about = self._restoring(command.target, point, dialog)
        self._confirm(command, lambda: (about(), True), then=dialog.dismiss_layer)

    def ask_to_save(self, job: Target, dialog: RestoreDialog) -> None:
        """Ask, then save the present state of a job's scope; list it."""
        command = Command("save", job)
        lines: list[Line] = [
            [(job.name, "bold")],
            [("The present state of its scope is kept under a new id; nothing is changed.", "")],
        ]
        self._confirm(command, lambda: (lines, True), receipt=lambda _: dialog.reload())

    def _forking(self, target: Target, point: Checkpoint) -> Callable[[], list[Line]]:
        """Return what tells what a fork runs again; reckoned anew only when the run has changed."""
        known: dict[int, list[Line]] = {}

        def about() -> list[Line]:
            run = self._console.model.runs.get(point.job_id or "")
            lines: list[Line] = [[(target.name, "bold")]]
            if run is None:
                left = count(max(0, point.total - point.done), "action")
                lines.append([(f"Up to {left} run again, with real tool calls; reading which.", "waiting")])
            else:
                if run.last_seq not in known:
                    known.clear()
                    known[run.last_seq] = rerun_lines(rerun(run, point.seq))
                lines += [[("of run ", "dim"), (job_target(run.job).name, "")], *known[run.last_seq]]
            return [*lines, [("The old run stays as it is; the new one has a scope of its own.", "dim")]]

        return about

    def _restoring(self, target: Target, point: Checkpoint, dialog: RestoreDialog) -> Callable[[], list[Line]]:
        """Return what tells what a restore overwrites."""

        def about() -> list[Line]:
            lines: list[Line] = [
                [(target.name, "bold")],
                [("overwrites the state of ", "failed"), (clean(point.scope), "bold")],
            ]
            diff = dialog.diff_of(point)
            if diff is None:
                return [*lines, [("What changes is not read yet.", "waiting")]]
            changes = diff_lines(diff, 90)
            more: list[Line] = [[(f"and {len(changes) - DIFF_LINES} more", "dim")]] if len(changes) > DIFF_LINES else []
            return [*lines, *changes[:DIFF_LINES], *more]

        return about

    # -- questions -----------------------------------------------------------------------------------------------

    def answer(self, question: Elicitation | None) -> None:
        """Show a question with its possible answers, and send the one that is chosen."""
        if question is None:
            return
        target, console = question_target(question), self._console
        no = Choice("no", "n", "Leave it open", "esc")
        rows = {name: COMMANDS[name] for name in question.choices if name in COMMANDS}
        answers = [
            Choice(name, ANSWER_KEYS[name], row.confirm, row.help, row.tone, guarded=True) for name, row in rows.items()
        ]

        def ask() -> Question:
            lines: list[Line] = [[(target.name, "bold")], *question_lines(question, console.now_ms())]
            if not self._open_still(question):
                return Question("Answer", [*lines, [("It is closed meanwhile.", "succeeded")]], [_CLOSE])
            return Question("Answer this question?", [*lines, *self._as_it_stood()], [no, *answers])

        def decided(choice: str | None) -> None:
            if choice not in rows or not self._open_still(question):
                return
            if choice in VALUED:
                self._ask_for_value(choice, question)
            else:
                self.send(Command(choice, target))

        console.show_dialog(ChoiceDialog(ask), decided)

    def _open_still(self, question: Elicitation) -> bool:
        return question.id in self._console.model.inbox.open.get(question.job_id, {})

    def _ask_for_value(self, choice: str, question: Elicitation) -> None:
        """Ask for the value of an answer as JSON, then whether to send it."""
        target, console, row = question_target(question), self._console, COMMANDS[choice]

        def typed(text: str | None) -> None:
            if text is None:
                return
            try:
                value = msgspec.json.decode(text.encode())
            except (msgspec.DecodeError, UnicodeEncodeError) as error:
                console.say(f"That is not JSON: {one_line(str(error), 200)}", severity="error")
                return
            told: list[Line] = [[(target.name, "bold")], [("with      ", "dim"), (clean(to_json(value)), "")]]
            self._confirm(Command(choice, target, value=value), lambda: (told, self._open_still(question)))

        console.show_dialog(PromptDialog(f"{row.confirm}: {cut(target.name, 60)}", row.help), typed)

    # -- asking and sending --------------------------------------------------------------------------------------

    def _confirm(
        self,
        command: Command,
        about: Callable[[], tuple[list[Line], bool]],
        *,
        phrase: str = "",
        then: Callable[[], object] | None = None,
        receipt: Callable[[Receipt], object] | None = None,
    ) -> None:
        """Ask for a command, then send it.

        ``about`` returns the lines on its target as it is now, and whether the command still makes sense. ``then`` is
        called when it is sent, ``receipt`` when it is answered.
        """
        row = command.row
        no = Choice("no", "n", "Do nothing", "esc")
        yes = Choice("yes", "y", row.confirm, row.help, row.tone, guarded=True)
        same: Line = [("same as  ", "dim"), (clean(command.cli), "dim")]

        def ask() -> Question:
            lines, sensible = about()
            if not sensible:
                return Question(command.question, lines, [_CLOSE])
            return Question(command.question, [*lines, *self._as_it_stood(), same], [no, yes])

        def decided(answer: str | None) -> None:
            if answer == "yes" and about()[1]:
                if then is not None:
                    then()
                self.send(command, receipt)

        self._console.show_dialog(ChoiceDialog(ask, phrase=phrase), decided)

    def _as_it_stood(self) -> list[Line]:
        """Return what to say when a dialog cannot follow its target."""
        console, link = self._console, self._console.source.link
        age = ago(console.source.now_ms() - console.now_ms())
        if console.held is not None:
            return [[(f"The view is paused: this is how things stood {age} ago.", "waiting")]]
        if not link.connected:
            return [[(f"The link is lost: this is how things stood {age} ago.", "failed")]]
        return []

    def send(self, command: Command, then: Callable[[Receipt], object] | None = None) -> bool:
        """Send a confirmed command; False if it was sent before."""
        if command.token in self._sent:
            return False
        self._sent.add(command.token)
        self._open[command.token] = command
        self._console.model.pin()
        work = self._carry_out(command, then)
        self._console.run_worker(work, group="commands", exit_on_error=False)
        return True

    async def _carry_out(self, command: Command, then: Callable[[Receipt], object] | None) -> None:
        console = self._console
        try:
            receipt = await console.source.send(command)
        except HeadwayError as error:
            self._open.pop(command.token, None)
            console.say(f"{COMMANDS[command.kind].confirm}: {describe(error)}", severity="error")
            return
        if command.kind != "cancel" or receipt.answer != "requested":
            self._open.pop(command.token, None)  # that of a cancel is seen in the log
        if command.kind == "fork" and receipt.made is not None:
            console.look_at(receipt.made)
        console.say(receipt.text)
        if then is not None:
            then(receipt)

    # -- copy ----------------------------------------------------------------------------------------------------

    def copy(self, subject: Subject | None) -> None:
        """Ask what to copy of the selected row, then copy it."""
        if subject is None:
            self._console.say("Nothing is selected.")
            return
        target = subject.target
        texts = {"id": target.id, "json": to_json(subject.value), "command": subject.command}
        lines: list[Line] = [[(f"{target.noun} {target.name}", "bold")]]
        choices = [
            Choice("id", "i", "Id", clean(target.id)),
            Choice("json", "j", "Row as JSON", f"{len(texts['json']):,} characters"),
            Choice("command", "c", "Command", clean(subject.command)),
        ]
        question = Question("Copy", lines, choices)

        def decided(answer: str | None) -> None:
            if answer is not None:
                words, well = copied(self._console, texts[answer])
                self._console.say(words, severity="information" if well else "warning")

        self._console.show_dialog(ChoiceDialog(lambda: question), decided)

    # -- leave ---------------------------------------------------------------------------------------------------

    def leave(self) -> None:
        """Leave; with live runs that this console may stop, ask whether they continue."""
        console = self._console
        if not self._live() or console.source.commands is None:
            console.exit(QuitChoice.CONTINUE)
            return

        def decided(answer: str | None) -> None:
            if answer in ("continue", "stop"):
                console.exit(QuitChoice(answer))

        console.show_dialog(ChoiceDialog(self._leaving), decided)

    def _live(self) -> list[JobRow]:
        return self._console.model.live_jobs() if self._console.source.live else []

    def _leaving(self) -> Question:
        live = self._live()
        stay = Choice("stay", "n", "Stay", "esc")
        leave = Choice("continue", "g", "Runs continue", "the console leaves, the runtime stays", guarded=True)
        if not live:
            return Question("Leave the console?", [[("No run is live any more.", "")]], [stay, leave])
        lines: list[Line] = [[(f"{count(len(live), 'run')} live:", "")]]
        for job in live[:_NAMED]:
            settled = job.succeeded + job.failed + job.skipped + job.rejected
            lines.append([(f"  {job_target(job).name} ", "bold"), (f"{settled}/{job.actions}", "dim")])
        if len(live) > _NAMED:
            lines.append([(f"  and {len(live) - _NAMED} more", "dim")])
        stop = Choice("stop", "s", "Stop them", "cancel softly, then end the runtime", "cancelled", guarded=True)
        return Question("Leave the console?", lines, [stay, leave, stop])
