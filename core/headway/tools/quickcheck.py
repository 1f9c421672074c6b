"""A quick yes for the parameters that are plainly right.

Most schemas of tools are flat: an object of strings and numbers. For those a few closures say yes in a microsecond,
where a JSON Schema validator takes ten. They only ever say yes or *don't know*: texts and every doubtful case are the
validator's (:mod:`headway.tools.validation`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Check = Callable[[Any], bool]

_NOTES = frozenset({"title", "description", "default", "examples", "deprecated", "$comment"})
_BOUNDS = {
    "string": ("minLength", "maxLength"),
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum"),
    "array": ("minItems", "maxItems"),
}
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}


def quick_check(schema: dict[str, Any]) -> Check | None:
    """Return a check that is true only for parameters valid under ``schema``; None if the schema is not a flat one.

    A schema that gets a check is well-formed.
    """
    if schema.get("type") != "object" or not schema.keys() <= _NOTES | {
        "type",
        "properties",
        "required",
        "additionalProperties",
    }:
        return None
    properties, required = schema.get("properties", {}), schema.get("required", [])
    closed = schema.get("additionalProperties", True)
    if not isinstance(properties, dict) or not isinstance(closed, bool) or not _names(required):
        return None
    checks: dict[str, Check] = {}
    for name, sub in properties.items():
        check = _value_check(sub)
        if check is None:
            return None
        checks[name] = check
    needed = tuple(required)

    def accepts(params: Any) -> bool:
        for name in needed:
            if name not in params:
                return False
        for name, value in params.items():
            check = checks.get(name)
            if check is None:
                if closed is False:
                    return False
            elif not check(value):
                return False
        return True

    return accepts


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(n, str) for n in value) and len(set(value)) == len(value)


def _anything(_value: Any) -> bool:
    return True


def _value_check(schema: Any) -> Check | None:
    if not isinstance(schema, dict):
        return None
    keys = schema.keys() - _NOTES
    if not keys:
        return _anything
    if keys == {"anyOf"}:
        return _any_of(schema["anyOf"])
    kind = schema.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        return None
    if kind == "string" and keys == {"type", "enum"}:
        return _one_of(schema["enum"])
    if kind == "array" and "items" in keys:
        items = _value_check(schema["items"])
        keys = keys - {"items"}
        bounded = _bounded(kind, keys, schema)
        if items is None or bounded is None:
            return None
        return lambda value: bounded(value) and all(map(items, value))
    return _bounded(kind, keys, schema)


def _any_of(options: Any) -> Check | None:
    if not isinstance(options, list) or not options:
        return None
    checks = [check for check in map(_value_check, options) if check is not None]
    if len(checks) < len(options):
        return None
    return lambda value: any(check(value) for check in checks)


def _one_of(options: Any) -> Check | None:
    if not isinstance(options, list) or not options or not all(isinstance(o, str) for o in options):
        return None
    known = frozenset(options)
    return lambda value: type(value) is str and value in known


def _bounded(kind: str, keys: Any, schema: dict[str, Any]) -> Check | None:
    types = _TYPES[kind]
    lowest, highest = _BOUNDS.get(kind, ("", ""))
    if not keys <= {"type", lowest, highest}:
        return None
    low, high = schema.get(lowest), schema.get(highest)
    if low is None and high is None:
        return lambda value: type(value) in types
    if not all(bound is None or type(bound) in (int, float) for bound in (low, high)):
        return None
    sized = kind in ("string", "array")
    if sized and not all(bound is None or (type(bound) is int and bound >= 0) for bound in (low, high)):
        return None

    def check(value: Any) -> bool:
        if type(value) not in types:
            return False
        size = len(value) if sized else value
        return (low is None or size >= low) and (high is None or size <= high)

    return check
