"""JSON-RPC 2.0 requests out of raw bytes.

The bytes are decoded once, by msgspec: integers keep their exact value, which protobuf's JSON values do not.
"""

from __future__ import annotations

from typing import Any

import msgspec
from a2a.utils.errors import InvalidParamsError, InvalidRequestError, JSONParseError

from headway_bridge.bodies import without_strings

MAX_DEPTH = 64
"""The deepest nesting of arrays and objects in a request."""

MAX_ID = 256
"""The longest request id and method name, in characters."""

_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ONE_KIND = bytes.maketrans(b"{}", b"[]")


class Call(msgspec.Struct):
    """A request. A ``notification`` (no id at all) wants no answer."""

    method: str
    params: dict[str, Any]
    request_id: str | int | None = None
    notification: bool = False


def decode(body: bytes) -> Any:
    """Return the JSON value of a body; :class:`JSONParseError` if it has none, or one nested too deep."""
    if too_deep(body):
        raise InvalidRequestError(f"the request is nested deeper than {MAX_DEPTH} levels")
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise JSONParseError("the request body is not valid JSON") from None


def too_deep(body: bytes) -> bool:
    """Return whether ``body`` nests deeper than :data:`MAX_DEPTH`, without parsing it.

    Strings are cut out, then everything but brackets; each round takes off the innermost pairs, all together.
    """
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return False
    brackets = without_strings(body).translate(_ONE_KIND, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        shorter = brackets.replace(b"[]", b"")
        if len(shorter) == len(brackets):
            break
        brackets = shorter
    return b"[]" in brackets or brackets.count(b"[") > MAX_DEPTH


def request_id(value: Any) -> str | int | None:
    """Return the id of a decoded request, None where it has none that can be answered to."""
    given = value.get("id") if isinstance(value, dict) else None
    return given if _is_id(given) else None


def read_call(value: Any) -> Call:
    """Return the request in a decoded body; :class:`InvalidRequestError` where it is not JSON-RPC 2.0."""
    if isinstance(value, list):
        raise InvalidRequestError("batch requests are not supported")
    if not isinstance(value, dict):
        raise InvalidRequestError("the request must be a JSON object")
    if value.get("jsonrpc") != "2.0":
        raise InvalidRequestError("'jsonrpc' must be '2.0'")
    if not _is_id(value.get("id")):
        raise InvalidRequestError(f"'id' must be a string, an integer or null, of at most {MAX_ID} characters")
    method = value.get("method")
    if not isinstance(method, str) or not method or len(method) > MAX_ID:
        raise InvalidRequestError("'method' must be the name of a method")
    params = value.get("params")
    if params is None:
        params = {}
    if not isinstance(params, dict):
        raise InvalidParamsError("'params' must be an object")
    return Call(method, params, value.get("id"), notification="id" not in value)


def _is_id(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_ID
    if isinstance(value, int) and not isinstance(value, bool):
        return value.bit_length() <= MAX_ID * 3
    return value is None
