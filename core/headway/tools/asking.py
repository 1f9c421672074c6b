"""Asking from a tool: what it asks, and the schema of the answer it wants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import msgspec

from headway.arguments import plain, plain_or_empty
from headway.errors import InvalidInput, describe, one_line
from headway.jsonvalue import to_json
from headway.numbers import number_between
from headway.secrets.marks import is_marked
from headway.tools.context import NO_DEFAULT

if TYPE_CHECKING:
    from headway.tools.context import ToolContext

MAX_PROMPT = 10_000
"""The longest prompt of a question, in characters."""

MAX_WAIT_S = 10 * 365 * 86_400.0
"""The longest time that a question may stay open, in seconds."""


class AskRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A question of a tool. ``kind`` is input, or auth where somebody has to sign in; ``url`` says where.

    ``has_default`` says that ``default`` is the answer when nobody gives one.
    """

    prompt: str
    kind: str = "input"
    schema: Any = None
    default: Any = None
    has_default: bool = False
    expires_s: float | None = None
    url: str = ""


AskSink = Callable[["ToolContext", AskRequest], "Future[Any]"]
"""Takes ``(context, request)``, from any thread; its future brings the answer, or the error that there is none."""


def input_request(
    schema: Any, prompt: str, default: Any, expires_s: float | None
) -> tuple[AskRequest, Callable[[Any], Any]]:
    """Return a question for a value, and what makes the answer, as JSON, what the asker wants.

    Raises ``InvalidInput`` for a schema that is none, for one of a secret, and for a default that does not fit.
    """
    described, make = _schema(schema)
    has_default = default is not NO_DEFAULT
    value = to_json(default) if has_default else None
    if has_default:
        from headway.tools.validation import compile_output

        problem = compile_output("ask", described)(value)
        if problem is not None:
            raise InvalidInput(f"the default of a question does not fit its schema: {problem}")
    request = AskRequest(
        prompt=plain(prompt, "a prompt", MAX_PROMPT),
        schema=described,
        default=value,
        has_default=has_default,
        expires_s=_seconds(expires_s),
    )
    return request, make


def auth_request(prompt: str, url: str, expires_s: float | None) -> AskRequest:
    """Return a request to sign in somewhere."""
    plain_or_empty(url, "a URL", 2000)
    return AskRequest(
        kind="auth", prompt=plain(prompt, "a prompt", MAX_PROMPT), expires_s=_seconds(expires_s), url=one_line(url)
    )


def _seconds(value: float | None) -> float | None:
    return None if value is None else number_between(value, "expires_secs", 0, MAX_WAIT_S)


def _schema(schema: Any) -> tuple[dict[str, Any], Callable[[Any], Any]]:
    """Return the JSON Schema of ``schema``, which is one or a type, and what makes its value of JSON."""
    from headway.tools.annotations import plain_schema
    from headway.tools.validation import refuse_broken

    make: Callable[[Any], Any] = _as_it_is
    if isinstance(schema, Mapping):
        found = to_json(dict(schema))
        refuse_broken("ask", found, of_parameters=False)
    else:
        found = plain_schema(schema)
        if found is None:
            found, make = _by_pydantic(schema)
    if _asks_secret(found):
        raise InvalidInput("a question does not ask for a secret: declare it under [secrets], take it as a parameter")
    return found, make


def _as_it_is(value: Any) -> Any:
    return value


def _asks_secret(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    properties = schema.get("properties")
    inner = properties.values() if isinstance(properties, dict) else ()
    return is_marked(schema) or any(map(_asks_secret, inner)) or _asks_secret(schema.get("items"))


def _by_pydantic(kind: Any) -> tuple[dict[str, Any], Callable[[Any], Any]]:
    from pydantic import TypeAdapter

    try:
        adapter: Any = TypeAdapter(kind)
        schema: dict[str, Any] = adapter.json_schema()
    except Exception as error:  # noqa: BLE001 - whatever pydantic says of what is no type
        raise InvalidInput(f"a question needs a JSON Schema or a type: {describe(error)}") from None

    def make(value: Any) -> Any:
        try:
            return adapter.validate_python(value)
        except ValueError as error:
            raise InvalidInput(f"the answer is not what was asked for: {one_line(str(error), 300)}") from None

    return schema, make
