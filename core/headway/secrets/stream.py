"""Text that comes in pieces, without secret values: one that is split between two pieces is seen too."""

from __future__ import annotations

from headway.secrets.redactor import Redactor

MOST = 64 * 1024
"""The most characters that are held back while they may be the beginning of a value."""


class RedactedStream:
    """Takes the pieces of one text and gives them back without secret values.

    The end of a piece that may be the beginning of a value is held back until the next one, or :meth:`rest`, tells.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return what can be shown now."""
        if not self._redactor.active:
            held, self._held = self._held, ""
            return held + piece
        text = self._redactor.text(self._held + piece)
        keep = min(self._redactor.held_back(text), MOST)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def rest(self) -> str:
        """Return what was held back: the text has ended."""
        held, self._held = self._held, ""
        return held
