"""Themes: ``themes/*.toml``, read, checked and followed.

- :mod:`~headway_console.theme.loader` reads folders of files and collects what is wrong with each
- :mod:`~headway_console.theme.contrast` tells whether what a theme paints can be read
- :mod:`~headway_console.theme.watch` follows folders and loads them anew when a file changes
"""

from headway_console.theme.contrast import MINIMUM, Shortfall, ratio, shortfalls
from headway_console.theme.loader import DARK, LIGHT, Problem, ThemeSet, load_themes, parse_theme
from headway_console.theme.watch import watch_themes

__all__ = [
    "DARK",
    "LIGHT",
    "MINIMUM",
    "Problem",
    "Shortfall",
    "ThemeSet",
    "load_themes",
    "parse_theme",
    "ratio",
    "shortfalls",
    "watch_themes",
]
