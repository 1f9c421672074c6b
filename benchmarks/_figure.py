"""``Figure``: one measured value, with the bar it is held against and what others need for the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple


class Bar(NamedTuple):
    """The mark that a figure is to reach: at most ``limit``, or at least, in the figure's own unit."""

    limit: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Return whether ``value`` reaches it."""
        return value >= self.limit if self.at_least else value <= self.limit


class Rival(NamedTuple):
    """A peer's value in the same run, in the figure's unit; ``value`` is None if it got nothing: ``why`` says why."""

    name: str
    value: float | None = None
    why: str = ""


class Figure(NamedTuple):
    """A row of the table: what was measured, the value and its unit.

    ``slowed``: the machine never kept its pace for ours, or for one of the rivals; the row is worth little.
    """

    what: str
    value: float
    unit: str
    bar: Bar | None = None
    rivals: tuple[Rival, ...] = ()
    slowed: bool = False


def at_most(limit: float) -> Bar:
    """Return a bar that lower values reach."""
    return Bar(limit)


def at_least(limit: float) -> Bar:
    """Return a bar that higher values reach."""
    return Bar(limit, at_least=True)


WIDTH = 66
"""The columns that the names of a table take."""


def lines(figures: Iterable[Figure]) -> list[str]:
    """Return the table: a line a figure, and under it a line a rival, with the rival's multiple of the figure."""
    rows: list[tuple[str, float | None, str]] = []
    for figure in figures:
        rows.append((figure.what, figure.value, figure.unit + _verdict(figure)))
        for rival in figure.rivals:
            if rival.value is None:
                rows.append((f"    {rival.name}", None, rival.why))
            else:
                ratio = f"{figure.unit}  ({_ratio(rival, figure):,.2f} x ours)" if figure.value else figure.unit
                rows.append((f"    {rival.name}", rival.value, ratio))
    return [
        f"  {what:<{WIDTH}}  {'-' if value is None else f'{value:,.2f}':>12} {rest}".rstrip()
        for what, value, rest in rows
    ]


def as_json(figure: Figure) -> dict[str, object]:
    """Return a figure as JSON takes it; ``ratio`` is a rival's multiple of our value."""
    shown: dict[str, object] = {"what": figure.what, "value": figure.value, "unit": figure.unit}
    if figure.bar is not None:
        shown["bar"] = {**figure.bar._asdict(), "met": figure.bar.met(figure.value)}
    if figure.slowed:
        shown["slowed"] = True
    if figure.rivals:
        shown["peers"] = [
            {"name": rival.name, "value": None, "why": rival.why}
            if rival.value is None
            else {"name": rival.name, "value": rival.value, "ratio": _ratio(rival, figure) if figure.value else None}
            for rival in figure.rivals
        ]
    return shown


def figure_of(shown: dict[str, Any]) -> Figure:
    """Return the figure that :func:`as_json` showed."""
    bar = shown.get("bar")
    rivals = tuple(Rival(peer["name"], peer["value"], peer.get("why", "")) for peer in shown.get("peers", ()))
    held = Bar(bar["limit"], bar["at_least"]) if bar is not None else None
    return Figure(shown["what"], shown["value"], shown["unit"], held, rivals, shown.get("slowed", False))


def missed(figures: Iterable[Figure]) -> list[Figure]:
    """Return the figures that do not reach their bar."""
    return [figure for figure in figures if figure.bar is not None and not figure.bar.met(figure.value)]


def _verdict(figure: Figure) -> str:
    said = []
    if figure.bar is not None:
        sign = ">=" if figure.bar.at_least else "<="
        said = [f"bar {sign} {figure.bar.limit:,.10g}", "met" if figure.bar.met(figure.value) else "MISSED"]
    if figure.slowed:
        said.append("machine slowed")
    return f"  ({', '.join(said)})" if said else ""


def _ratio(rival: Rival, figure: Figure) -> float:
    return (rival.value or 0.0) / figure.value
