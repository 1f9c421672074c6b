"""``[hooks]`` and ``[before_tool]``: who is told of events, and what judges calls before they are made."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from headway.config.programs import programs_of
from headway.config.section import FilePath, Name, PythonName, Section
from headway.config.services import secret_reference

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

_FIELDS = {"stdout": (), "jsonl": ("path",), "webhook": ("url",), "socket": ("path",), "command": ("command",)}


def _hook_name(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise ValueError("the name of a hook has letters, digits, '-' and '_' only, at most 64")
    return name


def _command(words: list[str] | None) -> list[str] | None:
    if words is not None and (not words or not words[0] or any("\0" in word for word in words)):
        raise ValueError("must be a list of words, the program first")
    return words


HookName = Annotated[Name, AfterValidator(_hook_name)]
Secret = Annotated[str | None, AfterValidator(secret_reference)]
Command = Annotated[list[str] | None, AfterValidator(_command)]


class _Told(Section):
    """What hooks have in common: a program or an address."""

    command: Command = Field(
        default=None, description="The program and its arguments; it gets one JSON object on stdin, in the sandbox."
    )
    files: list[FilePath] = Field(
        default=[], description="Files and folders of code that it loads besides what `command` names."
    )
    network: bool = Field(default=False, description="Whether the program reaches the network.")
    url: str | None = Field(default=None, min_length=1, description="The address that gets one POST each time.")
    secret: Secret = Field(default=None, description="The secret that requests are signed with, as `secret://NAME`.")

    @model_validator(mode="after")
    def _fits(self) -> _Told:  # noqa: N804 - it is called with the model in this mode
        if self.secret is not None and self.url is None:
            raise ValueError("only a webhook has a secret")
        if self.command is None and (self.files or self.network):
            raise ValueError("files and network are for a command")
        return self

    def programs(self, folder: Path) -> tuple[list[Path], list[Path]]:
        """Return the files, and the folders, of code that ``command`` is made of."""
        return programs_of(self.command, folder) if self.command is not None else ([], [])


class HookConfig(_Told):
    """A hook: it is told of events, after they are in the log."""

    on: list[Name] = Field(
        min_length=1, description="Kinds of events, or groups of them: jobs, tools, elicitations, responses."
    )
    sink: Literal["stdout", "jsonl", "webhook", "socket", "command"] = Field(description="Where they are told.")
    path: FilePath | None = Field(default=None, description="The file of `jsonl`, or the Unix socket of `socket`.")
    queue: int = Field(default=10_000, ge=1, le=1_000_000, description="Events that wait; further ones are dropped.")
    timeout_secs: float = Field(default=10.0, gt=0, le=600, description="Seconds that telling may take.")
    retries: int = Field(default=4, ge=0, le=20, description="Tries after the first, half a second to 30 s apart.")

    @model_validator(mode="after")
    def _of_sink(self) -> HookConfig:  # noqa: N804 - it is called with the model in this mode
        needed = _FIELDS[self.sink]
        for name in ("path", "url", "command"):
            given = getattr(self, name) is not None
            if given != (name in needed):
                raise ValueError(f'must have {name} with sink = "{self.sink}"' if not given else _beyond(name, self))
        return self

    @property
    def opens(self) -> bool:
        """True if it does more than write to stdout."""
        return self.sink != "stdout"


def _beyond(name: str, hook: HookConfig) -> str:
    return f'has {name}, which sink = "{hook.sink}" has not'


class BeforeToolConfig(_Told):
    """A hook that judges calls before they are made: it allows, denies, asks or edits."""

    python: PythonName | None = Field(default=None, description='The function that judges, as "file.py:name".')
    tools: list[Name] = Field(default=[], description="The tools whose calls it judges, by name or `git_*`; none: all.")
    strict: bool = Field(
        default=True, description="Whether a call is denied if there is no verdict; else it is allowed."
    )
    timeout_secs: float = Field(default=10.0, gt=0, le=600, description="Seconds that a verdict may take.")

    @model_validator(mode="after")
    def _one_way(self) -> BeforeToolConfig:  # noqa: N804 - it is called with the model in this mode
        if sum(given is not None for given in (self.command, self.url, self.python)) != 1:
            raise ValueError("must have exactly one of command, url and python")
        return self
