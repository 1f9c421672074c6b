"""Questions of a run that is followed: shown as they come, and answered at the prompt where there is a terminal."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from headway.errors import HeadwayError, describe
from headway.events import kinds
from headway_console.cli.output import note
from headway_console.cli.questions import how_to_answer, question_lines, top_up_of, value_of

if TYPE_CHECKING:
    from headway.events.event import Event
    from headway.events.views import Elicitation
    from headway_console.cli.runner import Runner

KEYS = {
    "allow": ("a", "[a]llow"),
    "session": ("s", "[s]ession"),
    "edit": ("e", "[e]dit JSON"),
    "deny": ("d", "[d]eny"),
    "abort": ("x", "abort [x]"),
    "answer": ("=", "= VALUE"),
    "top_up": ("+", "+ DIMENSION=AMOUNT"),
}
"""The key of each choice at the prompt, and how the prompt says it."""

MAX_LINE = 100_000


class Answering:
    """The open questions of one followed job. ``interactive``: they are answered at the prompt, one after the other."""

    def __init__(self, runner: Runner, *, interactive: bool) -> None:
        self._runner = runner
        self._interactive = interactive
        self._open: dict[str, Elicitation] = {}
        self._shown = ""
        self._reading = False
        self._buffer = b""
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def open(self) -> bool:
        """True while a prompt stands on the terminal, which nothing may draw over."""
        return self._interactive and bool(self._open)

    def event(self, event: Event) -> None:
        """Take note of a question that is asked or closed."""
        from headway.events.fold.inbox import question_of

        if event.kind == kinds.ELICITATION_REQUESTED:
            question = question_of(event)
            self._open[question.id] = question
            if not self._interactive:
                _show(question_lines(question)[:1])
                note(f"answer it with: {how_to_answer(question)}")
        elif event.kind in kinds.CLOSED_ELICITATION:
            closed = self._open.pop(str(event.data.get("id")), None)
            if closed is not None and self._shown == closed.id:
                self._shown = ""
                if event.data.get("by") != "cli" or event.kind != kinds.ELICITATION_ANSWERED:
                    what = event.data.get("choice") or event.data.get("reason") or ""
                    _write(f"\n{closed.id} is closed: {what}\n")

    def batch(self) -> None:
        """Show the question whose turn it is."""
        if not self._interactive:
            return
        if not self._open:
            self._stop()
            return
        if not self._reading:
            try:
                asyncio.get_running_loop().add_reader(sys.stdin.fileno(), self._readable)
            except (OSError, ValueError, NotImplementedError):  # a file, or nothing: nobody answers here
                self._interactive = False
                return
            self._reading = True
        if not self._shown:
            self._prompt(next(iter(self._open.values())))

    def close(self) -> None:
        """Let go of the terminal."""
        self._stop()
        for task in self._tasks:
            task.cancel()

    def _prompt(self, question: Elicitation) -> None:
        self._shown = question.id
        _write("\r\x1b[K")
        _show(question_lines(question))
        words = " ".join(KEYS[choice][1] for choice in question.choices if choice in KEYS)
        _write(f"{words}? ")

    def _stop(self) -> None:
        if self._reading:
            self._reading = False
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())

    def _readable(self) -> None:
        import os

        try:
            data = os.read(sys.stdin.fileno(), 4096)
        except OSError:
            data = b""
        if not data:  # the terminal is gone, or Ctrl-D: others may answer
            self._stop()
            self._interactive = False
            note("questions are left to headway inbox")
            return
        self._buffer = (self._buffer + data)[-MAX_LINE:]
        while b"\n" in self._buffer:
            line, _, self._buffer = self._buffer.partition(b"\n")
            self._line(line.decode("utf-8", "replace").strip())

    def _line(self, line: str) -> None:
        question = self._open.get(self._shown)
        if question is None or not line:
            return
        try:
            choice, value = parse_line(line, question)
        except HeadwayError as error:
            _write(f"{_clean(error.message)}\n? ")
            return
        task = asyncio.get_running_loop().create_task(self._give(question, choice, value))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _give(self, question: Elicitation, choice: str, value: Any) -> None:
        try:
            await self._runner.answer(question.id, choice, value)
        except HeadwayError as error:
            _write(f"{_clean(describe(error))}\n")
            if question.id in self._open and self._shown == question.id:
                self._prompt(question)


def parse_line(line: str, question: Elicitation) -> tuple[str, Any]:
    """Return the choice and the value of one line at the prompt; :class:`InvalidInput` for what is neither."""
    from headway.errors import InvalidInput

    word, _, rest = line.partition(" ")
    for choice in question.choices:
        key = KEYS.get(choice, (choice, ""))[0]
        if word.lower() not in (key, choice) and not (key in "=+" and line.startswith(key)):
            continue
        said = line[1:].strip() if key in "=+" and line.startswith(key) else rest.strip()
        if choice == "top_up":
            return choice, top_up_of(said.split())
        if choice in ("answer", "edit"):
            return choice, value_of(said, question)
        if said:
            raise InvalidInput(f"'{choice}' takes nothing more")
        return choice, None
    raise InvalidInput(
        f"answer with one of: {' '.join(KEYS[choice][1] for choice in question.choices if choice in KEYS)}"
    )


def _show(lines: list[str]) -> None:
    for line in lines:
        _write(f"{_clean(line)}\n")


def _clean(text: str) -> str:
    from headway_console.text import clean

    return clean(text)


def _write(text: str) -> None:
    try:
        sys.stderr.write(text)
    except UnicodeEncodeError:
        sys.stderr.write(text.encode("ascii", "replace").decode("ascii"))
    sys.stderr.flush()
