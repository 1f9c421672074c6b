"""OpenAI's responses. Nothing is kept there: the whole conversation goes with each request."""

from __future__ import annotations

from typing import Any

import msgspec

from headway.errors import InferenceError
from headway.inference.chat import ChatRequest, Message, Reply, tool_call
from headway.inference.dialects.dialect import ODD, Dialect, StreamReader, name_of, text_in, usage_of

_ENDED = frozenset({"response.completed", "response.incomplete"})


class OpenAIResponses(Dialect):
    """Takes neither ``stop`` nor ``seed``."""

    name = "openai-responses"
    url = "https://api.openai.com/v1"
    what = "a response"

    def endpoint(self, model: str, *, stream: bool) -> str:
        return "responses"

    def body(self, request: ChatRequest, model: str, *, stream: bool) -> dict[str, Any]:
        self.refuse(request, stop=True, seed=True)
        items = [item for one in request.messages for item in _items(one)]
        body: dict[str, Any] = {"model": model, "input": items, "store": False}
        if request.system is not None:
            body["instructions"] = request.system
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.max_tokens is not None:
            body["max_output_tokens"] = request.max_tokens
        if request.tools:
            body["tools"] = [
                {"type": "function", **msgspec.to_builtins(offer), "strict": False} for offer in request.tools
            ]
        if stream:
            body["stream"] = True
        return body

    def read(self, answer: dict[str, Any], request: ChatRequest, model: str) -> Reply:
        if answer.get("status") == "failed":
            raise InferenceError("the service says that it failed to answer")
        texts, calls, refused = [], [], False
        try:
            for item in answer["output"]:
                if item["type"] == "function_call":
                    calls.append(tool_call(item["call_id"], item["name"], item["arguments"]))
                for part in (item.get("content") or ()) if item["type"] == "message" else ():
                    if part["type"] == "output_text":
                        texts.append(text_in(part["text"]))
                    elif part["type"] == "refusal":
                        texts.append(text_in(part["refusal"]))
                        refused = True
        except ODD:
            self.odd()
        text, made = "".join(texts), tuple(calls)
        used = answer.get("usage")
        used = used if isinstance(used, dict) else {}
        usage = usage_of(used.get("input_tokens"), used.get("output_tokens"), request, text, made)
        reason = "content_filter" if refused else "tool_calls" if made else "stop"
        if answer.get("status") == "incomplete":
            why = answer.get("incomplete_details")
            told = why.get("reason") if isinstance(why, dict) else None
            reason = "length" if told == "max_output_tokens" else name_of(told, "length", 64)
        return Reply(text, made, usage, name_of(answer.get("model"), model), reason)

    def reader(self, request: ChatRequest, model: str) -> StreamReader:
        return _Reader(self, request, model)


class _Reader(StreamReader):
    _whole: dict[str, Any] | None = None

    def event(self, data: dict[str, Any]) -> str:
        kind = data.get("type")
        if kind == "response.output_text.delta":
            return text_in(data["delta"])
        if kind == "error":
            self.failed(data.get("code"))
        if kind == "response.failed":
            error = data["response"].get("error") or {}
            self.failed(error.get("code"))
        if kind in _ENDED:
            self._whole = dict(data["response"])
        return ""

    def reply(self) -> Reply:
        if self._whole is None:
            self.broken()
        return self.dialect.read(self._whole, self.request, self.model)


def _items(one: Message) -> list[dict[str, Any]]:
    if one.role == "tool":
        return [{"type": "function_call_output", "call_id": one.call_id, "output": one.text}]
    items: list[dict[str, Any]] = []
    if one.text or not one.calls:
        items.append({"role": one.role, "content": one.text})
    for call in one.calls:
        arguments = msgspec.json.encode(call.arguments).decode()
        items.append({"type": "function_call", "call_id": call.id, "name": call.name, "arguments": arguments})
    return items
