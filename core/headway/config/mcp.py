"""``[mcp]``: the MCP servers whose tools plans may call."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from headway.config.programs import programs_of
from headway.config.section import FilePath, Name, Section
from headway.secrets.reference import SCHEME

_NAME = re.compile(r"[A-Za-z0-9-]+(_[A-Za-z0-9-]+)*")
_LONGEST_NAME = 64


def is_server_name(name: str) -> bool:
    """Return whether a server can have that name: letters, digits, '-' and single '_', at most 64 characters.

    ``mcp__server__tool`` is taken apart at its first double underscores.
    """
    return len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None


def _server_name(name: str) -> str:
    if not is_server_name(name):
        raise ValueError("the name of an MCP server has letters, digits, '-' and single '_' only, at most 64")
    return name


ServerName = Annotated[Name, AfterValidator(_server_name)]


class McpServerConfig(Section):
    """An MCP server whose tools plans may call: a program (`command`) or an address (`url`)."""

    command: str | None = Field(default=None, min_length=1, description="The program; spoken to over stdin and stdout.")
    args: list[str] = Field(default=[], description="Its arguments.")
    env: dict[Name, str] = Field(
        default={}, description='Variables of its environment; a value may be "secret://NAME".'
    )
    cwd: FilePath | None = Field(
        default=None, description="The folder that it works in; none: the folder of this file."
    )
    files: list[FilePath] = Field(
        default=[], description="Files and folders of code that it loads besides what `command` and `args` name."
    )
    readable: list[FilePath] = Field(
        default=[], description="Files and folders that it may read besides the system's and the workspace."
    )
    network: bool = Field(default=False, description="Whether the program reaches the network.")
    writes_files: bool = Field(default=False, description="Whether the program may change the workspace.")
    url: str | None = Field(default=None, min_length=1, description="The address of a server that speaks HTTP.")
    headers: dict[Name, str] = Field(
        default={}, description='Headers of each request to `url`; a value may be "secret://NAME".'
    )
    enabled: bool = Field(default=True, description="Whether it is started.")
    allow: list[Name] = Field(default=[], description="Its tools that plans may call, by name or `get_*`; none: all.")
    deny: list[Name] = Field(default=[], description="Its tools that no plan may call, by name or `get_*`.")
    permission: Literal["allow", "ask", "deny"] = Field(default="allow", description="The permission of its tools.")
    startup_secs: float = Field(default=15.0, gt=0, le=600, description="Seconds in which it must be ready.")
    call_secs: float = Field(default=60.0, gt=0, le=86_400, description="Seconds in which a call must be answered.")
    max_message_bytes: int = Field(
        default=4_194_304, ge=1024, le=67_108_864, description="Bytes of the longest message that it may send."
    )

    @model_validator(mode="after")
    def _one_way(self) -> McpServerConfig:  # noqa: N804 - it is called with the model in this mode
        if (self.command is None) == (self.url is None):
            raise ValueError("must have exactly one of command and url")
        return self

    @property
    def shown(self) -> str:
        """The command line or the url, for people: never a value of ``env`` or ``headers``."""
        return self.url or " ".join((self.command or "", *self.args))

    def programs(self, folder: Path) -> tuple[list[Path], list[Path]]:
        """Return the files, and the folders, of code that the program is made of, existing or not.

        ``folder`` is that of ``headway.toml``. See :func:`headway.config.programs.programs_of`.
        """
        if self.command is None:
            return [], []
        return programs_of([self.command, *self.args], self.cwd or folder)


def hidden(server: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a server as people may see them: of variables and headers the names, and references."""

    def names(values: dict[str, str]) -> dict[str, str]:
        return {key: value if value.startswith(SCHEME) else "[redacted]" for key, value in values.items()}

    return server | {"env": names(server["env"]), "headers": names(server["headers"])}


class McpConfig(Section):
    """Tools of MCP servers, and what is served to MCP clients: see mcp.md."""

    serve: list[Name] = Field(
        default=[], description="Workflows and tools that `headway mcp serve` offers to MCP clients; none by default."
    )
    servers: dict[ServerName, McpServerConfig] = Field(default={}, description="MCP servers, by name.")

    @property
    def started(self) -> dict[str, McpServerConfig]:
        """The servers that are switched on, by name."""
        return {name: server for name, server in self.servers.items() if server.enabled}
