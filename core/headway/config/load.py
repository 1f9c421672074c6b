"""Finds, reads and checks the configuration."""

from __future__ import annotations

import copy
import os
import re
import tomllib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from headway.config.environment import from_environment
from headway.config.find import find_file
from headway.config.lines import Lines, key_lines, line_of
from headway.config.model import Config
from headway.config.problems import problem
from headway.config.source import DEFAULT, FLAG, Source, in_env, in_file
from headway.errors import InvalidConfig, one_line
from headway.trust.ownership import read_owned
from headway.trust.projects import TrustedProjects

MAX_BYTES = 1_000_000


def load_config(
    start: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    *,
    file: Path | None = None,
    also: Path | None = None,
    env: Mapping[str, str] | None = None,
    trusted: bool | None = None,
) -> Config:
    """Return the configuration that holds at ``start`` (default: the working directory).

    ``file`` is read instead of searching for one; without a find, the search continues from ``also`` upwards.
    ``overrides`` maps dotted keys to values (flags; None = not given) and wins over ``HEADWAY_*`` variables of ``env``
    (default: the process's), which win over the file. ``trusted`` says whether the project's code may be loaded; None:
    the user's list of trusted projects does.

    Raises :class:`headway.errors.InvalidConfig`, all that is wrong in its ``details["issues"]``, the first of it in its
    message; :class:`headway.errors.UnsafeFile` for a file that others could have written.
    """
    here = (start or Path.cwd()).absolute()
    path, start = _find(here, file, also)
    tables, lines = read_toml(path) if path is not None else ({}, {})
    folder = path.parent if path is not None else here
    written = copy.deepcopy(tables)
    sources = {} if path is None else _file_sources(path, tables, lines)
    for section, key, value, variable in from_environment(os.environ if env is None else env, Config, folder):
        _put(tables, sources, f"{section}.{key}", value, in_env(variable))
    for dotted, value in (overrides or {}).items():
        if value is not None:
            _put(tables, sources, dotted, value, FLAG)

    def source_of(key: str) -> Source:
        found = _nearest(sources, key)
        if path is not None and found.kind in ("default", "file"):
            return in_file(path, line_of(lines, key.split(".")))
        return found

    try:
        config = Config.model_validate(tables, context={"folder": folder})
    except ValidationError as error:
        issues = [problem(item, Config, source_of) for item in error.errors(include_url=False)]
        raise InvalidConfig(issues[0], issues=issues) from None
    config._file, config._folder, config._sources = path, folder, MappingProxyType(sources)
    config._start = start
    config._load = partial(load_config, here, overrides, file=file, also=also, env=env, trusted=trusted)
    _refuse_closed_workspace(config)
    config._in_file = MappingProxyType(written)
    config._trusted = _holds(folder) if trusted is None and (config.code or config.opens) else bool(trusted)
    return config


def _find(here: Path, file: Path | None, also: Path | None) -> tuple[Path | None, Path]:
    """Return the file that holds, and the folder that it was looked for from."""
    if file is not None:
        return file.absolute(), file.absolute().parent
    found = find_file(here)
    if found is None and also is not None and (beside := find_file(also)) is not None:
        return beside, also.absolute()
    return found, here


def _holds(folder: Path) -> bool:
    return TrustedProjects().holds(folder)


def _refuse_closed_workspace(config: Config) -> None:
    """Refuse a workspace in which no tool could write anything."""
    workspace = Path(os.path.realpath(config.workspace))
    for folder in config.tools.path:
        if workspace.is_relative_to(os.path.realpath(folder)):
            raise InvalidConfig(
                f"{config.source('tools.path')}: tools.path holds the workspace {config.workspace}, and no plan may"
                " write to what it holds: name a folder for the modules alone"
            )


def read_toml(path: Path) -> tuple[dict[str, Any], Lines]:
    """Return the tables of a file and the lines of its keys; raise ``InvalidConfig`` if it is no TOML.

    Raises :class:`headway.errors.UnsafeFile` for a file that others could have written.
    """
    return parse_toml(path, read_text(path))


def read_text(path: Path) -> str:
    """Return the text of a TOML file; the errors are those of :func:`read_toml`."""
    try:
        return read_owned(path, MAX_BYTES).decode().replace("\r\n", "\n")
    except OSError as error:
        raise InvalidConfig(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InvalidConfig(f"{path}: is not UTF-8 text") from None


def parse_toml(path: Path, text: str) -> tuple[dict[str, Any], Lines]:
    """Return the tables of ``text`` and the lines of its keys; ``path`` is what errors name."""
    try:
        return tomllib.loads(text), key_lines(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidConfig(_syntax(path, text, str(error))) from None
    except (ValueError, RecursionError):  # a number of thousands of digits, brackets in brackets in brackets
        raise InvalidConfig(f"{path}: has a number that is too long, or is nested too deep") from None


def _syntax(path: Path, text: str, message: str) -> str:
    found = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", message, re.DOTALL)
    if found:
        return f"{path}:{found[2]}: {one_line(found[1])} (column {found[3]})"
    return f"{path}:{text.count(chr(10)) + 1}: {one_line(message.removesuffix(' (at end of document)'))}"


def _file_sources(path: Path, tables: Mapping[str, Any], lines: Lines) -> dict[str, Source]:
    sources: dict[str, Source] = {}

    def walk(table: Mapping[str, Any], prefix: tuple[str, ...]) -> None:
        for name, value in table.items():
            if isinstance(value, dict):
                walk(value, (*prefix, name))
            else:
                sources[".".join((*prefix, name))] = in_file(path, line_of(lines, (*prefix, name)))

    walk(tables, ())
    return sources


def _put(tables: dict[str, Any], sources: dict[str, Source], dotted: str, value: Any, source: Source) -> None:
    *sections, key = dotted.split(".")
    table = tables
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            return  # the file has something else where a table belongs: validation says so
    table[key] = value
    sources[dotted] = source


def _nearest(sources: Mapping[str, Source], key: str) -> Source:
    parts = key.split(".")
    return next(
        (sources[".".join(parts[:n])] for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in sources), DEFAULT
    )
