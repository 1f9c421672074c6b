"""``@tool``: marks a function as a tool; ``entry_of``: makes the registry's entry of a function.

::

    @tool(idempotent=True, rate_limit=(10, 1.0))
    async def search(query: str, limit: int = 10, *, ctx: ToolContext) -> list[str]:
        "Search the index."

An async generator makes its output in chunks: see :mod:`headway.tools.stream`.

The function stays what it was. Its schema is made when it is registered, so that decorating costs no pydantic import.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, overload

from headway.arguments import expect, shown_value
from headway.errors import InvalidInput
from headway.numbers import LONGEST_S, positive_seconds, whole_number
from headway.tools.annotations import parameters_schema, returns_schema
from headway.tools.conversion import Conversion
from headway.tools.estimate import Estimate, refuse_broken_estimate
from headway.tools.output import Writer, output_writer
from headway.tools.registry import Permission, ToolEntry
from headway.tools.signature import Signature, description_of, read_signature, refuse_kind
from headway.tools.stream import CONTEXT, is_stream, streaming

if TYPE_CHECKING:
    from headway.tools.schema import RateLimit

F = TypeVar("F", bound=Callable[..., Any])

MARK = "__headway_tool__"
"""The attribute that ``@tool`` leaves on a function."""


@dataclass(frozen=True, slots=True)
class ToolOptions:
    """The options of ``@tool(…)``; None where the function itself tells."""

    name: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    returns: dict[str, Any] | None = None
    idempotent: bool = False
    cache_ttl_secs: int | None = None
    rate_limit: tuple[int, float] | RateLimit | None = None
    permission: Permission = "allow"
    category: str = "general"
    writes_files: bool = False
    estimate: Estimate | None = None
    shared: bool = False
    exclusive: bool = False


@overload
def tool(function: F, /) -> F: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    parameters: dict[str, Any] | None = None,
    returns: dict[str, Any] | None = None,
    idempotent: bool = False,
    cache_ttl_secs: int | None = None,
    rate_limit: tuple[int, float] | RateLimit | None = None,
    permission: Permission = "allow",
    category: str = "general",
    writes_files: bool = False,
    estimate: Estimate | None = None,
    shared: bool = False,
    exclusive: bool = False,
) -> Callable[[F], F]: ...


def tool(function: Any = None, /, **options: Any) -> Any:
    """Mark a function as a tool, as ``@tool`` or ``@tool(…)``.

    ``name`` is the function's own without one, ``description`` its docstring, ``parameters`` the JSON Schema of its
    annotations (``{}`` lets anything pass). ``idempotent`` says that calling twice does no more than calling once.
    ``rate_limit`` is ``(max_calls, interval_secs)``. ``cache_ttl_secs``, ``returns``: see
    :class:`~headway.tools.schema.ToolSchema`. ``permission``, ``category``, ``writes_files``, ``shared``,
    ``exclusive``: see :class:`~headway.tools.registry.ToolEntry`. ``estimate`` is the most that a call uses, for
    budgets: ``{"tokens": 500, "usd_micros": 1000}``, or a function that makes that of the parameters.

    Raises ``InvalidInput`` for a function that a plan cannot call (``*args``, a plain generator, a class), for one that
    is a tool with other options already, and for options that make no sense.
    """
    if function is None:
        chosen = ToolOptions(**options)
        return lambda decorated: _mark(decorated, chosen)
    return _mark(function, ToolOptions())


def options_of(function: Any) -> ToolOptions | None:
    """Return what ``@tool`` was told about ``function``, or about what it is a ``partial`` of; None if nothing."""
    function = _function_in(function)
    found = getattr(function, MARK, None) if callable(function) else None
    if isinstance(found, ToolOptions):
        return found
    return options_of(function.func) if isinstance(function, functools.partial) else None


def entry_of(function: Callable[..., Any], *, source: str = "user_defined") -> ToolEntry:
    """Return the registry's entry of ``function``, decorated or not.

    Values of parameters whose annotation is not plain JSON (``datetime``, ``Path``, dataclasses, pydantic models) are
    made from the JSON before the call, and an ``int`` of a 3.0. What they refuse though the schema takes it is a
    finding of the entry's ``validate`` too. What it returns becomes JSON in the same way, and must meet the schema of
    the return annotation, ``returns`` if that is not given. Raises ``InvalidInput`` where the function or its schema
    cannot serve a plan, and for bytes.
    """
    from headway.tools.schema import RateLimit, schema_of

    function = _function_in(function)
    options = options_of(function) or ToolOptions()
    name = _name_of(function, options)
    _refuse_uncallable(function, name, options)
    signature = read_signature(function, name)
    limit, streams = options.rate_limit, is_stream(function)
    write = None if streams else output_writer(signature.returns, name)
    schema = schema_of(
        name,
        description=description_of(function) if options.description is None else options.description,
        parameters=parameters_schema(signature, name) if options.parameters is None else options.parameters,
        returns=_returns(options, signature, name, streams),
        idempotent=options.idempotent,
        cache_ttl_secs=options.cache_ttl_secs,
        rate_limit=RateLimit(max_calls=limit[0], interval_secs=limit[1]) if isinstance(limit, tuple) else limit,
    )
    context_param = signature.context_param
    call = streaming(function, name, context_param) if streams else function
    is_async = streams or _is_async(function)
    conversion = Conversion(signature, name, frozenset({CONTEXT, context_param or CONTEXT}))
    return ToolEntry(
        schema=schema,
        call=_converting(_writing(call, write, is_async), conversion),
        is_async=is_async,
        context_param=context_param or (CONTEXT if streams else None),
        source=source,
        permission=options.permission,
        category=options.category,
        writes_files=options.writes_files,
        exclusive=options.exclusive,
        check=conversion.problems if conversion.may_refuse else None,
        estimate=options.estimate,
        shared=options.shared,
        mode="streaming" if streams else "one_shot",
    )


def _returns(options: ToolOptions, signature: Signature, name: str, streams: bool) -> dict[str, Any] | None:
    """Return the schema of the output: as it was given, else of the return annotation. A stream's is of its chunks."""
    return options.returns if options.returns is not None or streams else returns_schema(signature.returns, name)


