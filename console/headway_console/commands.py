"""Commands: what a console can have done, in one table, and the receipts for it.

A command is made when an operator has confirmed it, and sent once. All that is said of it comes from its row in
:data:`COMMANDS`: the question and the answer that confirms it, the receipt, the line of the audit, and the command
line that does the same.
"""

from __future__ import annotations

import shlex
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from headway.errors import Unavailable
from headway_console.source import Commands
from headway_console.target import Target
from headway_console.text import clean, count, to_json


class Command(msgspec.Struct, frozen=True):
    """One command: a row of :data:`COMMANDS`, its target and, for some, a reason or a value.

    ``token`` is new with each confirmation: a command is known by it, and sent once.
    """

    kind: str
    target: Target
    reason: str = ""
    value: Any = None
    token: str = msgspec.field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def row(self) -> CommandRow:
        """Its row of the table."""
        return COMMANDS[self.kind]

    @property
    def question(self) -> str:
        """The title of the dialog that asks for it."""
        return self.row.question

    @property
    def cli(self) -> str:
        """The command line that does the same."""
        words = ["headway"]
        for word in self.row.cli:
            if word == "{amounts}":
                words += [part for name, more in self.amounts.items() for part in ("--top-up", f"{name}={more}")]
            else:
                words.append({"{id}": self.target.id, "{value}": to_json(self.value)}.get(word, word))
        return shlex.join(words)

    @property
    def amounts(self) -> dict[str, Any]:
        """The amounts of a top-up, by dimension."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def audit(self) -> str:
        """What the audit says of it, without who: ``cancel 900d00000001``. That of a save names what it made."""
        return self.row.what if self.row.makes else f"{self.row.what} {self.target.id}"


class Receipt(msgspec.Struct, frozen=True):
    """The answer to a command: the daemon's word for it, and that in a sentence.

    ``made`` is the id of what came of it: the job of a fork, a saved checkpoint.
    """

    command: Command
    answer: str
    text: str
    made: str | None = None


class CommandRow(msgspec.Struct, frozen=True):
    """The words of one kind of command, and how it is carried out.

    ``what`` is its name in the audit; ``confirm`` and ``help`` are those of the answer that confirms it; ``tone`` its
    colour; ``cli`` the words of the command line after ``headway``; ``makes``: the audit names what it made; ``choice``
    is that of an answer to a question.
    """

    what: str
    question: str
    confirm: str
    help: str
    tone: str
    cli: tuple[str, ...]
    carry_out: Callable[[Commands, Command], Awaitable[Receipt]]
    makes: bool = False
    reason: str = ""
    choice: str = ""


async def send(commands: Commands | None, command: Command, read_only: str) -> Receipt:
    """Have a command carried out and return its receipt: what :meth:`headway_console.source.Source.send` does.

    Raises :class:`Unavailable` with ``read_only`` if nobody takes commands, else what the receiver raises.
    """
    if commands is None:
        raise Unavailable(read_only or "nobody takes commands here")
    return await command.row.carry_out(commands, command)


_CANCELLED = {
    "forced": "Run {id} is cancelled: it had not started.",
    "requested": "Run {id} is being cancelled: it ends as soon as what is in flight has ended.",
    "already_finished": "Run {id} had ended already; nothing was cancelled.",
}
_KILLED = {
    "forced": "Run {id} is killed.",
    "requested": "Run {id} is being killed.",
    "already_finished": "Run {id} had ended already; nothing was killed.",
}


def _stopped(command: Command, answer: str, texts: dict[str, str]) -> Receipt:
    job_id = clean(command.target.id)
    text = texts[answer].replace("{id}", job_id) if answer in texts else f"Run {job_id}: {clean(answer)}"
    return Receipt(command, answer, text)


async def _cancel(commands: Commands, command: Command) -> Receipt:
    answer = await commands.cancel(command.target.id, command.reason or command.row.reason)
    return _stopped(command, answer, _CANCELLED)


async def _kill(commands: Commands, command: Command) -> Receipt:
    return _stopped(command, await commands.kill(command.target.id, command.reason or command.row.reason), _KILLED)


async def _fork(commands: Commands, command: Command) -> Receipt:
    job = await commands.fork(command.target.id)
    text = f"Forked {clean(command.target.id)} as run {clean(job.job_id)}; the old run is unchanged."
    return Receipt(command, "forked", text, job.job_id)


async def _restore(commands: Commands, command: Command) -> Receipt:
    diff = await commands.restore(command.target.id)
    keys = len(diff.added) + len(diff.removed) + len(diff.changed)
    text = f"Restored {clean(command.target.id)}: {count(keys, 'key')} changed in {clean(diff.scope)}."
    return Receipt(command, "restored", text)


async def _save(commands: Commands, command: Command) -> Receipt:
    saved = await commands.save_checkpoint(job_id=command.target.id)
    return Receipt(command, "saved", f"Saved {clean(saved.checkpoint_id)}.", saved.checkpoint_id)


async def _answer(commands: Commands, command: Command) -> Receipt:
    choice = command.row.choice
    closed = await commands.answer(command.target.id, choice, command.value)
    return Receipt(command, choice, f"Question {clean(closed.id)} is answered: {ANSWER_WORDS[choice]}.")


ANSWER_WORDS = {
    "allow": "allowed",
    "session": "allowed for the session",
    "edit": "allowed with other parameters",
    "answer": "a value was given",
    "top_up": "the budget was topped up",
    "deny": "denied",
    "abort": "denied, and the run is aborted",
}


def _answering(choice: str, confirm: str, text: str, tone: str, *flag: str) -> CommandRow:
    cli = ("inbox", "answer", "{id}", *flag)
    return CommandRow("answer", "Answer this question?", confirm, text, tone, cli, _answer, choice=choice)


COMMANDS: dict[str, CommandRow] = {
    "cancel": CommandRow(
        "cancel",
        "Cancel this run?",
        "Cancel the run",
        "softly; X kills if that takes too long",
        "cancelled",
        ("jobs", "cancel", "{id}"),
        _cancel,
        reason="canceled by operator",
    ),
    "kill": CommandRow(
        "kill",
        "Kill this run?",
        "Kill the run",
        "calls in flight are broken off",
        "failed",
        ("jobs", "cancel", "{id}", "--now", "--reason", "killed by operator"),
        _kill,
        reason="killed by operator",
    ),
    "fork": CommandRow(
        "fork",
        "Fork a new run from this checkpoint?",
        "Fork a new run",
        "in a scope of its own",
        "waiting",
        ("checkpoints", "fork", "{id}"),
        _fork,
    ),
    "restore": CommandRow(
        "restore",
        "Restore the state of this checkpoint?",
        "Restore the state",
        "overwrites what is there",
        "failed",
        ("checkpoints", "restore", "{id}"),
        _restore,
    ),
    "save": CommandRow(
        "save_checkpoint",
        "Save a checkpoint of this run?",
        "Save a checkpoint",
        "of the present state",
        "waiting",
        ("checkpoints", "save", "--job", "{id}"),
        _save,
        makes=True,
    ),
    "allow": _answering("allow", "Allow it", "this time", "succeeded", "--allow"),
    "session": _answering("session", "Allow for the session", "the same call, each time", "succeeded", "--session"),
    "edit": _answering("edit", "Allow with changes", "with other parameters, as JSON", "waiting", "--edit", "{value}"),
    "answer": _answering("answer", "Give a value", "as JSON", "succeeded", "--value", "{value}"),
    "top_up": _answering("top_up", "Top up", 'as JSON: {"tool_calls": 10}', "waiting", "{amounts}"),
    "deny": _answering("deny", "Deny it", "the action is refused", "failed", "--deny"),
    "abort": _answering("abort", "Deny and abort", "the run ends too", "failed", "--abort"),
}
"""Every kind of command, by its name. A new command is one row."""
