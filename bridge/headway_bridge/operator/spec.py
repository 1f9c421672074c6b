"""OpenAPI from msgspec: what a route takes and gives is documented from the structs that it decodes and encodes."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from headway.errors import HeadwayError
from headway.plan.format import ActionProposal
from headway_bridge.operator.answers import STATUS

REF = "#/components/schemas/{name}"

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string", "description": "A stable word."},
                "message": {"type": "string", "description": "One line for people."},
                "issues": {"type": "array", "items": {"type": "object"}, "description": "What verify found."},
            },
        }
    },
}


_components: dict[str, Any] = {"Error": _ERROR}


def documented(
    gives: Any, *, takes: type | None = None, optional: bool = False, status: int = 200, fails: tuple[int, ...] = ()
) -> dict[str, Any]:
    """Return the keyword arguments of a route decorator: what it ``gives``, ``takes`` and how it may fail.

    ``optional`` says that the body may be left out. 400, 503 and, with a body, 413 and 415 need no mention.
    """
    codes = sorted({400, 503, *fails, *((413, 415) if takes is not None else ())})
    responses: dict[int | str, dict[str, Any]] = {
        code: {"description": _meaning(code), "content": _json({"$ref": _ref("Error")})} for code in codes
    }
    responses[status] = {"description": "Done.", "content": _json(_schema(gives))}
    extra = None if takes is None else {"requestBody": {"required": not optional, "content": _json(_schema(takes))}}
    return {"status_code": status, "responses": responses, "openapi_extra": extra}


def install(app: FastAPI) -> None:
    """Make ``app.openapi()`` hold the components that :func:`documented` refers to."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _build(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _build(app: FastAPI) -> dict[str, Any]:
    schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    for path in schema["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)  # answered with 400 here
    components = schema.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        components.pop(name, None)
    _schema(ActionProposal)
    components.update(_components)
    return schema


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _schema(kind: Any) -> dict[str, Any]:
    """Return the schema of a type; the components it refers to are kept for the page."""
    (schema,), components = msgspec.json.schema_components((kind,), ref_template=REF)
    for component in components.values():
        properties = component.get("properties", {})
        if properties.get("proposal") == {}:  # raw JSON to msgspec, a plan to the reader
            properties["proposal"] = {"$ref": _ref("ActionProposal")}
    _components.update(components)
    return schema


def _ref(name: str) -> str:
    return REF.format(name=name)


def _meaning(code: int) -> str:
    kinds: list[type[HeadwayError]] = [kind for kind, status in STATUS if status == code]
    texts = {413: "The body is too large.", 415: "The body is not JSON."}
    return " ".join((kind.__doc__ or "").strip().splitlines()[0] for kind in kinds) or texts.get(code, "It failed.")
