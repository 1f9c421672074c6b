"""OpenAI's wire format: answers read into typed data, refusals told in one line without what the server wrote.

A server's error body may quote the request, its headers or its key. Of it only an error code from a known list is told.
"""

from __future__ import annotations

import math
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import msgspec

from headway.errors import InferenceError, one_line
from headway.inference.answer import Completion, Metered, Usage, estimate_tokens
from headway.inference.request import InferRequest

FINAL = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
"""Error codes of a 429 that waiting does not mend."""

_CODES = FINAL | {
    "content_filter",
    "context_length_exceeded",
    "invalid_api_key",
    "invalid_request_error",
    "model_not_found",
    "rate_limit_exceeded",
    "unsupported_parameter",
    "unsupported_value",
}


class _Message(msgspec.Struct):
    content: str | None = None


# What a good answer can do without is Any: it is looked at when it is used, and no answer is thrown away for it.


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: Any = None


class _Chat(msgspec.Struct):
    choices: list[_Choice]
    model: Any = None
    usage: Any = None


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


class _Refusal(msgspec.Struct):
    error: _Problem


def chat_body(request: InferRequest, model: str, length_field: str) -> bytes:
    """Return the body of a chat completion."""
    messages = [{"role": "user", "content": request.prompt}]
    if request.system is not None:
        messages.insert(0, {"role": "system", "content": request.system})
    body: dict[str, Any] = {"model": model, "messages": messages, "temperature": request.temperature}
    if request.max_tokens is not None:
        body[length_field] = request.max_tokens
    if request.stop:
        body["stop"] = list(request.stop)
    if request.seed is not None:
        body["seed"] = request.seed
    return msgspec.json.encode(body)


def embeddings_body(texts: list[str], model: str) -> bytes:
    """Return the body of an embedding call."""
    return msgspec.json.encode({"model": model, "input": texts, "encoding_format": "float"})


def read_chat(body: bytes, request: InferRequest, model: str) -> Completion:
    """Return the first choice of a chat completion; ``InferenceError`` if the body is none."""
    chat = _decode(body, _Chat, "a chat completion")
    if not chat.choices:
        raise InferenceError("the service answered without a choice")
    choice = chat.choices[0]
    text = choice.message.content or ""
    usage = _usage(chat.usage, estimate_tokens(request.system, request.prompt), estimate_tokens(text))
    return Completion(text, usage, _name(chat.model, model, 256), _name(choice.finish_reason, "stop", 64))


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
    usage = _usage(answer.usage, estimate_tokens(*texts), 0)
    return Metered((found[at] for at in range(len(texts))), usage, _name(answer.model, model, 256))


def problem_code(body: bytes) -> str:
    """Return the error code in a refusal's body if it is one of those known, else an empty text."""
    try:
        problem = msgspec.json.decode(body, type=_Refusal).error
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ""
    return next((code for code in (problem.code, problem.type) if isinstance(code, str) and code in _CODES), "")


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


def _name(told: Any, instead: str, most: int) -> str:
    return one_line(told if isinstance(told, str) and told else instead, most)


def _usage(used: Any, read: int, written: int) -> Usage:
    """Return what the service says it used; what it does not say, or says absurdly, is estimated."""
    told = used if isinstance(used, dict) else {}
    sound = [_count(told.get(name)) for name in ("prompt_tokens", "completion_tokens")]
    estimated = sound[0] is None or (sound[1] is None and written > 0)
    return Usage(read if sound[0] is None else sound[0], written if sound[1] is None else sound[1], estimated)


def _count(told: Any) -> int | None:
    """Return a number of tokens, 7.0 as 7; None for what is none."""
    if type(told) is float and told.is_integer():
        told = int(told)
    return told if type(told) is int and 0 <= told < 2**53 else None
