"""What dialects have in common: embeddings, and refusals told in one line without what the server wrote.

A server's error body may quote the request, its headers or its key. Of it only an error code from a known list is told.
"""

from __future__ import annotations

import math
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import msgspec

from headway.errors import InferenceError
from headway.inference.answer import Metered, Usage, estimate_tokens
from headway.inference.dialects.dialect import count, name_of

FINAL = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
"""Error codes of a 429 that waiting does not mend."""

_CODES = FINAL | {
    "content_filter",
    "context_length_exceeded",
    "invalid_api_key",
    "invalid_request_error",
    "model_not_found",
    "rate_limit_exceeded",
    "server_error",
    "unsupported_parameter",
    "unsupported_value",
    # Anthropic's
    "api_error",
    "authentication_error",
    "billing_error",
    "not_found_error",
    "overloaded_error",
    "permission_error",
    "rate_limit_error",
    "request_too_large",
    "timeout_error",
    # Google's
    "FAILED_PRECONDITION",
    "INTERNAL",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "UNAUTHENTICATED",
    "UNAVAILABLE",
}


# What a good answer can do without is Any: it is looked at when it is used, and no answer is thrown away for it.


class _Vector(msgspec.Struct):
    embedding: list[float]
    index: int | None = None


class _Vectors(msgspec.Struct):
    data: list[_Vector]
    model: Any = None
    usage: Any = None


class _Problem(msgspec.Struct):
    code: Any = None
    type: Any = None
    status: Any = None


class _Refusal(msgspec.Struct):
    error: _Problem


def embeddings_body(texts: list[str], model: str) -> bytes:
    """Return the body of an embedding call."""
    return msgspec.json.encode({"model": model, "input": texts, "encoding_format": "float"})


def read_vectors(body: bytes, texts: list[str], model: str) -> Metered[list[float]]:
    """Return the vectors in the order of ``texts``; ``InferenceError`` if some are missing or lengths differ."""
    answer = _decode(body, _Vectors, "a list of embeddings")
    found = {item.index if item.index is not None else at: item.embedding for at, item in enumerate(answer.data)}
    if len(answer.data) != len(texts) or sorted(found) != list(range(len(texts))):
        raise InferenceError(f"the service gave {len(answer.data)} embeddings for {len(texts)} texts")
    lengths = {len(vector) for vector in found.values()}
    if len(lengths) != 1 or 0 in lengths:
        raise InferenceError("the service gave embeddings of different lengths")
    if not all(math.isfinite(number) for vector in found.values() for number in vector):
        raise InferenceError("the service gave an embedding that holds no finite number")
    told = count(answer.usage.get("prompt_tokens")) if isinstance(answer.usage, dict) else None
    usage = Usage(estimate_tokens(*texts) if told is None else told, 0, told is None)
    return Metered((found[at] for at in range(len(texts))), usage, name_of(answer.model, model))


def problem_code(body: bytes) -> str:
    """Return the error code in a refusal's body if it is one of those known, else an empty text."""
    try:
        problem = msgspec.json.decode(body, type=_Refusal).error
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ""
    return next(filter(None, map(known_code, (problem.code, problem.type, problem.status))), "")


def known_code(told: Any) -> str:
    """Return an error code if it is one of those known, else an empty text."""
    return told if isinstance(told, str) and told in _CODES else ""


def status_text(status: int, code: str = "") -> str:
    """Return ``429 Too Many Requests, rate_limit_exceeded``: our words, not the server's."""
    try:
        text = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        text = str(status)
    return f"{text}, {code}" if code else text


def retry_after(header: str | None, now_ms: int) -> float | None:
    """Return the seconds that a ``Retry-After`` asks for, given as a number or as a date; None without a sound one."""
    if header is None or len(header) > 64:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text), 10**9))
    try:
        when = parsedate_to_datetime(text)
        return max(0.0, when.timestamp() - now_ms / 1000)
    except (ValueError, OverflowError, TypeError):
        return None


def _decode(body: bytes, kind: type[Any], what: str) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise InferenceError(f"the service answered something that is not {what}") from None
