"""OpenAI's chat completions, which most services speak: vLLM, llama.cpp, Ollama and the vendors' gateways."""

from __future__ import annotations

from typing import Any

import msgspec

from headway.errors import InferenceError
from headway.inference.chat import ChatRequest, Message, Reply, tool_call
from headway.inference.dialects.dialect import ODD, Calls, Dialect, StreamReader, name_of, text_in, usage_of


class OpenAIChat(Dialect):
    """``length_field`` is the name that the service gives to ``max_tokens``."""

    name = "openai"
    url = "https://api.openai.com/v1"
    what = "a chat completion"

    def __init__(self, length_field: str = "max_tokens") -> None:
        self._length_field = length_field

    def endpoint(self, model: str, *, stream: bool) -> str:
        return "chat/completions"

    def body(self, request: ChatRequest, model: str, *, stream: bool) -> dict[str, Any]:
        messages: list[dict[str, Any]] = [_message(one) for one in request.messages]
        if request.system is not None:
            messages.insert(0, {"role": "system", "content": request.system})
        body: dict[str, Any] = {"model": model, "messages": messages}
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.max_tokens is not None:
            body[self._length_field] = request.max_tokens
        if request.stop:
            body["stop"] = list(request.stop)
        if request.seed is not None:
            body["seed"] = request.seed
        if request.tools:
            body["tools"] = [{"type": "function", "function": msgspec.to_builtins(offer)} for offer in request.tools]
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return body

    def read(self, answer: dict[str, Any], request: ChatRequest, model: str) -> Reply:
        try:
            choices = answer["choices"]
            if choices == []:
                raise InferenceError("the service answered without a choice")
            message, reason = choices[0]["message"], choices[0].get("finish_reason")
            text = text_in(message.get("content"))
            calls = tuple(
                tool_call(one["id"], one["function"]["name"], one["function"]["arguments"])
                for one in message.get("tool_calls") or ()
            )
        except ODD:
            self.odd()
        used = answer.get("usage")
        used = used if isinstance(used, dict) else {}
        usage = usage_of(used.get("prompt_tokens"), used.get("completion_tokens"), request, text, calls)
        return Reply(text, calls, usage, name_of(answer.get("model"), model), name_of(reason, "stop", 64))

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

    def event(self, data: dict[str, Any]) -> str:
        if data.get("error"):
            error = data["error"]
            self.failed(error.get("code") or error.get("type") if isinstance(error, dict) else None)
        self._answered = data.get("model") or self._answered
        if isinstance(data.get("usage"), dict):
            self._usage = data["usage"]
        added = ""
        for choice in data.get("choices") or ():
            if choice.get("index", 0) != 0:
                continue
            delta = choice.get("delta") or {}
            added += text_in(delta.get("content"))
            for one in delta.get("tool_calls") or ():
                function = one.get("function") or {}
                self._calls.add(
                    one.get("index", 0),
                    id=one.get("id"),
                    name=function.get("name"),
                    arguments=function.get("arguments"),
                )
            self._reason = choice.get("finish_reason") or self._reason
        self._texts.append(added)
        return added

    def reply(self) -> Reply:
        if self._reason is None:
            self.broken()
        text, calls, used = "".join(self._texts), self._calls.made(), self._usage
        usage = usage_of(used.get("prompt_tokens"), used.get("completion_tokens"), self.request, text, calls)
        return Reply(text, calls, usage, name_of(self._answered, self.model), name_of(self._reason, "stop", 64))


def _message(one: Message) -> dict[str, Any]:
    if one.role == "tool":
        return {"role": "tool", "tool_call_id": one.call_id, "content": one.text}
    told: dict[str, Any] = {"role": one.role, "content": one.text}
    if one.calls:
        told["content"] = one.text or None
        told["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": msgspec.json.encode(call.arguments).decode()},
            }
            for call in one.calls
        ]
    return told
