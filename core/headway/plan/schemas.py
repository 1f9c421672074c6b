"""JSON Schemas of values that are not there yet: the parts that one may have, and the kinds of JSON that it may be.

The answers are one-sided: what is ruled out is ruled out, all that a schema leaves open may be. Keywords that are not
looked at (conditions, ``not``, formats, bounds) leave open.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

Kind = Literal["null", "boolean", "integer", "number", "string", "array", "object"]

HOPS = 100
"""The deepest nesting of schemas that is followed: ``$ref`` may go in circles."""

_OF: dict[type, Kind] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


class Part(NamedTuple):
    """One schema inside of a document; True allows anything."""

    schema: Any
    root: Any


ANYTHING = Part(True, True)


class Undeclared(NamedTuple):
    """A name that an object's schema leaves open beside those that it declares."""

    name: str
    declared: tuple[str, ...]


def parts_at(
    part: Part, path: Sequence[str | int], undeclared: list[Undeclared] | None = None, hops: int = HOPS
) -> list[Part]:
    """Return the schemas that what stands at ``path`` may meet; none if nothing can stand there.

    A text of digits is a key of an object or an index of a list, a number only the latter. Names that are open without
    being declared are added to ``undeclared``.
    """
    schema = _followed(part)
    if schema is False:
        return []
    if not isinstance(schema, dict) or hops <= 0:
        return [ANYTHING]
    if not path:
        return [Part(schema, part.root)]
    found = _own_parts(schema, part.root, path, undeclared, hops)
    for inner in _listed(schema, "allOf"):
        found = _narrowed(found, parts_at(Part(inner, part.root), path, undeclared, hops - 1))
    for word in ("anyOf", "oneOf"):
        if choices := _listed(schema, word):
            among = [parts_at(Part(inner, part.root), path, undeclared, hops - 1) for inner in choices]
            found = _narrowed(found, [one for many in among for one in many])
    return found


def kinds_of(part: Part, hops: int = HOPS) -> set[Kind] | None:
    """Return the kinds of JSON that meet the schema; None where it leaves them open."""
    schema = _followed(part)
    if not isinstance(schema, dict) or hops <= 0:
        return None
    kinds: set[Kind] | None = None
    stated = schema.get("type")
    if isinstance(stated, str | list):
        known = [stated] if isinstance(stated, str) else stated
        kinds = {kind for kind in _OF.values() if kind in known}
    elif "const" in schema:
        kinds = _kinds_of_values([schema["const"]])
    elif isinstance(schema.get("enum"), list):
        kinds = _kinds_of_values(schema["enum"])
    for inner in _listed(schema, "allOf"):
        kinds = _both(kinds, kinds_of(Part(inner, part.root), hops - 1))
    for word in ("anyOf", "oneOf"):
        if choices := _listed(schema, word):
            kinds = _both(kinds, union(kinds_of(Part(inner, part.root), hops - 1) for inner in choices))
    return kinds


def union(several: Iterable[set[Kind] | None]) -> set[Kind] | None:
    """Return all kinds together; None where one is open."""
    kinds: set[Kind] = set()
    for one in several:
        if one is None:
            return None
        kinds |= one
    return kinds


def may_fit(given: set[Kind] | None, taken: set[Kind] | None) -> bool:
    """Return whether a value of some kind of ``given`` may be of one of ``taken``; a number may be a whole one."""
    if given is None or taken is None:
        return True
    return bool(_with_numbers(given) & _with_numbers(taken))


def _with_numbers(kinds: set[Kind]) -> set[Kind]:
    return kinds | {"integer", "number"} if kinds & {"integer", "number"} else kinds


def _both(a: set[Kind] | None, b: set[Kind] | None) -> set[Kind] | None:
    if a is None or b is None:
        return b if a is None else a
    return _with_numbers(a) & _with_numbers(b)


def _kinds_of_values(values: list[Any]) -> set[Kind] | None:
    return union({_OF[type(value)]} if type(value) in _OF else None for value in values)


def _narrowed(a: list[Part], b: list[Part]) -> list[Part]:
    """Return the parts of a value that meets both, of which one at least must say what they are."""
    if not a or not b:
        return []
    return b if ANYTHING in a else a


def _own_parts(
    schema: dict[str, Any], root: Any, path: Sequence[str | int], undeclared: list[Undeclared] | None, hops: int
) -> list[Part]:
    """Return the parts that the schema itself allows, without those that it is made of."""
    kinds = kinds_of(Part({key: schema[key] for key in ("type", "const", "enum") if key in schema}, root))
    step, rest = path[0], path[1:]
    inside: list[Any] = []
    if isinstance(step, str) and (kinds is None or "object" in kinds):
        inside.append(_member(schema, step, undeclared))
    if str(step).isdecimal() and (kinds is None or "array" in kinds):
        inside.append(_item(schema, int(step)))
    return [one for inner in inside for one in parts_at(Part(inner, root), rest, undeclared, hops - 1)]


def _member(schema: dict[str, Any], name: str, undeclared: list[Undeclared] | None) -> Any:
    properties = schema.get("properties")
    declared = properties if isinstance(properties, dict) else {}
    if name in declared:
        return declared[name]
    if "patternProperties" in schema:
        return True
    others = schema.get("additionalProperties", schema.get("unevaluatedProperties", True))
    if others is True and declared and undeclared is not None:
        undeclared.append(Undeclared(name, tuple(declared)))
    return others


def _item(schema: dict[str, Any], index: int) -> Any:
    most = schema.get("maxItems")
    if isinstance(most, int) and index >= most:
        return False
    first = _listed(schema, "prefixItems")
    return first[index] if index < len(first) else schema.get("items", True)


def _listed(schema: dict[str, Any], word: str) -> list[Any]:
    found = schema.get(word)
    return found if isinstance(found, list) else []


def _followed(part: Part) -> Any:
    """Return the schema, behind its ``$ref`` if that is one of the document itself; True for another ``$ref``."""
    schema = part.schema
    for _ in range(HOPS):
        reference = schema.get("$ref") if isinstance(schema, dict) else None
        if reference is None:
            return schema
        schema = _named(part.root, reference)
    return True


def _named(root: Any, reference: object) -> Any:
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        return True
    found = root
    for step in reference.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or key not in found:
            return True
        found = found[key]
    return found
