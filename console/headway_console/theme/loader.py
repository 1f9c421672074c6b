"""Reading theme files.

A theme is one TOML file: the fields of a Textual theme, and in ``[variables]`` Textual's own variables and the
colours of our states::

    name = "my-theme"               # optional: the file's name without .toml
    dark = true
    primary = "…"                   # required; then secondary, accent, background, surface, panel, foreground, …

    [variables]
    state-running = "…"             # state-succeeded, -failed, -skipped, -waiting, -pending, -cancelled

States that a file leaves out are taken from the shipped theme of the same brightness. A file that is wrong is not
loaded and does not hold up the others: all that is wrong with it is told, by line where it has one.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from textual.color import Color, ColorParseError
from textual.theme import Theme

from headway.config.lines import Lines, key_lines, line_of
from headway.errors import one_line
from headway_console.glyphs import TONES
from headway_console.theme.contrast import shortfalls

DARK = "headway-dark"
LIGHT = "headway-light"
"""The two shipped themes; the console starts on the dark one."""

MAX_BYTES = 65_536
"""A theme file has some 50 lines; what is larger is something else."""

COLORS = (
    "primary", "secondary", "accent", "warning", "error", "success",
    "foreground", "background", "surface", "panel", "boost",
)  # fmt: skip
NUMBERS = ("luminosity_spread", "text_alpha")
FLAGS = ("dark", "ansi")
KEYS = ("name", *FLAGS, *COLORS, *NUMBERS, "variables")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_STYLE = re.compile(r"(?:(?:^| )(?:not )?(?:bold|dim|italic|underline|underline2|reverse|strike|blink|none|[bdiurs]))+")


class Problem(msgspec.Struct, frozen=True):
    """One thing wrong with one file. ``key`` is the key in the file ("" = the whole file), ``line`` counts from 1.

    ``refused`` says whether the theme was not loaded because of it; a lack of contrast alone is only told.
    """

    path: Path
    message: str
    key: str = ""
    line: int | None = None
    refused: bool = True

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else str(self.path)
        return one_line(f"{place}: {f'{self.key} ' if self.key else ''}{self.message}", 400)


class ThemeSet(msgspec.Struct):
    """The yield of a number of folders: themes by name, in the order found, and every problem of every file."""

    themes: dict[str, Theme] = {}
    problems: list[Problem] = []
    paths: dict[str, Path] = {}

    def state_defaults(self, dark: bool = True) -> dict[str, str]:
        """Return the ``state-…`` variables of the shipped theme of that brightness; {} if it was not loaded."""
        theme = self.themes.get(DARK if dark else LIGHT)
        return _states(theme) if theme else {}


def load_themes(folders: Iterable[Path]) -> ThemeSet:
    """Read every ``*.toml`` of the folders, in the order of names; a later folder's theme replaces one of its name.

    Folders that are not there are passed over. Never raises for what a file holds: see :attr:`ThemeSet.problems`.
    """
    found = ThemeSet()
    for folder in folders:
        here: dict[str, Path] = {}
        for path in _files(folder):
            theme, problems = parse_theme(path, found)
            if theme is not None and theme.name in here:
                problems.append(Problem(path, f'is "{theme.name}", as {here[theme.name].name} is', "name"))
            elif theme is not None:
                here[theme.name] = path
                found.themes[theme.name] = theme
                found.paths[theme.name] = path
            found.problems.extend(problems)
    return found


def parse_theme(path: Path, known: ThemeSet | None = None) -> tuple[Theme | None, list[Problem]]:
    """Read one file; return the theme, or None if a problem forbids it, and all problems.

    ``known`` are the themes read before, of which the shipped ones lend their states.
    """
    text, problem = _read(path)
    if problem is not None:
        return None, [problem]
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return None, [_syntax(path, str(error))]
    reader = _Reader(path, key_lines(text))
    values = reader.fields(table)
    values["variables"] = reader.variables(table.get("variables", {}))
    if reader.problems:
        return None, reader.problems
    theme = Theme(**{"name": path.stem, **values})
    if known is not None:
        theme.variables = {**known.state_defaults(theme.dark), **theme.variables}
    missing = [f"state-{tone}" for tone in TONES if f"state-{tone}" not in theme.variables]
    if missing:
        return None, [Problem(path, f"lacks {', '.join(missing)}", "variables", reader.line("variables"))]
    hard_to_read = [Problem(path, str(shortfall), refused=False) for shortfall in shortfalls(theme)]
    return theme, hard_to_read


class _Reader:
    """Reads the tables of one file, noting what is wrong."""

    def __init__(self, path: Path, lines: Lines) -> None:
        self.path = path
        self.lines = lines
        self.problems: list[Problem] = []

    def line(self, *key: str) -> int | None:
        return line_of(self.lines, key)

    def note(self, message: str, *key: str) -> None:
        self.problems.append(Problem(self.path, message, ".".join(key), self.line(*key)))

    def fields(self, table: dict[str, Any]) -> dict[str, Any]:
        """Return the theme's fields without ``variables``."""
        values: dict[str, Any] = {}
        for key, value in table.items():
            if key not in KEYS:
                self.note(_unknown(key, KEYS), key)
            elif key == "name":
                if not isinstance(value, str) or not _NAME.fullmatch(value):
                    self.note("must be letters, digits, - and _, at most 64 of them", key)
            elif key in FLAGS:
                if not isinstance(value, bool):
                    self.note("must be true or false", key)
            elif key in NUMBERS:
                if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                    self.note("must be a number from 0 to 1", key)
            elif key in COLORS:
                self.color(value, key)
            values[key] = value
        if "primary" not in table:
            self.note("is required and missing", "primary")
        if "name" not in table and not _NAME.fullmatch(self.path.stem):
            self.note("is required: the file's name cannot be one", "name")
        return values

    def variables(self, table: Any) -> dict[str, str]:
        """Return ``[variables]``."""
        if not isinstance(table, dict):
            self.note("must be a table", "variables")
            return {}
        known = _variables()
        for key, value in table.items():
            if key not in known:
                self.note(_unknown(key, known), "variables", key)
            elif not isinstance(value, str):
                self.note("must be a text in quotes", "variables", key)
            elif key.endswith("-style"):
                if not _STYLE.fullmatch(value):
                    self.note(f"is {one_line(value, 40)!r}, no text style", "variables", key)
            elif value not in ("transparent", "initial") and not re.fullmatch(r"auto( \d{1,3}%)?", value):
                self.color(value, "variables", key)
        return {str(key): value for key, value in table.items()}

    def color(self, value: Any, *key: str) -> None:
        if not isinstance(value, str):
            self.note("must be a colour in quotes", *key)
            return
        try:
            Color.parse(value)
        except ColorParseError:
            self.note(f"is {one_line(value, 40)!r}, no colour", *key)


