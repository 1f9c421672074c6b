"""The tools that a runtime knows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from headway.tools.validation import ParameterCheck, compile_check, output_problem, refuse_broken

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

    from headway.plan.model import ToolSchema

Permission = Literal["allow", "ask", "deny"]
Mode = Literal["one_shot", "streaming", "long_running"]


@dataclass(slots=True, eq=False)
class ToolEntry:
    """A tool: what it is called and takes, and how to call it.

    ``call(**params)`` runs it; where ``context_param`` names a parameter, the caller adds the call's
    :class:`~headway.tools.context.ToolContext` under that name. With ``is_async`` it returns an awaitable and must be
    called on the event loop; without, it blocks and belongs in a thread.

    ``source`` is builtin, user_defined, subprocess or mcp; ``permission`` whether plans may call it: allow, ask (only
    under a grant of full_access), deny (never); ``category`` groups tools for people; ``writes_files`` marks a tool
    that changes the workspace, which remote callers do not get unless the configuration names it. ``check(params)`` may
    add what no schema says, one line a problem: it is asked once the schema is met, at admission and before a call, and
    must be quick.

    ``mode`` says how it makes its output: at once, in chunks, or behind a handle; all three are called the same way.
    ``aclose()`` lets go of what the tool holds (a process), for who takes the tool out of use.
    """

    schema: ToolSchema
    call: Callable[..., Any]
    is_async: bool
    context_param: str | None = None
    source: str = "user_defined"
    permission: Permission = "allow"
    category: str = "general"
    writes_files: bool = False
    check: Callable[[dict[str, Any]], list[str]] | None = None
    mode: Mode = "one_shot"
    aclose: Callable[[], Awaitable[None]] | None = None
    _check: ParameterCheck | None = field(default=None, init=False, repr=False)
    _returns: Validator | None = field(default=None, init=False, repr=False)

    @property
    def name(self) -> str:
        """The name that plans call it by."""
        return self.schema.name

    def validate(self, params: dict[str, Any]) -> list[str]:
        """Return what is wrong with ``params``, by the tool's JSON Schema and its own check, one line each.

        The schema is compiled at the first call. A tool without a schema (``{}``) takes anything.
        Texts are CAR's: ``missing required parameter 'p' for tool 'sch'``, ``4 is not of type 'string' (at /p)``.
        """
        check = self._check
        if check is None:
            check = self._check = compile_check(self.schema.name, self.schema.parameters)
        problems = check(params)
        return problems if problems or self.check is None else self.check(params)

    def refuse_broken_schemas(self) -> None:
        """Raise ``InvalidInput`` with one line if a schema of this tool is not a valid JSON Schema."""
        self._check = compile_check(self.schema.name, self.schema.parameters)
        if self.schema.returns:
            self._returns = refuse_broken(self.schema.name, self.schema.returns, of_parameters=False)

    def output_problem(self, output: Any) -> str | None:
        """Return why ``output`` is not what the tool's ``returns`` schema promises, None if it is; never its values."""
        return output_problem(self._returns, output) if self._returns is not None else None


class ToolRegistry:
    """Tools by name. Not thread-safe: for the event loop's thread.

    A tool registered under a name that is taken replaces the one before, as in CAR.
    """

    def __init__(self) -> None:
        self._entries: dict[str, ToolEntry] = {}

    def register(self, entry: ToolEntry) -> None:
        """Add ``entry``, replacing one of the same name. Raises ``InvalidInput`` if its schema is broken.

        A function becomes an entry by :func:`headway.tools.decorator.entry_of`.
        """
        if not isinstance(entry, ToolEntry):
            raise TypeError(f"register() takes a ToolEntry, not {type(entry).__name__}: use entry_of(function)")
        entry.refuse_broken_schemas()
        self._entries[entry.schema.name] = entry

    def get(self, name: str) -> ToolEntry | None:
        """Return the tool of that name, or None."""
        return self._entries.get(name)

    def remove(self, name: str) -> bool:
        """Forget the tool of that name; return whether there was one."""
        return self._entries.pop(name, None) is not None

    @property
    def restricted(self) -> bool:
        """Whether a tool has another permission than allow."""
        return any(entry.permission != "allow" for entry in self._entries.values())

    def names(self) -> list[str]:
        """Return the names, sorted."""
        return sorted(self._entries)

    def entries(self) -> list[ToolEntry]:
        """Return the tools, sorted by name."""
        return [self._entries[name] for name in sorted(self._entries)]

    def schemas(self) -> list[ToolSchema]:
        """Return the schemas, sorted by name."""
        return [entry.schema for entry in self.entries()]

    async def aclose(self) -> None:
        """Let go of what the tools hold: processes end. The tools stay registered, those that held something fail."""
        await asyncio.gather(*(entry.aclose() for entry in self.entries() if entry.aclose is not None))

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"ToolRegistry({len(self._entries)} tools)"
