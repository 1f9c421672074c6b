"""JSON values: the one door through which foreign Python objects become data.

Tool outputs, effects and state values pass here once. What comes out is plain, owned by nobody else, and encodes.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import msgspec

from headway.errors import InvalidInput, describe, one_line

MAX_VALUE_BYTES = 16 * 1024 * 1024
"""The largest single value taken, in bytes of JSON."""

MAX_CHECKPOINT_BYTES = 256 * 1024 * 1024
"""The largest checkpoint: all values of a state, and all results of a run."""

_PLAIN = (str, int, float, bool, type(None))
_LONG = 1 << 16
_INT64 = 1 << 63
_BYTES = (bytes, bytearray, memoryview)
_SCALAR = frozenset(_PLAIN)
_KEYS = frozenset({str, int, float, bool, type(None)})


def to_json(value: Any) -> Any:
    """Return ``value`` as plain JSON data, copied; :class:`InvalidInput` with one line if it cannot be.

    Dataclasses, pydantic models, datetimes, paths, enumerations, UUIDs, decimals, tuples, sets and mappings become
    JSON. Bytes, NaN and infinities, lone surrogates and values over 16 MiB are refused.
    """
    kind = type(value)
    if kind is str and len(value) < _LONG and value.isascii():
        return value
    if value is None or kind is bool or (kind is int and -(1 << 63) <= value < 1 << 63):
        return value
    if kind is float:
        if math.isfinite(value):
            return value
        raise InvalidInput(f"{value} is not a JSON number")
    if not value and (kind is dict or kind is list):
        return kind()
    encoded = encode_json(value)
    if len(encoded) > MAX_VALUE_BYTES:
        raise InvalidInput(f"the value is {len(encoded):,} bytes of JSON; the limit is {MAX_VALUE_BYTES:,}")
    try:
        copied = msgspec.json.decode(encoded)
        if not _same(copied, value):  # not plain JSON: bytes, of which the encoder makes text, are no text's equal
            refuse_bytes(value)
    except (RecursionError, msgspec.DecodeError):
        raise InvalidInput("the value is nested too deep") from None
    return copied


def _same(copied: Any, value: Any) -> bool:
    try:
        return bool(copied == value)
    except RecursionError:
        raise
    except Exception:  # noqa: BLE001 - objects of the caller's compare as they like
        return False


def refuse_bytes(value: Any) -> None:
    """Raise :class:`InvalidInput` if there are bytes anywhere in ``value``: encoders make text of them in silence."""
    stack = [value]
    while stack:
        item = stack.pop()
        kind = type(item)
        members: Any = ()
        if isinstance(item, dict):
            if not set(map(type, item)) <= _KEYS:
                stack.extend(item)
            members = item.values()
        elif isinstance(item, list | tuple | set | frozenset):
            members = item
        elif kind in _BYTES:
            raise InvalidInput(f"the value holds {kind.__name__}, which JSON does not have: use text")
        elif kind not in _SCALAR and (made := _opened(item)) is not item:
            members = (made,)
        if members and not set(map(type, members)) <= _SCALAR:
            stack.extend(members)


def _opened(value: Any) -> Any:
    """Return what an object consists of, bytes as they are: its fields, the value of an enumeration; or itself."""
    try:
        if _is_model(value):
            return value.model_dump()
        return msgspec.to_builtins(value, builtin_types=_BYTES, str_keys=True, enc_hook=_plain)
    except Exception:  # noqa: BLE001 - what a model's own code raises, too: the encoder says why
        return value


def _is_model(value: Any) -> bool:
    """Return whether ``value`` is a pydantic model; pydantic is not imported to tell."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(value, pydantic.BaseModel)


def _plain(value: Any) -> Any:
    """Return what msgspec makes JSON of, for a value that it does not know."""
    if _is_model(value):
        try:
            return value.model_dump(mode="json", by_alias=True)
        except Exception as error:
            raise TypeError(f"a {type(value).__name__} cannot be written: {describe(error)}") from error
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind(value)
    raise TypeError(f"objects of type {type(value).__name__} are not JSON")


_encode = msgspec.json.Encoder(enc_hook=_plain).encode