@cache
def _variables() -> frozenset[str]:
    """Every variable that a theme may set: Textual's and the states."""
    made = Theme(name="probe", primary="black").to_color_system().generate()
    return frozenset(made) | {f"state-{tone}" for tone in TONES}


def _unknown(key: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.6)
    return f"is not a known key; did you mean {near[0]}?" if near else "is not a known key"


def _states(theme: Theme) -> dict[str, str]:
    return {name: value for name, value in theme.variables.items() if name.startswith("state-")}


def _files(folder: Path) -> list[Path]:
    # The shipped themes first: they lend their states to those that leave some out.
    shipped = (f"{DARK}.toml", f"{LIGHT}.toml")
    try:
        found = [path for path in folder.glob("*.toml") if not path.name.startswith(".")]
    except OSError:
        return []
    return sorted(found, key=lambda path: (path.name not in shipped, path.name))


def _read(path: Path) -> tuple[str, Problem | None]:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            return "", Problem(path, f"is larger than {MAX_BYTES} bytes")
        return raw.decode(), None
    except OSError as error:
        return "", Problem(path, f"cannot be read: {error.strerror or error}")
    except UnicodeDecodeError:
        return "", Problem(path, "is not UTF-8 text")


def _syntax(path: Path, message: str) -> Problem:
    found = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", message, re.DOTALL)
    if found:
        return Problem(path, f"{found[1]} (column {found[3]})", line=int(found[2]))
    return Problem(path, message)
