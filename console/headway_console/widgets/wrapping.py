"""Breaking painted lines that are too wide, so that nothing is cut off."""

from __future__ import annotations

from rich.cells import cell_len

from headway_console.widgets.painted import Line

LABEL = 10
"""Cells of a label such as ``output``, with its padding."""

_NEAR = 24
"""The distance from the edge within which a space is looked for, to break there."""


def wrap(lines: list[Line], width: int, label: int = LABEL) -> list[Line]:
    """Break lines wider than ``width`` cells, at a space if one is near.

    A line that begins with a piece of ``label`` cells continues under the text beside it.
    """
    if width <= 1:
        return []
    wrapped: list[Line] = []
    for line in lines:
        hang = label if len(line) > 1 and len(line[0][0]) == label and width > 3 * label else 0
        row: Line = []
        left = width
        for text, name in line:
            rest = text
            while True:
                taken = _within(rest, left, width - hang)
                row.append((rest[:taken], name))
                left -= cell_len(rest[:taken])
                rest = rest[taken:]
                if not rest:
                    break
                wrapped.append(row)
                row, left = [(" " * hang, "")] if hang else [], width - hang
        wrapped.append(row)
    return wrapped


def _within(text: str, cells: int, whole: int) -> int:
    """Return how many characters of ``text`` go into ``cells``, on a row that has ``whole`` of them."""
    if text.isascii():
        fits = min(len(text), cells)
    else:
        fits, used = len(text), 0
        for index, character in enumerate(text):
            used += cell_len(character)
            if used > cells:
                fits = index
                break
    if fits == len(text) or text[fits] == " ":
        return fits
    space = text.rfind(" ", max(0, fits - _NEAR), fits)
    if space > 0:
        return space + 1
    return fits if fits or cells < whole else 1  # one that is wider than the row is cut where it is painted
