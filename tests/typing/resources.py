"""Checked by mypy, never run: what a caller of the data finder sees."""

from pathlib import Path
from typing import assert_type

from headway_console import resources

assert_type(resources.themes(), Path)
assert_type(resources.recordings(), Path)
assert_type(resources.examples(), Path)
