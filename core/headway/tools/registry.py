"""The tools that a runtime knows."""

from __future__ import annotations

import asyncio
import copy
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args

from headway.arguments import expect, expect_call, shown_value
from headway.errors import InvalidInput, describe, one_line
from headway.jsonvalue import copy_members
from headway.secrets.marks import Marks, marks_of
from headway.tools.estimate import Estimate, refuse_broken_estimate
from headway.tools.validation import OutputCheck, ParameterCheck, compile_check, compile_output

if TYPE_CHECKING:
    from headway.tools.schema import ToolSchema

Permission = Literal["allow", "ask", "deny"]
Mode = Literal["one_shot", "streaming", "long_running"]

_KINDS: dict[str, type | tuple[type, ...]] = {
    "is_async": bool,
    "context_param": (str, NoneType),
    "source": str,
    "permission": str,
    "category": str,
    "writes_files": bool,
    "shared": bool,
    "exclusive": bool,
    "mode": str,
}


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

    ``mode`` says how it makes its output: in one piece, in chunks, or behind a handle; all are called the same way.
    ``aclose()`` lets go of what the tool holds (a process), for who takes the tool out of use. ``estimate`` is the most
    that a call uses of a budget: see :data:`~headway.tools.estimate.Estimate`. ``shared`` says that a call gives
    everybody the same: a result that is kept serves all principals, not only the one on whose behalf it was made.
    ``command(params)`` is what a call starts, in the sandbox of its run, for who judges it before: a text for a shell,
    or words; a tool without starts nothing, or tells nobody.
    ``exclusive``: a call runs alone, while no other call of the same runtime or daemon is in flight; it must not wait
    for one. All other calls run beside each other. ``marks``, known once it is registered, are the places of its
    parameters that take secrets; None if there are none.
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
    estimate: Estimate | None = None
    shared: bool = False
    command: Callable[[dict[str, Any]], str | tuple[str, ...]] | None = None
    exclusive: bool = False
    marks: Marks | None = field(default=None, init=False, repr=False)
    _check: ParameterCheck | None = field(default=None, init=False, repr=False)
    _returns: OutputCheck | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        from headway.tools.schema import ToolSchema

        name = one_line(expect(self.schema, ToolSchema, "a tool's schema").name, 80)
        expect_call(self.call, f"the call of tool '{name}'")
        for field_, kinds in _KINDS.items():
            if not isinstance(getattr(self, field_), kinds):
                raise InvalidInput(f"tool '{name}': {field_} cannot be {shown_value(getattr(self, field_))}")
        for field_, names in (("permission", get_args(Permission)), ("mode", get_args(Mode))):
            if getattr(self, field_) not in names:
                known = ", ".join(names)
                raise InvalidInput(f"tool '{name}': {field_} is {known}, not {shown_value(getattr(self, field_))}")
        for field_ in ("check", "aclose", "command"):
            if getattr(self, field_) is not None:
                expect_call(getattr(self, field_), f"the {field_} of tool '{name}'")

    @property
    def name(self) -> str:
        """The name that plans call it by."""
        return self.schema.name

    def validate(self, params: dict[str, Any], *, quote: bool = True) -> list[str]:
        """Return what is wrong with ``params``, by the tool's JSON Schema and its own check, one line each.

        Without ``quote`` what breaks the schema is told in the schema's words, and no value is: one that comes from the
        state or from another action may be a secret. A tool's own check says what it says.

        The schema is compiled at the first call. A tool without a schema (``{}``) takes anything.
        Texts are CAR's: ``missing required parameter 'p' for tool 'sch'``, ``4 is not of type "string" (at /p)``.
        """
        if not isinstance(params, dict):
            raise InvalidInput(f"a call's parameters are an object, not {type(params).__name__}")
        check = self._check
        if check is None:
            check = self._compile()
        if self.marks is not None:
            quote = False
            secrets = self.marks.problems(one_line(self.schema.name, 80), params)
            if secrets:
                return secrets
        problems = check(params, quote)
        if problems or self.check is None:
            return problems
        try:
            return self.check(_own(params))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it is the tool's code: it may raise anything
            return [f"the check of tool '{self.schema.name}' failed: {describe(error)}"]

    def refuse_broken_schemas(self) -> None:
        """Raise ``InvalidInput`` with one line if a schema of this tool is not a valid JSON Schema."""
        self._compile()
        if self.schema.returns:
            self._returns = compile_output(self.schema.name, self.schema.returns)
        refuse_broken_estimate(self.schema.name, self.estimate)

    def _compile(self) -> ParameterCheck:
        """Compile the check of parameters; of secrets it sees references, so that bounds on them are left out."""
        self.marks = marks_of(self.schema.parameters)
        schema = self.schema.parameters if self.marks is None else self.marks.relaxed()
        self._check = check = compile_check(self.schema.name, schema)
        return check

    def output_problem(self, output: Any) -> str | None:
        """Return why ``output`` is not what the tool's ``returns`` schema promises, None if it is; never its values."""
        return self._returns(output) if self._returns is not None else None


