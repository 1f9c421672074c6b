"""Errors on the wire: JSON-RPC error objects out of the SDK's error classes, and out of Headway's own.

The SDK's classes carry the codes (-32001 to -32009, -32600 to -32603, -32700). Texts that reach a client are written
for it: what an unexpected exception says stays in the log.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec
from a2a.utils.error_handlers import build_error_details
from a2a.utils.errors import (
    JSON_RPC_ERROR_CODE_MAP,
    A2AError,
    ContentTypeNotSupportedError,
    InternalError,
    InvalidParamsError,
    InvalidRequestError,
    TaskNotFoundError,
    UnsupportedOperationError,
)
from starlette.responses import Response

from headway.errors import Conflict, HeadwayError, InvalidInput, LogFull, NotFound, Overloaded, StoreError, Unavailable
from headway_bridge.security import Refusal

logger = logging.getLogger("headway.a2a")

INTERNAL = "internal error"


def as_a2a(error: Exception) -> A2AError:
    """Return ``error`` as the A2A error to answer with; log what is nobody's fault but ours."""
    if isinstance(error, A2AError):
        return error
    if isinstance(error, NotFound):
        return TaskNotFoundError()
    if isinstance(error, InvalidInput):
        return InvalidParamsError(error.message)
    if isinstance(error, Conflict):
        return UnsupportedOperationError(error.message)
    if isinstance(error, Overloaded):
        return InternalError(error.message, {"reason": error.code})
    if isinstance(error, LogFull | Unavailable):
        logger.warning("refused a request: %s", error)
        text = "no new work is taken now" if isinstance(error, Unavailable) else "the store takes no new work"
        return InternalError(text, {"reason": error.code})
    if isinstance(error, StoreError | HeadwayError):
        logger.error("a request failed: %s", error)
        return InternalError(INTERNAL)
    logger.error("a request failed", exc_info=error)
    return InternalError(INTERNAL)


def error_object(error: A2AError, *, typed_details: bool = True) -> dict[str, Any]:
    """Return the ``error`` member of a JSON-RPC answer.

    ``data`` is v1.0's list of typed details (google.rpc.ErrorInfo, BadRequest); for older generations
    (``typed_details`` false) the error's own object, if it has one.
    """
    code = JSON_RPC_ERROR_CODE_MAP.get(type(error), -32603)
    body: dict[str, Any] = {"code": code, "message": error.message}
    if typed_details:
        body["data"] = build_error_details(error)
    elif error.data:
        body["data"] = error.data
    return body


def error_answer(request_id: str | int | None, error: A2AError, *, typed_details: bool = True) -> dict[str, Any]:
    """Return a whole JSON-RPC error answer."""
    return {"jsonrpc": "2.0", "id": request_id, "error": error_object(error, typed_details=typed_details)}


def rpc_refusal(refusal: Refusal) -> Response:
    """Return a refusal of the safety middleware as a JSON-RPC error with its HTTP status."""
    kind: type[A2AError] = InvalidRequestError
    if refusal.status == 415:
        kind = ContentTypeNotSupportedError
    elif refusal.status >= 500:
        kind = InternalError
    answer = error_answer(None, kind(refusal.message, {"reason": refusal.code}))
    return Response(msgspec.json.encode(answer), refusal.status, media_type="application/json")
