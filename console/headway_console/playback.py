"""The keys of a replay: what they ask of the source's controls."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from headway_console.screens.dialog import PromptDialog
from headway_console.source import SPEEDS, ReplayControls

if TYPE_CHECKING:
    from headway_console.app import HeadwayConsole

_TIME = re.compile(r"(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)\Z")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%\Z")
_SEQ = re.compile(r"#?(\d+)\Z")
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)\s*s\Z")


def parse_place(text: str, controls: ReplayControls) -> tuple[str, int] | None:
    """Return ``("time", ms)`` or ``("seq", seq)`` for a place as it is typed; None if it is none.

    ``5`` is 50 %, ``45%``, ``90s``, ``1:20``, ``1:02:03.5``, ``#812`` or any longer number a seq.
    """
    text = text.strip()
    if len(text) == 1 and text.isdigit():
        return "time", controls.duration_ms * int(text) // 10
    if match := _PERCENT.match(text):
        return "time", round(controls.duration_ms * min(100.0, float(match[1])) / 100)
    if match := _SECONDS.match(text):
        return "time", round(float(match[1]) * 1000)
    if match := _TIME.match(text):
        hours, minutes, seconds = match.groups()
        return "time", round((int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)) * 1000)
    if match := _SEQ.match(text):
        return "seq", int(match[1])
    return None


class Playback:
    """Drives the replay of ``console``; does nothing where nothing is replayed."""

    def __init__(self, console: HeadwayConsole) -> None:
        self._console = console

    @property
    def _controls(self) -> ReplayControls | None:
        return self._console.source.replay

    def play_or_pause(self) -> None:
        """Play, or stand still."""
        controls = self._controls
        if controls is not None:
            (controls.pause if controls.playing else controls.play)()
            self._changed()

    def step(self, count: int) -> None:
        """Go some events forward or back."""
        if self._controls is not None:
            self._controls.step(count)
            self._changed()

    def step_level(self, count: int) -> None:
        """Go to an end of a level."""
        if self._controls is not None:
            self._controls.step_level(count)
            self._changed()

    def change_speed(self, step: int) -> None:
        """Take the next faster (1) or slower (-1) speed."""
        controls = self._controls
        if controls is None:
            return
        place = min(range(len(SPEEDS)), key=lambda index: abs(SPEEDS[index] - controls.speed))
        controls.set_speed(SPEEDS[max(0, min(len(SPEEDS) - 1, place + step))])
        self._changed()

    def ask_where(self) -> None:
        """Ask for a place and go there."""
        dialog = PromptDialog("Go to", "0-9 = 0-90 %   45%   90s   1:20   #812 (event)")
        self._console.show_dialog(dialog, self._go)

    def _go(self, text: str | None) -> None:
        controls = self._controls
        if not text or controls is None:
            return
        place = parse_place(text, controls)
        if place is None:
            self._console.say(f"{text} is no place: try 5, 45%, 1:20 or #812.", severity="warning")
            return
        unit, value = place
        if unit == "time":
            controls.seek_time(value)
        else:
            controls.seek(value)
        self._changed()

    def _changed(self) -> None:
        self._console.replay_changed()
