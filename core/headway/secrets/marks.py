"""Marked parameters: the places in a tool's parameters whose schema says that a secret stands there.

A schema marks a text by ``format: password`` or ``writeOnly: true``; :class:`headway.Secret` makes both of itself. A
marked place takes ``secret://NAME`` and nothing else, and a reference stands nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from headway.secrets.reference import SCHEME, name_in

Path = tuple[str | int, ...]

_HOPS = 64  # of $ref, and of nesting: schemas may go in circles
_TOGETHER = ("allOf", "anyOf", "oneOf")
_CONDITIONS = ("if", "then", "else")
_HINT = re.compile(rb'"writeOnly":true|"format":"password"')


def marks_of(schema: dict[str, Any]) -> Marks | None:
    """Return the marked places of a schema of parameters; None if there are none, as nearly always."""
    try:
        encoded = msgspec.json.encode(schema)
    except (TypeError, ValueError, RecursionError):
        return None
    return Marks(schema) if _HINT.search(encoded) else None


def is_marked(schema: Any) -> bool:
    """Return whether a schema marks a text as secret."""
    if not isinstance(schema, dict) or not (schema.get("writeOnly") is True or schema.get("format") == "password"):
        return False
    kinds = schema.get("type", "string")
    return "string" in ([kinds] if isinstance(kinds, str) else kinds)


class Marks:
    """The marked places of one schema."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._root = schema

    def relaxed(self) -> dict[str, Any]:
        """Return the schema with bounds on marked texts left out: they are about values, not about references."""
        made: dict[str, Any] = _relaxed(self._root)
        return made

    def problems(self, tool: str, parameters: dict[str, Any]) -> list[str]:
        """Return what is wrong with the secrets in parameters, one line each: never a value."""
        return list(self._problems(tool, parameters))

    def _problems(self, tool: str, parameters: dict[str, Any]) -> Iterator[str]:
        for path, value, marked in self.places(parameters):
            place = shown(path)
            if marked and name_in(value) is None and value is not None:
                yield f"parameter '{place}' of tool '{tool}' is a secret: it takes {SCHEME}NAME, not a literal"
            elif not marked:
                yield elsewhere(place)

    def names(self, parameters: dict[str, Any]) -> list[tuple[Path, str]]:
        """Return the references at marked places, each with its place."""
        return [
            (path, name)
            for path, value, marked in self.places(parameters)
            if marked and (name := name_in(value)) is not None
        ]

    def put(self, parameters: dict[str, Any], value_of: Callable[[str], Any]) -> dict[str, Any]:
        """Put ``value_of(name)`` in place of each reference at a marked place; return the parameters, changed."""
        for path, name in self.names(parameters):
            place: Any = parameters
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = value_of(name)
        return parameters

    def places(self, parameters: dict[str, Any]) -> Iterator[tuple[Path, Any, bool]]:
        """Yield each marked place with what stands there, and each other place with text that is like a reference."""
        yield from self._walk(parameters, [self._root], (), _HOPS)

    def _walk(self, value: Any, schemas: Sequence[Any], path: Path, hops: int) -> Iterator[tuple[Path, Any, bool]]:
        schemas = self._together(schemas) if hops > 0 else []
        if path and any(map(is_marked, schemas)):
            yield path, value, True
        elif isinstance(value, str):
            if value.startswith(SCHEME):
                yield path, value, False
        elif isinstance(value, dict):
            for key, item in value.items():
                if isinstance(key, str) and key.startswith(SCHEME):
                    yield (*path, key), key, False
                inside = [inner for schema in schemas for inner in _members(schema, key)]
                yield from self._walk(item, inside, (*path, key), hops - 1)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                inside = [inner for schema in schemas for inner in _items(schema, index)]
                yield from self._walk(item, inside, (*path, index), hops - 1)

    def _together(self, schemas: Sequence[Any]) -> list[Any]:
        """Return the schemas that a value may have to meet besides: behind references, in unions and conditions."""
        found: list[Any] = []
        todo = [(schema, _HOPS) for schema in schemas]
        while todo:
            schema, hops = todo.pop()
            if not isinstance(schema, dict) or hops <= 0 or any(schema is known for known in found):
                continue
            found.append(schema)
            more = [inner for word in _TOGETHER for inner in _listed(schema, word)]
            more += [schema[word] for word in _CONDITIONS if word in schema]
            for word in ("$ref", "$dynamicRef"):
                if word in schema:
                    more.append(self._named(schema[word]))
            todo += [(inner, hops - 1) for inner in more]
        return found

    def _named(self, reference: object) -> Any:
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            return None
        found: Any = self._root
        for step in reference.split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and key.isdecimal() and int(key) < len(found):
                found = found[int(key)]
            elif isinstance(found, dict):
                found = found.get(key)
            else:
                return None
        return found


def elsewhere(place: str) -> str:
    """Return the line about a reference at a place that is not marked."""
    return f"'{place}' holds {SCHEME}…, which stands only for the whole of a parameter that its tool marks as a secret"


def stray_places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the places in a JSON value with text like a reference, keys among them; nothing in it is marked."""
    if isinstance(value, str):
        if value.startswith(SCHEME):
            yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            if isinstance(key, str) and key.startswith(SCHEME):
                yield (*path, key)
            yield from stray_places(item, (*path, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from stray_places(item, (*path, index))


def shown(path: Path) -> str:
    """Return a place as a plan's author writes it: ``auth.keys[0]``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def _members(schema: Any, name: Any) -> Iterator[Any]:
    properties = schema.get("properties")
    declared = isinstance(properties, dict) and name in properties
    if declared:
        yield properties[name]
    patterns = schema.get("patternProperties")
    if isinstance(patterns, dict):
        declared = True
        yield from patterns.values()
    if not declared:
        for word in ("additionalProperties", "unevaluatedProperties"):
            if word in schema:
                yield schema[word]


def _items(schema: Any, index: int) -> Iterator[Any]:
    first = _listed(schema, "prefixItems")
    if index < len(first):
        yield first[index]
    else:
        for word in ("items", "contains", "unevaluatedItems"):
            if word in schema:
                yield schema[word]


def _listed(schema: dict[str, Any], word: str) -> list[Any]:
    found = schema.get(word)
    return found if isinstance(found, list) else []


def _relaxed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_relaxed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if is_marked(schema):
        return {word: schema[word] for word in ("type", "format", "writeOnly") if word in schema}
    return {word: _relaxed(inner) for word, inner in schema.items()}
