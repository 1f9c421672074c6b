"""The settings of one MCP server, whoever makes them: ``headway.toml`` or a program."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, get_args
from urllib.parse import urlsplit

from headway.arguments import expect, expect_many, expect_one_of, plain
from headway.config.mcp import is_server_name
from headway.errors import InvalidInput, one_line
from headway.numbers import positive_seconds, whole_number
from headway.tools.process.command import texts_of, words_of

if TYPE_CHECKING:
    from headway.tools.registry import Permission

STARTUP_S = 15.0
CALL_S = 60.0
MESSAGE_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Filter:
    """The tools of a server that are let through, by their own names or patterns of them (``get_*``).

    Without ``allow`` all are; ``deny`` wins.
    """

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    def lets(self, tool: str) -> bool:
        """Return whether the server's tool of that name may be listed and called."""
        if any(fnmatchcase(tool, pattern) for pattern in self.deny):
            return False
        return not self.allow or any(fnmatchcase(tool, pattern) for pattern in self.allow)


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """An MCP server: a program that is spoken to over stdin and stdout, or an address that speaks streamable HTTP.

    It has either a ``command``, a list of words, or a ``url``, each request to which carries ``headers``.

    The program gets PATH, LANG, a HOME of its own and ``env``, works in ``cwd`` and runs in the sandbox of programs:
    it reaches the network only with ``network``, changes the workspace only with ``writes_files``, and sees of the
    machine what ``readable`` adds. A value of ``env`` or ``headers`` may be
    ``secret://NAME``.

    ``allow`` and ``deny`` choose its tools by name or pattern, when they are listed and again when one is called.
    ``permission`` is that of each of its tools. ``startup_secs`` bounds a connection's start, ``call_secs`` one call,
    ``max_message_bytes`` one message of the server. One that is not ``enabled`` is not started.

    Raises ``InvalidInput`` for what makes no sense.
    """

    name: str
    command: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: Path | None = None
    readable: Sequence[Path] = ()
    network: bool = False
    writes_files: bool = False
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    enabled: bool = True
    allow: Sequence[str] = ()
    deny: Sequence[str] = ()
    permission: Permission = "allow"
    startup_secs: float = STARTUP_S
    call_secs: float = CALL_S
    max_message_bytes: int = MESSAGE_BYTES

    def __post_init__(self) -> None:
        from headway.tools.registry import Permission

        if not is_server_name(expect(self.name, str, "the name of an MCP server")):
            raise InvalidInput(
                f"an MCP server cannot be called '{one_line(self.name, 80)}': letters, digits, '-' and single '_' only"
            )
        what = f"MCP server '{self.name}'"
        if self.url is None:
            words_of(self.command, f"the command of {what}")
        elif self.command:
            raise InvalidInput(f"{what} has either a command or a url")
        else:
            _url(self.url, f"the url of {what}")
        for given, where in ((self.env, "env"), (self.headers, "headers")):
            texts_of(_pairs(given, f"the {where} of {what}"), f"the {where} of {what}")
        self.filter  # noqa: B018 - refuses lists that are none
        expect_one_of(self.permission, get_args(Permission), f"the permission of {what}")
        positive_seconds(self.startup_secs, f"startup_secs of {what}")
        positive_seconds(self.call_secs, f"call_secs of {what}")
        whole_number(self.max_message_bytes, f"max_message_bytes of {what}", 1024)

    @property
    def filter(self) -> Filter:
        """The filter of ``allow`` and ``deny``."""
        return Filter(
            tuple(_texts(self.allow, f"allow of MCP server '{self.name}'")),
            tuple(_texts(self.deny, f"deny of MCP server '{self.name}'")),
        )

    @property
    def shown(self) -> str:
        """The command line or the url, for people: never a value of ``env`` or ``headers``."""
        return one_line(self.url or " ".join(self.command), 200)


def _url(url: str, what: str) -> None:
    try:
        parts = urlsplit(plain(url, what))
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        sound = False
    if not sound:
        raise InvalidInput(f"{what} must begin with http:// or https://, and hold no password")


def _texts(values: Iterable[str], what: str) -> list[str]:
    if isinstance(values, str):
        raise InvalidInput(f"{what} is a list of texts")
    return [expect(value, str, what) for value in expect_many(values, what)]


def _pairs(values: Mapping[str, str], what: str) -> list[str]:
    expect(values, Mapping, what)
    return [expect(part, str, what) for pair in values.items() for part in pair]
