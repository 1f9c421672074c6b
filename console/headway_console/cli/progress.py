"""Progress of a run, as it is shown: a progress line, plain lines, or nothing."""

from __future__ import annotations

import shutil
import sys
from typing import IO, TYPE_CHECKING, Protocol

from headway.clock import SYSTEM_CLOCK, Clock, TimerHandle
from headway_console.cli.output import say
from headway_console.plain import PlainLines
from headway_console.text import cut

if TYPE_CHECKING:
    from headway.events.event import Event
    from headway.events.views import RunView

BAR = 20
FRAME_S = 0.1


class Reporter(Protocol):
    """Told of every event, with the run as it stands after it."""

    prints: bool
    """True if it shows itself what tools print."""

    def pause(self) -> None:
        """Leave the line on which others are about to write."""

    def event(self, event: Event, run: RunView) -> None:
        """Show one event."""

    def batch(self, run: RunView) -> None:
        """Show that no more is at hand at the moment."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class Silent:
    """Shows nothing."""

    prints = False

    def pause(self) -> None:
        """Leave nothing."""

    def event(self, event: Event, run: RunView) -> None:
        """Show nothing."""

    def batch(self, run: RunView) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Leave nothing."""


class Plain:
    """Prints lines of words on stdout, each as soon as it is known."""

    prints = True

    def pause(self) -> None:
        """Leave nothing: it has whole lines only."""

    def __init__(self) -> None:
        self._lines = PlainLines()

    def event(self, event: Event, run: RunView) -> None:
        """Print the event's lines."""
        for line in self._lines.lines(event):
            say(line)

    def batch(self, run: RunView) -> None:
        """Hand the lines on to whoever reads."""
        sys.stdout.flush()

    def close(self) -> None:
        """Leave nothing."""


class ProgressLine:
    """One line at the bottom of a terminal, drawn anew at most ten times a second and gone at the end.

    Belongs to the running event loop: what came too soon after a frame is drawn by a timer.
    """

    def __init__(self, stream: IO[str], *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._stream = stream
        self._clock = clock
        self._drawn = -FRAME_S
        self._run: RunView | None = None
        self._timer: TimerHandle | None = None

    prints = False

    def event(self, event: Event, run: RunView) -> None:
        """Wait for the batch's end."""

    def pause(self) -> None:
        """Clear the line."""
        self._stop_timer()
        self._write("\r\x1b[K")

    def batch(self, run: RunView) -> None:
        """Draw the line, now or when the next frame is due."""
        self._run = run
        wait = self._drawn + FRAME_S - self._clock.now()
        if wait <= 0:
            self._draw()
        elif self._timer is None:
            self._timer = self._clock.call_later(wait, self._draw)

    def close(self) -> None:
        """Clear the line."""
        self._stop_timer()
        self._write("\r\x1b[K")

    def _draw(self) -> None:
        self._stop_timer()
        self._drawn = self._clock.now()
        if self._run is not None:
            width = shutil.get_terminal_size().columns
            self._write(f"\r\x1b[K{cut(progress_text(self._run), max(10, width - 1))}")

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except UnicodeEncodeError:
            self._stream.write(text.encode("ascii", "replace").decode("ascii"))
            self._stream.flush()


def progress_text(run: RunView) -> str:
    """Return the progress of a run in one line: bar, counts, level, what runs and what it waits for."""
    from headway_console.text import clean

    total = len(run.actions)
    settled = sum(action.done for action in run.actions)
    filled = BAR * settled // total if total else 0
    done = sum(level.finished_ms is not None for level in run.levels)
    text = f"[{'#' * filled}{'.' * (BAR - filled)}] {settled}/{total} actions, level {done}/{len(run.levels)}"
    busy = []
    for action in run.actions:
        if action.done or (action.started_ms is None and not action.waiting_for):
            continue
        share = f" {action.progress:.0%}" if action.progress is not None else ""
        busy.append(f"{action.id}{share}" + (f" ({action.waiting_for})" if action.waiting_for else ""))
    return clean(f"{text}: {', '.join(busy)}" if busy else text)
