"""Anthropic's messages."""

from __future__ import annotations

from typing import Any

from headway.errors import InferenceRefused
from headway.inference.chat import ChatRequest, Message, Reply, tool_call
from headway.inference.dialects.dialect import ODD, Calls, Dialect, StreamReader, name_of, text_in, total, usage_of

VERSION = "2023-06-01"

MAX_TOKENS = 4096
"""The longest reply where nobody says how long it may be: the service wants a number."""

_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class Anthropic(Dialect):
    """Takes no ``seed``, and temperatures up to 1."""

    name = "anthropic"
    url = "https://api.anthropic.com/v1"
    what = "a message"

    def sign(self, key: str) -> dict[str, str]:
        return {"x-api-key": key}

    def headers(self) -> dict[str, str]:
        return {"anthropic-version": VERSION}

    def endpoint(self, model: str, *, stream: bool) -> str:
        return "messages"

    def body(self, request: ChatRequest, model: str, *, stream: bool) -> dict[str, Any]:
        self.refuse(request, seed=True)
        if request.temperature is not None and request.temperature > 1:
            raise InferenceRefused(f"the {self.name} API takes temperatures up to 1")
        body: dict[str, Any] = {
            "model": model,
            "max_tokens": MAX_TOKENS if request.max_tokens is None else request.max_tokens,
            "messages": _turns(request.messages),
        }
        if request.system is not None:
            body["system"] = request.system
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.stop:
            body["stop_sequences"] = list(request.stop)
        if request.tools:
            body["tools"] = [
                {"name": offer.name, "description": offer.description, "input_schema": offer.parameters}
                for offer in request.tools
            ]
        if stream:
            body["stream"] = True
        return body

    def read(self, answer: dict[str, Any], request: ChatRequest, model: str) -> Reply:
        texts, calls = [], []
        try:
            for block in answer["content"]:
                if block["type"] == "text":
                    texts.append(text_in(block["text"]))
                elif block["type"] == "tool_use":
                    calls.append(tool_call(block["id"], block["name"], block["input"]))
        except ODD:
            self.odd()
        text, made = "".join(texts), tuple(calls)
        usage = usage_of(*_used(answer.get("usage")), request, text, made)
        return Reply(text, made, usage, name_of(answer.get("model"), model), _reason(answer.get("stop_reason")))

    def reader(self, request: ChatRequest, model: str) -> StreamReader:
        return _Reader(self, request, model)


class _Reader(StreamReader):
    def __init__(self, dialect: Dialect, request: ChatRequest, model: str) -> None:
        super().__init__(dialect, request, model)
        self._texts: list[str] = []
        self._calls = Calls()
        self._usage: dict[str, Any] = {}
        self._reason: Any = None
        self._answered: Any = None
        self._ended = False

    def event(self, data: dict[str, Any]) -> str:
        kind = data.get("type")
        if kind == "error":
            self.failed((data.get("error") or {}).get("type"))
        if kind == "message_start":
            message = data["message"]
            self._answered = message.get("model")
            self._usage |= message.get("usage") or {}
        elif kind == "content_block_start" and data["content_block"]["type"] == "tool_use":
            block = data["content_block"]
            self._calls.add(data["index"], id=block["id"], name=block["name"])
        elif kind == "content_block_delta":
            delta = data["delta"]
            if delta["type"] == "text_delta":
                self._texts.append(text_in(delta["text"]))
                return self._texts[-1]
            if delta["type"] == "input_json_delta":
                self._calls.add(data["index"], arguments=delta["partial_json"])
        elif kind == "message_delta":
            self._reason = data["delta"].get("stop_reason") or self._reason
            self._usage |= data.get("usage") or {}
        elif kind == "message_stop":
            self._ended = True
        return ""

    def reply(self) -> Reply:
        if not self._ended:
            self.broken()
        text, calls = "".join(self._texts), self._calls.made()
        usage = usage_of(*_used(self._usage), self.request, text, calls)
        return Reply(text, calls, usage, name_of(self._answered, self.model), _reason(self._reason))


def _turns(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """Return messages as the service wants them: answers of tools are a user's, and one turn follows the other's."""
    turns: list[dict[str, Any]] = []
    for one in messages:
        role = "assistant" if one.role == "assistant" else "user"
        blocks = _blocks(one)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    return turns


def _blocks(one: Message) -> list[dict[str, Any]]:
    if one.role == "tool":
        told: dict[str, Any] = {"type": "tool_result", "tool_use_id": one.call_id, "content": one.text}
        return [told | ({"is_error": True} if one.failed else {})]
    blocks: list[dict[str, Any]] = [{"type": "text", "text": one.text}] if one.text else []
    blocks += [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments} for call in one.calls]
    return blocks


def _used(told: Any) -> tuple[int | None, Any]:
    """Return tokens read and written; what was read from a cache, or into one, was read."""
    used = told if isinstance(told, dict) else {}
    cached = used.get("cache_read_input_tokens"), used.get("cache_creation_input_tokens")
    return total(used.get("input_tokens"), *cached), used.get("output_tokens")


def _reason(told: Any) -> str:
    return _REASONS.get(told, name_of(told, "stop", 64)) if isinstance(told, str) else "stop"