def encode_json(value: Any) -> bytes:
    """Return ``value`` as JSON; :class:`InvalidInput` with one line for what is none."""
    try:
        return encode_exact(value)
    except InvalidInput:
        raise
    except RecursionError:
        raise InvalidInput("the value is nested too deep") from None
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
        raise InvalidInput(f"the value is not JSON: {one_line(str(error), 200)}") from None


def encode_exact(value: Any) -> bytes:
    """Return ``value`` as JSON; :class:`InvalidInput` for a NaN or an infinity, which msgspec would write as null."""
    encoded = _encode(value)
    if b"null" in encoded and _has_odd_float(value):
        raise InvalidInput("NaN and infinities are not JSON numbers")
    return encoded


def encode_plain(value: Any) -> bytes:
    """Return ``value`` as JSON, as :func:`encode_exact`; :class:`InvalidInput` for bytes too."""
    encoded = encode_exact(value)
    if not _same(msgspec.json.decode(encoded), value):
        refuse_bytes(value)
    return encoded


def copy_json(value: Any) -> Any:
    """Return a copy of JSON data, an order of magnitude faster than ``copy.deepcopy``."""
    try:
        return msgspec.json.decode(msgspec.json.encode(value))
    except RecursionError:
        raise InvalidInput("the value is nested too deep") from None


def copy_value(value: Any) -> Any:
    """Return a copy of a JSON value; itself if it is neither a list nor an object, which nobody can change."""
    return copy_json(value) if isinstance(value, dict | list) else value


def copy_members(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a dict of the same JSON values, its lists and objects copied."""
    return {key: copy_json(value) if isinstance(value, dict | list) else value for key, value in values.items()}


def too_deep(value: Any, most: int) -> bool:
    """Return whether lists and dicts in ``value`` are nested deeper than ``most`` levels."""
    layer = [value] if isinstance(value, dict | list) else []
    for _ in range(most):
        if not layer:
            return False
        below: list[Any] = []
        for item in layer:
            children = item.values() if type(item) is dict else item
            below += [child for child in children if type(child) is dict or type(child) is list]
        layer = below
    return bool(layer)


def json_problem(value: list[Any], most: int) -> str | None:
    """Return why ``value`` is not JSON nested at most ``most`` levels deep, None if it is; nothing is copied."""
    layer: list[Any] = [value]
    for _ in range(most):
        if not layer:
            return None
        below: list[Any] = []
        for item in layer:
            if type(item) is dict:
                for key in item:
                    if type(key) is not str or not (key.isascii() or _encodes(key)):
                        return "a key is not text"
                item = item.values()
            for child in item:
                kind = type(child)
                if kind is str:
                    if not (child.isascii() or _encodes(child)):
                        return "a text has a lone surrogate"
                elif kind is int:
                    if not -_INT64 <= child < _INT64 and not _is_scalar(child):
                        return "it holds a int that JSON cannot hold"
                elif kind is dict or kind is list or kind is tuple:
                    if child:
                        below.append(child)
                elif kind in _BYTES:
                    return f"it holds {kind.__name__}, which JSON does not have"
                elif child is not None and kind is not bool and not _is_scalar(child):
                    return f"it holds a {kind.__name__} that JSON cannot hold"
        layer = below
    return f"it is nested deeper than {most} levels" if layer else None


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_scalar(value: Any) -> bool:
    """Return whether ``value`` is a number that JSON holds, or something that becomes JSON text, as dates do."""
    if type(value) is float:
        return math.isfinite(value)
    if type(value) is int and -_INT64 <= value < _INT64:
        return True
    from pydantic_core import PydanticSerializationError
    from pydantic_core import to_json as dump

    try:
        encode_json(value)
        dump(value)
    except (InvalidInput, PydanticSerializationError, ValueError, RecursionError):
        return False
    return True


def _has_odd_float(value: Any) -> bool:
    """Return whether a NaN or an infinity (which the encoder writes as null) is somewhere in ``value``."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, float):
            if not math.isfinite(item):
                return True
        elif isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list | tuple | set | frozenset):
            stack.extend(item)
        elif type(item) not in _PLAIN:
            made = _opened(item)
            if made is not item and isinstance(made, float | dict | list | tuple):
                stack.append(made)
    return False
