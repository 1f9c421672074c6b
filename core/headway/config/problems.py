"""Validation errors of the configuration as lines that name the key, its place and what would be right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel

from headway.arguments import nearest
from headway.config.source import Source
from headway.errors import one_line

_EXPECTED = {
    "bool": "true or false",
    "dict": "a table",
    "float": "a number",
    "int": "a whole number",
    "list": "a list",
    "model": "a table",
    "string": "a text in quotes",
}
_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a table",
}


def problem(error: Any, model: type[BaseModel], source_of: Callable[[str], Source]) -> str:
    """Return one pydantic error (an item of ``errors()``) as a line: ``where: key …``."""
    path = [part for part in error["loc"] if part != "[key]"]
    key = ".".join(str(part) for part in path)
    text = _text(error, path, model)
    source = source_of(key)
    return one_line(f"{source}: {key} {text}" if source.where else f"{key} {text}", 400)


def unknown(name: str, prefix: str, known: Sequence[str]) -> str:
    """Return the words for a key that there is none of, with the nearest that there is."""
    near = nearest(name, known, cutoff=0.5)
    if near is not None:
        return f"is not a known key; did you mean {prefix}{near}?"
    return f"is not a known key; there are {', '.join(sorted(known))}"


def _text(error: Any, path: list[int | str], model: type[BaseModel]) -> str:
    kind: str = error["type"]
    if kind == "extra_forbidden":
        prefix = "".join(f"{part}." for part in path[:-1])
        return unknown(str(path[-1]), prefix, list(_keys_at(model, path[:-1])))
    if kind == "missing":
        return "is required and missing"
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind in ("is_instance_of", "path_type"):
        return f"must be a text in quotes (a path), not {_given(error['input'])}"
    stem, _, rest = kind.partition("_")
    if rest in ("type", "parsing") and stem in _EXPECTED:
        return f"must be {_EXPECTED[stem]}, not {_given(error['input'])}"
    message: str = error["msg"]
    return message.replace("Input should be", f"is {_given(error['input'])} but must be").replace(
        "should have", "must have"
    )


def _given(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return repr(one_line(value, 60))
    if isinstance(value, int | float):
        return str(value)
    return next((words for kind, words in _NAMES.items() if isinstance(value, kind)), type(value).__name__)


def _keys_at(model: type[BaseModel], path: list[int | str]) -> list[str]:
    """Return the field names of the table at ``path`` of ``model``."""
    schema: Any = model.model_json_schema()
    definitions = schema.get("$defs", {})
    node = schema
    for part in path:
        node = node.get("properties", {}).get(str(part)) or node.get("additionalProperties") or {}
        for option in [node, *node.get("anyOf", [])]:
            if "$ref" in option:
                node = definitions[option["$ref"].rpartition("/")[2]]
    return list(node.get("properties", {}))
