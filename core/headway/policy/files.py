"""``policies/*.toml``: rules that operators write.

All files of the folder hold together, read in the order of their names; a rule can only add to what is denied, so the
order decides nothing but that of the reasons. Reading is strict: what is not understood is an error that names file
and line, and then none of the files is used.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headway.arguments import path_of, shown_value
from headway.config.find import way_up
from headway.config.load import parse_toml, read_text
from headway.errors import InvalidConfig, InvalidInput
from headway.policy.pinned import Sources
from headway.policy.rules import Exec, Rule, Window
from headway.policy.tables import read_rules
from headway.trust.ownership import check_path

if TYPE_CHECKING:
    from headway.policy.exec.rule import ExecRule

FOLDER = "policies"

Stamp = tuple[tuple[str, int, int, int], ...]
"""Name, time of change, size and inode of each policy file: two that are equal mean the same files."""


@dataclass(slots=True, eq=False)
class RuleSet:
    """The rules of a folder, for :meth:`PolicyEngine.use_files`.

    ``files`` are those read, in order; ``stamp`` is what the folder looked like before they were read, ``sources`` the
    names and texts of the files.
    """

    folder: Path
    files: tuple[Path, ...]
    rules: tuple[Rule, ...]
    stamp: Stamp
    sources: Sources = ()

    @property
    def exec(self) -> tuple[ExecRule, ...]:
        """The typed rules about commands among the rules."""
        return tuple(rule.rule for rule in self.rules if isinstance(rule, Exec))

    @property
    def windows(self) -> tuple[Window, ...]:
        """The rate limits among the rules."""
        return tuple(rule for rule in self.rules if isinstance(rule, Window))

    def continue_from(self, earlier: RuleSet) -> None:
        """Take over the calls that the rate limits of ``earlier`` have counted, by tool."""
        counted: dict[str, deque[float]] = {}
        for old in earlier.windows:  # all of a tool count the same calls: the longest memory has those of the others
            counted[old.tool] = max(counted.get(old.tool, old.taken), old.taken, key=len)
        for window in self.windows:
            # What the new interval has outlived goes with the next look.
            window.taken = deque(counted.get(window.tool, ()))


def find_policies(project: Path | str, start: Path | str | None = None) -> Path | None:
    """Return the folder ``policies`` beside the ``headway.toml`` of ``project`` if it has a TOML file; None if not.

    Those are the only ones in force. Raises :class:`headway.errors.InvalidConfig` for another ``policies`` with TOML
    files on the way up from ``start`` (by default ``project``), which somebody may believe to be in force, and for one
    that cannot be listed.
    """
    folder = folder_path(project)
    found = folder / FOLDER if _has_policies(folder) else None
    begin = folder if start is None else folder_path(start)
    for elsewhere in dict.fromkeys([*way_up(begin), *way_up(folder)]):
        if elsewhere != folder and _has_policies(elsewhere):
            raise InvalidConfig(
                f"{elsewhere / FOLDER}: policies are read beside headway.toml only, in {folder / FOLDER}: "
                "move them there, or give this folder another name"
            )
    return found


def _has_policies(folder: Path) -> bool:
    try:
        return bool(_policy_files(folder / FOLDER))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:  # it may deny something: continuing without it would not
        raise InvalidConfig(f"{folder / FOLDER}: cannot be read: {error.strerror or error}") from None


def load_policies(folder: Path | str) -> RuleSet:
    """Read the policy files of ``folder``; a folder without any gives no rules.

    Raises :class:`headway.errors.InvalidConfig`: all that is wrong in its ``details["issues"]``, the first of it in
    its message, as ``file:line: what``. A file or folder that others could have written is wrong, too.
    """
    folder = folder_path(folder)
    _checked(folder)
    stamp = stamp_of(folder)
    files = _listed(folder)
    rules: list[Rule] = []
    issues: list[str] = []
    sources: list[tuple[str, str]] = []
    for path in files:
        try:
            if not path.is_file():
                raise InvalidConfig(f"{path}: is not a file")
            text = read_text(path)
            tables, lines = parse_toml(path, text)
            sources.append((path.name, text))
        except InvalidConfig as error:
            issues.append(error.message)
            continue
        except OSError as error:
            issues.append(f"{path}: cannot be read: {error.strerror or error}")
            continue
        found, problems = read_rules(path, tables, lines)
        rules += found
        issues += problems
    if issues:
        raise InvalidConfig(issues[0], issues=issues)
    return RuleSet(folder, tuple(files), tuple(rules), stamp, tuple(sources))


def stamp_of(folder: Path) -> Stamp:
    """Return what tells whether the policy files of ``folder`` have changed. Raises ``InvalidConfig`` if it is gone."""
    stamps = []
    for path in _listed(folder):
        try:
            status = path.stat()
        except OSError:
            stamps.append((path.name, 0, 0, 0))
        else:
            stamps.append((path.name, status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(stamps)


def _checked(folder: Path) -> None:
    try:
        check_path(folder)
    except OSError as error:
        raise InvalidConfig(f"{folder}: cannot be read: {error.strerror or error}") from None


def _listed(folder: Path) -> list[Path]:
    try:
        return _policy_files(folder)
    except OSError as error:
        raise InvalidConfig(f"{folder}: cannot be read: {error.strerror or error}") from None


def _policy_files(folder: Path) -> list[Path]:
    # Not glob(): it keeps quiet about a folder that is missing or not permitted, and then nothing would be denied.
    return sorted(path for path in folder.iterdir() if path.suffix == ".toml" and not path.name.startswith("."))


def folder_path(value: Path | str) -> Path:
    """Return ``value`` as an absolute path; raise ``InvalidInput`` if it is none."""
    try:
        return path_of(value).absolute()
    except InvalidInput:
        raise InvalidInput(f"a folder of policies is a path, not {shown_value(value)}") from None