def _own(params: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of parameters, for a check that changes what it gets; also of those that are not JSON."""
    try:
        return copy_members(params)
    except (InvalidInput, UnicodeEncodeError, TypeError, ValueError, OverflowError):
        return copy.deepcopy(params)


Changed = Callable[[str, ToolEntry | None], object]
"""Takes the name of a tool and its new entry, None if it was removed."""


class ToolRegistry:
    """Tools by name. Not thread-safe: for the event loop's thread.

    A tool registered under a name that is taken replaces the one before, as in CAR.
    """

    def __init__(self) -> None:
        self._entries: dict[str, ToolEntry] = {}
        self._told: list[weakref.WeakMethod[Changed]] = []
        self.version = 0  # grows with each change of the tools

    def on_change(self, callback: Changed) -> None:
        """Call ``callback(name, entry)`` for each tool there is, and for each that is registered or removed later.

        ``callback`` is a method; it is called as long as somebody else keeps its object.
        """
        try:
            self._told.append(weakref.WeakMethod(callback))
        except TypeError:
            raise InvalidInput(f"a registry tells a method of its changes, not {shown_value(callback)}") from None
        for entry in self.entries():
            callback(entry.name, entry)

    def _tell(self, name: str, entry: ToolEntry | None) -> None:
        self.version += 1
        for told in list(self._told):
            callback = told()
            if callback is not None:
                callback(name, entry)
            else:
                self._told.remove(told)

    def register(self, entry: ToolEntry) -> None:
        """Add ``entry``, replacing one of the same name. Raises ``InvalidInput`` if its schema is broken.

        A function becomes an entry by :func:`headway.tools.decorator.entry_of`.
        """
        if not isinstance(entry, ToolEntry):
            raise InvalidInput(f"register() takes a ToolEntry, not {type(entry).__name__}: use entry_of(function)")
        entry.refuse_broken_schemas()
        self._entries[entry.schema.name] = entry
        self._tell(entry.schema.name, entry)

    def get(self, name: str) -> ToolEntry | None:
        """Return the tool of that name, or None."""
        try:
            return self._entries.get(name)
        except TypeError:
            raise InvalidInput(f"a tool's name is text, not {type(name).__name__}") from None

    def remove(self, name: str) -> bool:
        """Forget the tool of that name; return whether there was one."""
        if self._entries.pop(expect(name, str, "a tool's name"), None) is None:
            return False
        self._tell(name, None)
        return True

    @property
    def restricted(self) -> bool:
        """True if a tool has another permission than allow."""
        return any(entry.permission != "allow" for entry in self._entries.values())

    @property
    def exclusive(self) -> bool:
        """True if a tool runs alone."""
        return any(entry.exclusive for entry in self._entries.values())

    def contains(self, name: str) -> bool:
        """Return whether there is a tool of that name (CAR's name of ``name in registry``)."""
        return self.get(name) is not None

    def by_source(self, source: str) -> list[ToolEntry]:
        """Return the tools from ``source`` (builtin, user_defined, subprocess, mcp), sorted by name, as CAR does."""
        expect(source, str, "a source")
        return [entry for entry in self.entries() if entry.source == source]

    def by_category(self, category: str) -> list[ToolEntry]:
        """Return the tools of ``category``, sorted by name, as CAR does."""
        expect(category, str, "a category")
        return [entry for entry in self.entries() if entry.category == category]

    def validate(self, name: str, params: dict[str, Any]) -> list[str]:
        """Return what is wrong with a call of the tool of that name, one line each, as CAR does: see
        :meth:`ToolEntry.validate`. A tool that is not there is such a line.
        """
        entry = self.get(expect(name, str, "a tool's name"))
        return [f"tool '{one_line(name, 80)}' is not registered"] if entry is None else entry.validate(params)

    def allowed_schemas(self) -> list[ToolSchema]:
        """Return the schemas of the tools whose permission is not deny, sorted by name, as CAR does."""
        return [entry.schema for entry in self.entries() if entry.permission != "deny"]

    def to_schema_map(self) -> dict[str, ToolSchema]:
        """Return the schemas by name, as CAR does: a new dictionary."""
        return {entry.name: entry.schema for entry in self.entries()}

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
        """Let go of what the tools hold: processes end, and calls in flight with them. The tools stay registered."""
        await asyncio.gather(*(entry.aclose() for entry in self.entries() if entry.aclose is not None))

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"ToolRegistry({len(self._entries)} tools)"