def _mark(given: Any, options: ToolOptions) -> Any:
    if not callable(given):
        raise InvalidInput(f"@tool goes on a function, not on {type(given).__name__}")
    function = _function_in(given)
    name = _name_of(function, options)
    _refuse_uncallable(function, name, options)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        raise InvalidInput(f"tool '{name}': nothing tells its parameters: wrap it in a def") from None
    for parameter in parameters:
        refuse_kind(name, parameter)
    _refuse_second_mark(function, name, options)
    try:
        setattr(function, MARK, options)
    except AttributeError:
        raise InvalidInput(f"tool '{name}': {type(function).__name__} takes no attributes: wrap it in a def") from None
    return given


def _function_in(given: Any) -> Any:
    """Return the function of a static method: it is what the class hands out, without what the wrapper carries."""
    return given.__func__ if isinstance(given, staticmethod) else given


def _refuse_second_mark(function: Any, name: str, options: ToolOptions) -> None:
    """Raise ``InvalidInput`` if other options would be lost. What ``functools.wraps`` copied is not the function's."""
    found = options_of(function)
    if found is None or found == options or found is options_of(getattr(function, "__wrapped__", None)):
        return
    first = _name_of(function, found)
    raise InvalidInput(
        f"tool '{name}': the function is tool '{first}' already, with other options; wrap it in a def to have it twice"
    )


def name_of(function: Callable[..., Any]) -> str:
    """Return the name that plans call ``function`` by; ``InvalidInput`` for what has none."""
    if not callable(function):
        raise InvalidInput(f"a tool is a function or the name of one, not {shown_value(function)}")
    function = _function_in(function)
    return _name_of(function, options_of(function) or ToolOptions())


def _name_of(function: Any, options: ToolOptions) -> str:
    inner = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    name = options.name if options.name is not None else getattr(inner, "__name__", "")
    if not isinstance(name, str) or not 0 < len(name) <= 256 or not name.isprintable() or name != name.strip():
        raise InvalidInput(f"a tool needs a name of 1 to 256 printable characters, not {shown_value(name)}")
    if name == "<lambda>":
        raise InvalidInput("a lambda needs a name to be a tool: tool(name=…)(function)")
    return name


def _refuse_uncallable(function: Any, name: str, options: ToolOptions) -> None:
    if inspect.isclass(function):
        raise InvalidInput(f"tool '{name}': a class is no tool; decorate a function")
    for target in (function, getattr(function, "__call__", None)):  # noqa: B004 - the method itself is looked at
        if inspect.isgeneratorfunction(target):
            raise InvalidInput(f"tool '{name}': a generator is no tool; return a list, or make it async")
    if options.permission not in ("allow", "ask", "deny"):
        raise InvalidInput(f"tool '{name}': permission is allow, ask or deny, not {shown_value(options.permission)}")
    for field in ("parameters", "returns"):
        value = getattr(options, field)
        if value is not None and not isinstance(value, dict):
            raise InvalidInput(f"tool '{name}': {field} must be a JSON Schema (a dict)")
    refuse_broken_estimate(name, options.estimate)
    _refuse_odd_options(name, options)


def _refuse_odd_options(name: str, options: ToolOptions) -> None:
    for field in ("idempotent", "writes_files", "exclusive"):
        expect(getattr(options, field), bool, f"tool '{name}': {field}")
    expect("" if options.description is None else options.description, str, f"tool '{name}': description")
    expect(options.category, str, f"tool '{name}': category")
    ttl = options.cache_ttl_secs
    limit: object = options.rate_limit
    if ttl is not None and not (type(ttl) is int and 0 <= ttl <= LONGEST_S):
        raise InvalidInput(f"tool '{name}': cache_ttl_secs is a whole number of seconds, not {shown_value(ttl)}")
    if limit is None or _is_rate(limit):
        return
    from headway.tools.schema import RateLimit

    if not isinstance(limit, RateLimit):
        told = f"({', '.join(map(shown_value, limit))})" if type(limit) is tuple else shown_value(limit)
        raise InvalidInput(f"tool '{name}': rate_limit is (calls >= 1, seconds > 0), not {told}")


def _is_rate(limit: object) -> bool:
    if not isinstance(limit, tuple) or len(limit) != 2:
        return False
    try:
        whole_number(limit[0], "calls", 1)
        positive_seconds(limit[1], "seconds")
    except InvalidInput:
        return False
    return True


def _is_async(function: Any) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    call = getattr(function, "__call__", None)  # noqa: B004 - the method itself is looked at
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def _writing(function: Callable[..., Any], write: Writer | None, is_async: bool) -> Callable[..., Any]:
    """Return ``function`` with what it returns written as JSON data."""
    if write is None:
        return function

    @functools.wraps(function)
    def call(**params: Any) -> Any:
        return write(function(**params))

    @functools.wraps(function)
    async def call_async(**params: Any) -> Any:
        return write(await function(**params))

    return call_async if is_async else call


def _converting(function: Callable[..., Any], conversion: Conversion) -> Callable[..., Any]:
    if not conversion:
        return function

    @functools.wraps(function)
    def call(**params: Any) -> Any:
        return function(**conversion.apply(params))

    return call
