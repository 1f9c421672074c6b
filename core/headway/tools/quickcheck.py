"""A quick yes for the values that are plainly right.

Most schemas of tools are simple: objects of strings and numbers. For those a few closures say yes in a microsecond,
where a JSON Schema validator takes ten. They only ever say yes or *don't know*: texts and every doubtful case are the
validator's (:mod:`headway.tools.validation`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Check = Callable[[Any], bool]

_DEFINED = "#/$defs/"
_NOTES = frozenset({"title", "description", "default", "examples", "deprecated", "$comment", "format"})
"""Keywords that ask for nothing; so does ``format``, as the validator reads it."""

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
    """Return a check that is true only for values valid under ``schema``; None if the schema is not a simple one.

    A schema that gets a check is well-formed.
    """
    definitions = schema.get("$defs", {})
    if not isinstance(definitions, dict):
        return None
    compiler = _Compiler(definitions)
    try:
        check = compiler.value({key: value for key, value in schema.items() if key != "$defs"})
        return check if all(compiler.reference(_DEFINED + name) for name in definitions) else None
    except RecursionError:
        return None


class _Compiler:
    """Makes checks of the schemas that share some definitions. One that refers to itself gets none."""

    def __init__(self, definitions: dict[str, Any]) -> None:
        self._definitions = definitions
        self._made: dict[str, Check | None] = {}

    def value(self, schema: Any) -> Check | None:
        """Return the check of a schema."""
        if not isinstance(schema, dict):
            return None
        keys = schema.keys() - _NOTES
        if not keys:
            return _anything
        if keys == {"$ref"}:
            return self.reference(schema["$ref"])
        if keys == {"anyOf"}:
            return self._any_of(schema["anyOf"])
        kind = schema.get("type")
        if not isinstance(kind, str) or kind not in _TYPES:
            return None
        if keys == {"type", "enum"} or keys == {"type", "const"}:
            return _one_of(schema["enum"] if "enum" in keys else [schema["const"]], kind)
        if kind == "array" and "items" in keys:
            return self._array(schema, keys - {"items"})
        if kind == "object" and len(keys) > 1:
            return self._object(schema, keys)
        return _bounded(kind, keys, schema)

    def reference(self, reference: Any) -> Check | None:
        """Return the check of what a reference names."""
        if not isinstance(reference, str) or not reference.startswith(_DEFINED):
            return None
        name = reference[len(_DEFINED) :]
        if name not in self._made:
            self._made[name] = None  # while it is being made: who refers to itself finds nothing
            self._made[name] = None if {"~", "%", "/"} & {*name} else self.value(self._definitions.get(name))
        return self._made[name]

    def _array(self, schema: dict[str, Any], keys: Any) -> Check | None:
        items, bounded = self.value(schema["items"]), _bounded("array", keys, schema)
        if items is None or bounded is None:
            return None
        if items is _anything:
            return bounded
        return lambda value: bounded(value) and all(map(items, value))

    def _object(self, schema: dict[str, Any], keys: Any) -> Check | None:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        known = keys <= {"type", "properties", "required", "additionalProperties"}
        if not known or not isinstance(properties, dict) or not _names(required):
            return None
        others = schema.get("additionalProperties", True)
        more = (_anything if others else _nothing) if isinstance(others, bool) else self.value(others)
        checks = {name: self.value(sub) for name, sub in properties.items()}
        if more is None or None in checks.values():
            return None
        find, needed = checks.get, tuple(required)
        if not checks and more is _anything:
            return lambda value: type(value) is dict and all(name in value for name in needed)
        if not checks and not needed:
            return lambda value: type(value) is dict and all(map(more, value.values()))

        def accepts(value: Any) -> bool:
            if type(value) is not dict:
                return False
            for name in needed:
                if name not in value:
                    return False
            for name, member in value.items():  # noqa: SIM110 - a generator would take twice the time
                if not (find(name) or more)(member):
                    return False
            return True

        return accepts

    def _any_of(self, options: Any) -> Check | None:
        if not isinstance(options, list) or not options:
            return None
        checks = [check for check in map(self.value, options) if check is not None]
        if len(checks) < len(options):
            return None
        return lambda value: any(check(value) for check in checks)


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(n, str) for n in value) and len(set(value)) == len(value)


def _anything(_value: Any) -> bool:
    return True


def _nothing(_value: Any) -> bool:
    return False


def _one_of(options: Any, kind: str) -> Check | None:
    """Return the check of an enumeration of texts or of whole numbers."""
    wanted: type = {"string": str, "integer": int}.get(kind, type(None))
    if not isinstance(options, list) or not options or not all(type(option) is wanted for option in options):
        return None
    known = frozenset(options)
    return lambda value: type(value) is wanted and value in known


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
