"""JSON Schemas of annotations.

Plain types, of which most tools are made, are spelled out here, so that registering such a tool costs no pydantic; the
schemas are the same. Pydantic says the rest. Bytes are refused wherever they stand: JSON has none.
"""

from __future__ import annotations

import functools
import inspect
import typing
from types import NoneType, UnionType
from typing import Any

from headway.errors import InvalidInput
from headway.jsonvalue import to_json
from headway.secrets.marks import is_marked
from headway.secrets.secret import SECRET_SCHEMA, Secret
from headway.tools.context import ToolResult
from headway.tools.signature import Parameter, Signature, first_line

_SCALARS: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    NoneType: {"type": "null"},
    None: {"type": "null"},
    Any: {},
    object: {},
    list: {"items": {}, "type": "array"},
    dict: {"additionalProperties": True, "type": "object"},
    Secret: SECRET_SCHEMA,
}
_BYTES = (bytes, bytearray, memoryview)


def parameters_schema(signature: Signature, tool: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of one call's parameters.

    Raises ``InvalidInput`` for an annotation that has no JSON Schema.
    """
    taken = [*signature.parameters, *([signature.rest] if signature.rest is not None else [])]
    found = {parameter.name: plain_schema(parameter.annotation) for parameter in taken}
    shared: dict[str, Any] = {}
    if None in found.values():
        found, shared = _made_by_pydantic(taken, tool)
    properties: dict[str, Any] = {}
    for parameter in signature.parameters:
        schema = dict(found[parameter.name] or {})
        _describe(schema, parameter)
        _refuse_default(schema, parameter, tool)
        properties[parameter.name] = schema
    schema = {"type": "object", "properties": properties}
    required = [p.name for p in signature.parameters if p.default is inspect.Parameter.empty]
    if required:
        schema["required"] = required
    if signature.rest is None:
        schema["additionalProperties"] = False
    elif more := found[signature.rest.name]:
        schema["additionalProperties"] = more
    if "$defs" in shared:
        schema["$defs"] = shared["$defs"]
    return schema


def _refuse_default(schema: dict[str, Any], parameter: Parameter, tool: str) -> None:
    """Refuse a secret in the code: the default of a marked parameter is None, or there is none."""
    marked = is_marked(schema) or any(map(is_marked, schema.get("anyOf", ())))
    if marked and parameter.default not in (inspect.Parameter.empty, None):
        raise InvalidInput(f"tool '{tool}': the default of the secret '{parameter.name}' can only be None")


def returns_schema(annotation: Any, tool: str) -> dict[str, Any] | None:
    """Return the JSON Schema of what a function returns, as JSON; None where its annotation says nothing of that.

    A :class:`ToolResult` beside other types stands for an output of those. Raises ``InvalidInput`` for bytes.
    """
    annotation = without_result(annotation)
    schema = plain_schema(annotation)
    if schema is None:
        adapter = output_adapter(annotation, tool)
        try:
            schema = adapter.json_schema(mode="serialization", schema_generator=_generator()) if adapter else {}
        except Exception:  # noqa: BLE001 - a type of which pydantic has no schema: nothing is known of the output
            schema = {}
    return schema or None


def without_result(annotation: Any) -> Any:
    """Return what a return annotation says of the output: ``str`` of ``str | ToolResult``, Any of nothing."""
    if annotation is inspect.Parameter.empty or annotation in (typing.NoReturn, typing.Never, ToolResult):
        return Any
    if typing.get_origin(annotation) in (typing.Union, UnionType):
        parts = tuple(part for part in typing.get_args(annotation) if part is not ToolResult)
        if len(parts) < len(typing.get_args(annotation)):
            return typing.Union[parts]  # noqa: UP007 - of parts known only here
    return annotation


def plain_schema(annotation: Any) -> dict[str, Any] | None:
    """Return the JSON Schema of a plain type: scalars, Any, lists, dicts, unions, literals; None of any other."""
    try:
        if annotation in _SCALARS:
            return dict(_SCALARS[annotation])
    except TypeError:  # not hashable
        return None
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is list and args:
        items = plain_schema(args[0])
        return None if items is None else {"items": items, "type": "array"}
    if origin is dict and args and args[0] is str:
        values = plain_schema(args[1])
        return None if values is None else {"additionalProperties": values or True, "type": "object"}
    if origin in (typing.Union, UnionType):
        return _plain_union(args)
    if origin is typing.Annotated and all(type(extra) is str for extra in args[1:]):
        return plain_schema(args[0])
    if origin is typing.Literal and len(set(args)) == len(args) and {type(value) for value in args} == {str}:
        return {"const": args[0], "type": "string"} if len(args) == 1 else {"enum": [*args], "type": "string"}
    return None


def _plain_union(args: tuple[Any, ...]) -> dict[str, Any] | None:
    parts: list[dict[str, Any]] = []
    for arg in args:
        part = plain_schema(arg)
        if part is None or "anyOf" in part or part in parts:
            return None
        parts.append(part)
    return {"anyOf": parts}


def adapter_of(tool: str, parameter: Parameter) -> Any:
    """Return pydantic's adapter of a parameter's type. Raises ``InvalidInput`` for what pydantic does not know."""
    from pydantic import TypeAdapter

    place = f"tool '{tool}': parameter '{parameter.name}'"
    _refuse_bytes(parameter.annotation, f"{place} takes")
    try:
        adapter: Any = TypeAdapter(parameter.annotation)
    except Exception as error:
        raise InvalidInput(f"{place} has no JSON Schema: {first_line(error)}") from error
    _refuse_bytes_in(adapter, f"{place} takes")
    return adapter


def output_adapter(annotation: Any, tool: str) -> Any:
    """Return pydantic's adapter of what a tool returns, None for what pydantic does not know; bytes are refused."""
    from pydantic import TypeAdapter

    _refuse_bytes(annotation, f"tool '{tool}' returns")
    try:
        adapter: Any = TypeAdapter(annotation)
    except Exception:  # noqa: BLE001 - any type may be returned: whether its values are JSON is seen when they come
        return None
    _refuse_bytes_in(adapter, f"tool '{tool}' returns")
    return adapter


def _refuse_bytes(annotation: Any, what: str) -> None:
    """Raise ``InvalidInput`` if bytes are named in an annotation."""
    if annotation in _BYTES:
        raise InvalidInput(f"{what} {annotation.__name__}, which JSON does not have: use text, or the path of a file")
    for part in typing.get_args(annotation):
        if typing.get_origin(annotation) is not typing.Literal:
            _refuse_bytes(part, what)


def _refuse_bytes_in(adapter: Any, what: str) -> None:
    """Raise ``InvalidInput`` if a type that pydantic knows has bytes in it, in a field of a model, say."""
    stack: list[Any] = [adapter.core_schema]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            if part.get("type") == "bytes":
                _refuse_bytes(bytes, what)
            stack.extend(inner for key, inner in part.items() if key not in ("metadata", "expected", "default"))
        elif isinstance(part, list | tuple):
            stack.extend(part)


def _made_by_pydantic(taken: list[Parameter], tool: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the schemas of parameters by name, and what they share."""
    from pydantic import TypeAdapter

    inputs = [(p.name, "validation", adapter_of(tool, p)) for p in taken]
    try:
        found, shared = TypeAdapter.json_schemas(inputs, schema_generator=_generator())  # type: ignore[arg-type]
    except Exception as error:
        raise InvalidInput(f"tool '{tool}': a parameter has no JSON Schema: {first_line(error)}") from error
    return {name: schema for (name, _), schema in found.items()}, shared


@functools.cache
def _generator() -> Any:
    from pydantic.json_schema import GenerateJsonSchema
    from pydantic_core import PydanticSerializationError

    class Untitled(GenerateJsonSchema):
        """Leaves out the titles that only repeat a name, and says nothing about what it skips."""

        ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 - pydantic's own shape

        def field_title_should_be_set(self, schema: Any) -> bool:
            return False

        def encode_default(self, dft: Any) -> Any:
            try:
                return to_json(super().encode_default(dft))
            except InvalidInput as error:  # NaN and infinities, which pydantic lets pass
                raise PydanticSerializationError(error.message) from None

    return Untitled


def _describe(schema: dict[str, Any], parameter: Parameter) -> None:
    """Add to ``schema`` the description that stands in ``Annotated[…, "text"]``, and the default if it is JSON."""
    if typing.get_origin(parameter.annotation) is typing.Annotated and "description" not in schema:
        texts = [extra for extra in typing.get_args(parameter.annotation)[1:] if isinstance(extra, str)]
        if texts:
            schema["description"] = texts[0]
    default = parameter.default
    if default is inspect.Parameter.empty:
        return
    try:
        if default is not None and type(default) not in (str, int, float, bool):
            from pydantic_core import to_jsonable_python

            default = to_jsonable_python(default)
        schema["default"] = to_json(default)
    except Exception:  # noqa: BLE001 - any type may refuse: such a default is the function's own affair
        schema.pop("default", None)
