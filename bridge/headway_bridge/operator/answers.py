"""Answers: msgspec structs out as JSON, errors as one form with the status that their class has."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from headway.errors import (
    Conflict,
    HeadwayError,
    InvalidInput,
    InvalidPlan,
    LogFull,
    NotFound,
    Overloaded,
    Unavailable,
    one_line,
)
from headway.plan.verify import shortened

logger = logging.getLogger("headway.operator")

STATUS: tuple[tuple[type[HeadwayError], int], ...] = (
    (InvalidInput, 400),
    (NotFound, 404),
    (Conflict, 409),
    (Unavailable, 503),
    (Overloaded, 503),
    (LogFull, 507),
)
"""The HTTP status of each class of error; any other is 500."""

_encode = msgspec.json.Encoder().encode


def answer(value: Any, status: int = 200) -> Response:
    """Return ``value`` (structs, lists and mappings of them) as a JSON response."""
    return Response(_encode(value), status, media_type="application/json")


def status_of(kind: type[HeadwayError]) -> int:
    """Return the HTTP status of a class of errors."""
    return next((status for known, status in STATUS if issubclass(kind, known)), 500)


def failure(error: HeadwayError) -> Response:
    """Return an error as ``{"error": {"code", "message", "issues"?}}``."""
    status = status_of(type(error))
    content: dict[str, Any] = {"code": error.code, "message": one_line(error.message)}
    if isinstance(error, InvalidPlan) and error.issues:
        content["issues"] = shortened(error.issues)
    response = answer({"error": content}, status)
    if isinstance(error, Overloaded):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


async def _on_headway_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HeadwayError)
    if not isinstance(error, InvalidInput | NotFound | Conflict | Unavailable | Overloaded):
        logger.error("%s: %s", error.code, one_line(error.message))
    return failure(error)


async def _on_invalid_query(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:]) or "request"
    return failure(InvalidInput(one_line(f"{place}: {first['msg'][:1].lower()}{first['msg'][1:]}", 500)))


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return failure(NotFound(f"there is no route {one_line(request.url.path, 200)}"))
    code = "method_not_allowed" if error.status_code == 405 else "http_error"
    body = {"error": {"code": code, "message": one_line(str(error.detail))}}
    response = answer(body, error.status_code)
    response.headers.update(error.headers or {})
    return response


async def _on_bug(_: Request, error: Exception) -> Response:
    # The server logs the traceback; none of it goes out.
    return answer({"error": {"code": "error", "message": f"the daemon failed on this: {type(error).__name__}"}}, 500)


def install(app: FastAPI) -> None:
    """Give ``app`` these forms for everything that can go wrong."""
    app.add_exception_handler(HeadwayError, _on_headway_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_query)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_bug)
