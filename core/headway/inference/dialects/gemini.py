"""Google's Gemini API."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from headway.errors import InferenceError
from headway.inference.chat import ChatRequest, Message, Reply, ToolCall, tool_call
from headway.inference.dialects.dialect import ODD, Dialect, StreamReader, name_of, text_in, total, usage_of

_REASONS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
}


class Gemini(Dialect):
    """Calls of tools have no ids there: they are numbered, and answered by name."""

    name = "gemini"
    url = "https://generativelanguage.googleapis.com/v1beta"
    what = "generated content"

    def sign(self, key: str) -> dict[str, str]:
        return {"x-goog-api-key": key}

    def endpoint(self, model: str, *, stream: bool) -> str:
        path = f"models/{quote(model.removeprefix('models/'), safe='')}"
        return f"{path}:streamGenerateContent?alt=sse" if stream else f"{path}:generateContent"

    def body(self, request: ChatRequest, model: str, *, stream: bool) -> dict[str, Any]:
        body: dict[str, Any] = {"contents": _contents(request.messages)}
        if request.system is not None:
            body["systemInstruction"] = {"parts": [{"text": request.system}]}
        settings = {
            "temperature": request.temperature,
            "maxOutputTokens": request.max_tokens,
            "stopSequences": list(request.stop) or None,
            "seed": request.seed,
        }
        if given := {name: value for name, value in settings.items() if value is not None}:
            body["generationConfig"] = given
        if request.tools:
            offers = [
                {"name": offer.name, "description": offer.description, "parametersJsonSchema": offer.parameters}
                for offer in request.tools
            ]
            body["tools"] = [{"functionDeclarations": offers}]
        return body

    def read(self, answer: dict[str, Any], request: ChatRequest, model: str) -> Reply:
        reader = _Reader(self, request, model)
        try:
            reader.event(answer)
        except ODD:
            self.odd()
        return reader.reply()

    def reader(self, request: ChatRequest, model: str) -> StreamReader:
        return _Reader(self, request, model)


class _Reader(StreamReader):
    """Each event is an answer of its own, a part of the whole."""

    def __init__(self, dialect: Dialect, request: ChatRequest, model: str) -> None:
        super().__init__(dialect, request, model)
        self._texts: list[str] = []
        self._calls: list[ToolCall] = []
        self._usage: dict[str, Any] = {}
        self._reason: Any = None
        self._answered: Any = None

    def event(self, data: dict[str, Any]) -> str:
        if data.get("error"):
            self.failed(data["error"].get("status"))
        self._answered = data.get("modelVersion") or self._answered
        if isinstance(data.get("usageMetadata"), dict):
            self._usage = data["usageMetadata"]
        if (data.get("promptFeedback") or {}).get("blockReason"):
            self._reason = "SAFETY"
        added = ""
        for candidate in (data.get("candidates") or ())[:1]:
            self._reason = candidate.get("finishReason") or self._reason
            for part in (candidate.get("content") or {}).get("parts") or ():
                if part.get("thought"):
                    continue
                added += text_in(part.get("text"))
                if "functionCall" in part:
                    call = part["functionCall"]
                    self._calls.append(
                        tool_call(
                            call.get("id") or f"call_{len(self._calls) + 1}", call["name"], call.get("args") or {}
                        )
                    )
        self._texts.append(added)
        return added

    def reply(self) -> Reply:
        text, calls, used = "".join(self._texts), tuple(self._calls), self._usage
        if self._reason is None:
            if not text and not calls:
                raise InferenceError("the service answered without a candidate")
            self.broken()
        written = total(used.get("candidatesTokenCount", 0 if used else None), used.get("thoughtsTokenCount"))
        usage = usage_of(used.get("promptTokenCount"), written, self.request, text, calls)
        reason = _REASONS.get(self._reason, name_of(self._reason, "stop", 64)) if isinstance(self._reason, str) else ""
        reason = "tool_calls" if calls and reason == "stop" else reason or "stop"
        return Reply(text, calls, usage, name_of(self._answered, self.model), reason)


def _contents(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """Return messages as contents; answers of tools stand together in one of a user."""
    contents: list[dict[str, Any]] = []
    names = {call.id: call.name for one in messages for call in one.calls}
    for one in messages:
        role = "model" if one.role == "assistant" else "user"
        parts = _parts(one, names)
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        elif parts:
            contents.append({"role": role, "parts": parts})
    return contents


def _parts(one: Message, names: dict[str, str]) -> list[dict[str, Any]]:
    if one.role == "tool":
        name = one.name or names.get(one.call_id or "", "")
        told = {"error": one.text} if one.failed else {"result": one.text}
        return [{"functionResponse": {"name": name, "response": told}}]
    parts: list[dict[str, Any]] = [{"text": one.text}] if one.text else []
    return parts + [{"functionCall": {"name": call.name, "args": call.arguments}} for call in one.calls]
