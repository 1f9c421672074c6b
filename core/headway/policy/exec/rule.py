"""``ExecRule``: one typed rule about calls of tools and the commands in them."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Any

import msgspec

from headway.arguments import expect_one_of, nearest, plain, shown_value
from headway.errors import InvalidInput
from headway.policy.exec.prefix import Prefix
from headway.policy.exec.starters import SHELLS, STARTERS
from headway.policy.values import MAX_KEY, MAX_PATTERN, shown


class Action(StrEnum):
    """What a rule says of what it matches: deny is stricter than ask, ask than allow."""

    DENY = "deny"
    ASK = "ask"
    ALLOW = "allow"

    @property
    def strictness(self) -> int:
        """A number that is higher for what is stricter."""
        return {Action.ALLOW: 0, Action.ASK: 1, Action.DENY: 2}[self]


class Layer(IntEnum):
    """Where a rule comes from. Lower ones can only tighten: see :mod:`headway.policy.exec.policy`."""

    BUILTIN = 0
    AGENT = 1
    USER = 2


class ExecRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rule: all that it names must hold.

    ``tool`` is a tool's name. ``command`` are the first words of a command that the call runs, ``command_exact`` all of
    its words, or the whole text. ``path`` is a file or folder of the workspace that the call's parameter ``path`` names
    or lies in, ``workspace`` the folder in which the call works. ``action`` is deny, ask or allow; ``reason`` is told
    with it. Raises ``InvalidInput`` for a rule that says nothing, or that no call can meet.
    """

    action: Action = Action.ASK
    tool: str | None = None
    command: str | None = None
    command_exact: str | None = None
    path: str | None = None
    workspace: str | None = None
    name: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        force = msgspec.structs.force_setattr
        force(self, "action", Action(expect_one_of(self.action, tuple(Action), "action")))
        for field, longest in (("tool", MAX_KEY), ("path", 4096), ("workspace", 4096)):
            if (value := getattr(self, field)) is not None:
                plain(value, field, longest)
        for field in ("command", "command_exact"):
            if (value := getattr(self, field)) is not None:
                plain(value, field, MAX_PATTERN)
        for field in ("name", "reason"):
            if (value := getattr(self, field)) != "" and not plain(value, field, 256).isprintable():
                raise InvalidInput(f"{field} must be printable: it stands in reasons")
        if self.command is not None and self.command_exact is not None:
            raise InvalidInput("command and command_exact exclude each other: one of them is enough")
        if self.path is not None and (self.command or self.command_exact):
            raise InvalidInput("path is about a tool's parameter and command about a command: make two rules")
        if self.tool is None and self.command is None and self.command_exact is None and self.path is None:
            raise InvalidInput("a rule names a tool, a command, a command_exact or a path")
        if self.path is not None:
            force(self, "path", _relative(self.path))
        if self.workspace is not None:
            force(self, "workspace", _absolute(self.workspace))
        if self.command is not None:
            prefix = Prefix(self.command)
            if self.action is Action.ALLOW:
                _refuse_wide(prefix)

    @property
    def specificity(self) -> tuple[int, int, int, int]:
        """A tuple that is greater for what names more."""
        words = len(self.command.split()) if self.command else 0
        return (self.command_exact is not None, words, self.path is not None, self.tool is not None)

    def says(self) -> str:
        """Return the rule in words: ``deny command 'git push'``."""
        fields = ("tool", "command", "command_exact", "path", "workspace")
        parts = [f"{field} '{shown(str(value))}'" for field in fields if (value := getattr(self, field)) is not None]
        return f"{self.action.value} {', '.join(parts)}"


FIELDS = tuple(ExecRule.__struct_fields__)


def rule_of(table: Mapping[str, Any]) -> ExecRule:
    """Return the rule that a table of TOML or JSON holds. Raises ``InvalidInput``: for unknown keys it suggests."""
    for key, value in table.items():
        if key not in FIELDS:
            near = nearest(str(key), FIELDS, cutoff=0.5)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(FIELDS)}"
            raise InvalidInput(f"{shown_value(key)} is not a known key; {hint}")
        if not isinstance(value, str):
            raise InvalidInput(f"{key} must be a text in quotes")
    return ExecRule(**{**table, "action": table.get("action", "ask")})


def _relative(path: str) -> str:
    if path.startswith(("/", "~")) or "\\" in path or "\0" in path:
        raise InvalidInput("path is relative to the workspace, with / between its parts")
    if ".." in path.split("/"):
        raise InvalidInput("path must not go up: it has '..' in it")
    return posixpath.normpath(path)


def _absolute(path: str) -> str:
    if not path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise InvalidInput("workspace is an absolute path without '..'")
    return posixpath.normpath(path)


def _refuse_wide(prefix: Prefix) -> None:
    """Raise ``InvalidInput`` for a rule that would allow whatever a program is told to start."""
    if len(prefix.positional) < 2 and (prefix.positional[0] in SHELLS or prefix.positional[0] in STARTERS):
        raise InvalidInput(
            f"'{shown(prefix.source)}' runs whatever it is given: allow the command that it runs, or name it here too"
        )
