"""``HEADWAY_<SECTION>_<KEY>`` variables as configuration values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from headway.config.problems import problem, unknown
from headway.config.source import in_env
from headway.errors import InvalidConfig

PREFIX = "HEADWAY_"


def from_environment(
    env: Mapping[str, str], model: type[BaseModel], folder: Path
) -> Iterator[tuple[str, str, Any, str]]:
    """Yield (section, key, value, variable) for every variable of ``env`` that sets a value of ``model``.

    A variable that names a section but no key of it is refused; an empty one counts as unset. Lists are separated by
    commas or written as JSON; relative paths count from ``folder``. Tables with free names (``rate_limits``,
    ``workflows``) stand in the file only.
    """
    sections = {
        name: field.annotation
        for name, field in model.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }
    for variable in sorted(env):
        text = env[variable]
        if not variable.startswith(PREFIX) or not text.strip():
            continue
        name = variable.removeprefix(PREFIX).lower()
        section = next((s for s in sorted(sections, key=len, reverse=True) if name.startswith(f"{s}_")), None)
        if section is None:
            _refuse_tables(variable, name, model, sections)
            continue
        key = name.removeprefix(f"{section}_")
        fields = sections[section].model_fields
        if key not in fields:
            known = [f"{PREFIX}{section}_{field}".upper() for field in fields]
            raise InvalidConfig(f"{variable} {unknown(variable, '', known)}")
        yield (
            section,
            key,
            _read(text, f"{section}.{key}", fields[key].rebuild_annotation(), variable, folder),
            variable,
        )


def _refuse_tables(variable: str, name: str, model: type[BaseModel], sections: Mapping[str, type[BaseModel]]) -> None:
    for table in model.model_fields:
        if table not in sections and name.startswith(f"{table}_"):
            raise InvalidConfig(f"{variable} cannot be set by a variable: write [{table}] in headway.toml")


def _read(text: str, key: str, annotation: Any, variable: str, folder: Path) -> Any:
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    value: Any = text.strip()
    if any(option.get("type") == "array" for option in _options(adapter)):
        value = _list(value, key, variable)
    try:
        return adapter.validate_python(value, context={"folder": folder})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        named = {**first, "loc": tuple(key.split("."))}
        raise InvalidConfig(problem(named, BaseModel, lambda _: in_env(variable))) from None


def _options(adapter: TypeAdapter[Any]) -> list[dict[str, Any]]:
    schema = adapter.json_schema()
    return [schema, *schema.get("anyOf", [])]


def _list(text: str, key: str, variable: str) -> Any:
    if not text.startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return json.loads(text)
    except ValueError:
        raise InvalidConfig(f"{variable}: {key} must be a list: a,b,c or JSON") from None
