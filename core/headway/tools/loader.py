"""Tool files: Python files that ``headway.toml`` names, run once; what they decorate with ``@tool`` is registered."""

from __future__ import annotations

import hashlib
import importlib.util
import linecache
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from headway.errors import HeadwayError, InvalidConfig, describe, one_line
from headway.tools.decorator import entry_of, options_of
from headway.tools.registry import ToolEntry, ToolRegistry
from headway.trust.ownership import check_path, check_tree, read_owned

MAX_BYTES = 16 * 2**20
"""The largest file that is run."""


def load_tool_files(
    paths: Iterable[Path | str], registry: ToolRegistry, modules_in: Iterable[Path | str] = ()
) -> list[str]:
    """Run each file and register every function in it that ``@tool`` decorates; return the names, in order.

    So are the programs (``SubprocessTool``) and the entries (of ``shell_tool``, ``long_running``) that it names.

    A file runs under a module name of its own, so two may be called ``tools.py``. Of the project it may import what is
    in the folders ``modules_in``, which are appended to ``sys.path``; not what lies beside it. Either all files are
    registered or none.

    Raises ``InvalidConfig`` with one line that names file and line: a file that is missing, does not parse, raises,
    makes no tool, gives a tool a name that is taken, or could have been written by somebody else; the last holds
    for all that is in ``modules_in``, too.
    """
    admit_modules(modules_in)
    entries: dict[str, tuple[ToolEntry, str]] = {}
    modules: list[ModuleType] = []
    known = set(registry.names())
    seen: set[int] = set()
    try:
        for path in paths:
            module = _run(Path(path))
            modules.append(module)
            _collect(module, entries, known, seen)
        for entry, place in entries.values():
            try:
                registry.register(entry)
            except HeadwayError as error:
                raise InvalidConfig(f"{place}: {error}") from error
    except BaseException:
        for module in modules:
            sys.modules.pop(module.__name__, None)
        for name in entries:
            registry.remove(name)
        raise
    return list(entries)


def load_name(named: str) -> Any:
    """Run the file of ``file.py:name`` as a tool file is run, and return what it calls ``name``.

    Raises ``InvalidConfig`` with one line for a file that is missing or does not run, and a name that is not there.
    """
    path, _, name = named.rpartition(":")
    module = _run(Path(path))
    found = getattr(module, name, None)
    if found is None:
        raise InvalidConfig(f"{one_line(path, 300)}: it defines no '{one_line(name, 100)}'")
    return found


def admit_modules(folders: Iterable[Path | str]) -> None:
    """Let tool files import from ``folders``; raise ``InvalidConfig`` if others could have written what is in them."""
    for folder in map(Path, folders):
        shown = one_line(str(folder), 300)
        try:
            if not folder.is_dir():
                raise InvalidConfig(f"{shown}: there is no such folder")
            check_tree(folder)
            real = str(check_path(folder))
        except OSError as error:
            raise InvalidConfig(f"{shown}: cannot be read: {(error.strerror or describe(error)).lower()}") from error
        if real not in sys.path:
            sys.path.append(real)


def _collect(module: ModuleType, entries: dict[str, tuple[ToolEntry, str]], known: set[str], seen: set[int]) -> None:
    path = str(module.__file__)
    tools = [value for value in vars(module).values() if _is_tool(value)]
    if not tools:
        raise InvalidConfig(f"{path}: no function in it is decorated with @tool, and it makes no other tool")
    for tool in tools:
        if id(tool) in seen:  # one function under two names, or imported by two files
            continue
        seen.add(id(tool))
        place = _place(tool, path)
        try:
            entry = _entry(tool)
        except HeadwayError as error:
            raise InvalidConfig(f"{place}: {error}") from error
        name = entry.schema.name
        if name in entries:
            raise InvalidConfig(f"{place}: tool '{name}' is already defined at {entries[name][1]}")
        if name in known:
            raise InvalidConfig(f"{place}: there is already a tool '{name}': give this one another name")
        entries[name] = (entry, place)


def _is_tool(value: Any) -> bool:
    """Return whether a tool file's value is a tool: a decorated function, an entry, or a program."""
    return options_of(value) is not None or isinstance(value, ToolEntry) or _is_program(value)


def _is_program(value: Any) -> bool:
    made = sys.modules.get("headway.tools.process.subprocess")  # not loaded: then nothing is one
    return made is not None and isinstance(value, made.SubprocessTool)


def _entry(tool: Any) -> ToolEntry:
    if isinstance(tool, ToolEntry):
        return tool
    return tool.entry() if _is_program(tool) else entry_of(tool)


def _place(function: Any, path: str) -> str:
    code = getattr(getattr(function, "__wrapped__", function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else path


def _run(path: Path) -> ModuleType:
    """Run a file as a module; its bytecode is not cached, so that nothing is left beside the user's file."""
    shown = one_line(str(path), 300)
    try:
        source = read_owned(path, MAX_BYTES)
        file = check_path(path)
    except FileNotFoundError:
        raise InvalidConfig(f"{shown}: there is no such file") from None
    except HeadwayError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or describe(error)
        raise InvalidConfig(f"{shown}: cannot be read: {reason.lower()}") from error
    name = f"headway_tools_{hashlib.sha256(str(file).encode('utf-8', 'surrogateescape')).hexdigest()[:12]}_{file.stem}"
    try:
        code = compile(source, str(file), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise InvalidConfig(f"{shown}:{error.lineno or 1}: {one_line(error.msg, 300)}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise InvalidConfig(f"{shown}: cannot be compiled: {describe(error)}") from error
    spec = importlib.util.spec_from_loader(name, loader=None, origin=str(file))
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(file)
    linecache.checkcache(str(file))
    sys.modules[name] = module  # dataclasses and pydantic look a class's module up there
    try:
        exec(code, module.__dict__)  # noqa: S102 - running the file is what loading it means
    except KeyboardInterrupt:
        sys.modules.pop(name, None)
        raise
    except BaseException as error:
        sys.modules.pop(name, None)
        line = _line_in(error.__traceback__, str(file))
        raise InvalidConfig(f"{shown}:{line}: {describe(error)}{_hint(error, file.parent)}") from error
    return module


def _hint(error: BaseException, folder: Path) -> str:
    """Return what to do about a module that lies beside the file, where it is not looked for."""
    name = error.name if isinstance(error, ModuleNotFoundError) else None
    if not name or "/" in name:
        return ""
    first = name.partition(".")[0]
    beside = (folder / f"{first}.py").exists() or (folder / first).is_dir()
    return "; modules of a project are imported from the folders of [tools] path only" if beside else ""


def _line_in(traceback: TracebackType | None, file: str) -> int:
    """Return the line of ``file`` that was running when the error came: the innermost of its frames."""
    line = 1
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == file:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line
