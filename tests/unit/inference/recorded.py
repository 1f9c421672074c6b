"""Answers of services, whole and streamed, written by hand to the formats that their vendors document."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


def sse(*events: dict[str, Any] | str, named: bool = False) -> bytes:
    """Return events as a service streams them, with an ``event:`` line where it writes one."""
    lines = []
    for event in events:
        if isinstance(event, dict):
            lines += [f"event: {event['type']}\n"] if named else []
            lines += [f"data: {json.dumps(event, ensure_ascii=False)}\n\n"]
        else:
            lines.append(event)
    return "".join(lines).encode()


@dataclass(frozen=True)
class Recorded:
    """What one service answers to the same questions. ``path`` is where it is asked, whole and streamed."""

    dialect: str
    path: tuple[str, str]
    key: tuple[str, str]
    text: dict[str, Any]
    text_stream: bytes
    call: dict[str, Any]
    call_stream: bytes
    cut: dict[str, Any]
    failing_stream: bytes
    busy: dict[str, Any]
    refused: dict[str, Any]
    codes: tuple[str, str, str]
    asked: dict[str, Any] = field(default_factory=dict)


ARGS = '{"city": "Oslo", "days": 3}'


def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {
        "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m-1",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}],
    }  # fmt: skip


def chat(message: dict[str, Any], reason: str) -> dict[str, Any]:
    return {
        "id": "c1", "object": "chat.completion", "created": 1, "model": "m-1",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "refusal": None, **message}, "finish_reason": reason}],
        "usage": {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30},
    }  # fmt: skip


def part_of_call(index: int, **function: str) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "function": function}]}


USAGE_CHUNK = {
    "id": "c1", "object": "chat.completion.chunk", "model": "m-1", "choices": [],
    "usage": {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30},
}  # fmt: skip

OPENAI = Recorded(
    "openai",
    ("/v1/chat/completions", "/v1/chat/completions"),
    ("authorization", "Bearer sk-key-123456"),
    text=chat({"content": "Hällo there."}, "stop"),
    text_stream=sse(
        chunk({"role": "assistant", "content": ""}), chunk({"content": "Häl"}), ": keep-alive\n\n",
        chunk({"content": "lo there."}), chunk({}, "stop"), USAGE_CHUNK, "data: [DONE]\n\n",
    ),
    call=chat(
        {"content": None, "tool_calls": [
            {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": ARGS}},
            {"id": "call_b", "type": "function", "function": {"name": "now", "arguments": "{}"}},
        ]}, "tool_calls",
    ),
    call_stream=sse(
        chunk({"role": "assistant", "content": None, "tool_calls": [
            {"index": 0, "id": "call_a", "type": "function", "function": {"name": "weather", "arguments": ""}}]}),
        chunk(part_of_call(0, arguments='{"city": "Os')), chunk(part_of_call(0, arguments='lo", "days": 3}')),
        chunk({"tool_calls": [{"index": 1, "id": "call_b", "type": "function",
                               "function": {"name": "now", "arguments": "{}"}}]}),
        chunk({}, "tool_calls"), USAGE_CHUNK, "data: [DONE]\n\n",
    ),
    cut=chat({"content": "Häl"}, "length"),
    failing_stream=sse(chunk({"content": "Häl"}), {"error": {"message": "sk-key-123456", "type": "server_error"}}),
    busy={"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}},
    refused={"error": {"message": "bad key sk-key-123456", "type": "invalid_request_error", "code": "invalid_api_key"}},
    codes=("rate_limit_exceeded", "invalid_api_key", "server_error"),
    asked={
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": "Let me see.", "tool_calls": [
                {"id": "call_a", "type": "function",
                 "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}]},
            {"role": "tool", "tool_call_id": "call_a", "content": "rain"},
            {"role": "user", "content": "And tomorrow?"},
        ],
        "temperature": 0.5, "max_tokens": 50,
        "tools": [{"type": "function", "function": {
            "name": "weather", "description": "Tell it.", "parameters": {"type": "object", "properties": {}}}}],
    },
)  # fmt: skip


def response(*output: dict[str, Any], status: str = "completed", **more: Any) -> dict[str, Any]:
    return {
        "id": "resp_1", "object": "response", "status": status, "model": "m-1", "output": list(output),
        "usage": {"input_tokens": 21, "output_tokens": 9, "total_tokens": 30}, **more,
    }  # fmt: skip


def said(text: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [part]}


CALLED = (
    {"type": "reasoning", "id": "rs_1", "summary": []},
    {"type": "function_call", "id": "fc_1", "call_id": "call_a", "name": "weather", "arguments": ARGS},
    {"type": "function_call", "id": "fc_2", "call_id": "call_b", "name": "now", "arguments": "{}"},
)  # fmt: skip

RESPONSES = Recorded(
    "openai-responses",
    ("/v1/responses", "/v1/responses"),
    ("authorization", "Bearer sk-key-123456"),
    text=response(said("Hällo there.")),
    text_stream=sse(
        {"type": "response.created", "response": response(status="in_progress")},
        {"type": "response.output_item.added", "output_index": 0, "item": said("")},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Häl"},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "lo there."},
        {"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "Hällo there."},
        {"type": "response.completed", "response": response(said("Hällo there."))},
        named=True,
    ),
    call=response(*CALLED),
    call_stream=sse(
        {"type": "response.created", "response": response(status="in_progress")},
        {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": ARGS},
        {"type": "response.completed", "response": response(*CALLED)},
        named=True,
    ),
    cut=response(said("Häl"), status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
    failing_stream=sse(
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Häl"},
        {"type": "response.failed", "response": response(
            status="failed", error={"code": "server_error", "message": "sk-key-123456"})},
        named=True,
    ),
    busy={"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}},
    refused={"error": {"message": "bad key sk-key-123456", "code": "invalid_api_key"}},
    codes=("rate_limit_exceeded", "invalid_api_key", "server_error"),
    asked={
        "model": "m", "instructions": "Be brief.", "store": False, "temperature": 0.5, "max_output_tokens": 50,
        "input": [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": "Let me see."},
            {"type": "function_call", "call_id": "call_a", "name": "weather", "arguments": '{"city":"Oslo"}'},
            {"type": "function_call_output", "call_id": "call_a", "output": "rain"},
            {"role": "user", "content": "And tomorrow?"},
        ],
        "tools": [{"type": "function", "name": "weather", "description": "Tell it.",
                   "parameters": {"type": "object", "properties": {}}, "strict": False}],
    },
)  # fmt: skip


def message(*content: dict[str, Any], reason: str = "end_turn") -> dict[str, Any]:
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m-1", "content": list(content),
        "stop_reason": reason, "stop_sequence": None,
        "usage": {
            "input_tokens": 11, "cache_creation_input_tokens": 4, "cache_read_input_tokens": 6, "output_tokens": 9},
    }  # fmt: skip


STARTED = {
    "type": "message_start",
    "message": message() | {"stop_reason": None, "usage": {
        "input_tokens": 11, "cache_creation_input_tokens": 4, "cache_read_input_tokens": 6, "output_tokens": 1}},
}  # fmt: skip


def block(index: int, **delta: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def ending(reason: str) -> tuple[dict[str, Any], ...]:
    return (
        {
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": None},
            "usage": {"output_tokens": 9},
        },
        {"type": "message_stop"},
    )


ANTHROPIC = Recorded(
    "anthropic",
    ("/v1/messages", "/v1/messages"),
    ("x-api-key", "sk-key-123456"),
    text=message({"type": "text", "text": "Hällo there."}),
    text_stream=sse(
        STARTED,
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        block(0, type="text_delta", text="Häl"), block(0, type="text_delta", text="lo there."),
        {"type": "content_block_stop", "index": 0},
        *ending("end_turn"), named=True,
    ),
    call=message(
        {"type": "tool_use", "id": "call_a", "name": "weather", "input": {"city": "Oslo", "days": 3}},
        {"type": "tool_use", "id": "call_b", "name": "now", "input": {}}, reason="tool_use",
    ),
    call_stream=sse(
        STARTED,
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        block(0, type="thinking_delta", thinking="hm"),
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1,
         "content_block": {"type": "tool_use", "id": "call_a", "name": "weather", "input": {}}},
        block(1, type="input_json_delta", partial_json=""),
        block(1, type="input_json_delta", partial_json='{"city": "Os'),
        block(1, type="input_json_delta", partial_json='lo", "days": 3}'),
        {"type": "content_block_stop", "index": 1},
        {"type": "content_block_start", "index": 2,
         "content_block": {"type": "tool_use", "id": "call_b", "name": "now", "input": {}}},
        {"type": "content_block_stop", "index": 2},
        *ending("tool_use"), named=True,
    ),
    cut=message({"type": "text", "text": "Häl"}, reason="max_tokens"),
    failing_stream=sse(
        STARTED, block(0, type="text_delta", text="Häl"),
        {"type": "error", "error": {"type": "overloaded_error", "message": "sk-key-123456"}}, named=True,
    ),
    busy={"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}},
    refused={"type": "error", "error": {"type": "authentication_error", "message": "bad key sk-key-123456"}},
    codes=("rate_limit_error", "authentication_error", "overloaded_error"),
    asked={
        "model": "m", "system": "Be brief.", "temperature": 0.5, "max_tokens": 50,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
            {"role": "assistant", "content": [
                {"type": "text", "text": "Let me see."},
                {"type": "tool_use", "id": "call_a", "name": "weather", "input": {"city": "Oslo"}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "call_a", "content": "rain"},
                {"type": "text", "text": "And tomorrow?"}]},
        ],
        "tools": [{"name": "weather", "description": "Tell it.",
                   "input_schema": {"type": "object", "properties": {}}}],
    },
)  # fmt: skip


def generated(*parts: dict[str, Any], reason: str | None = "STOP", used: bool = True) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    usage = {"promptTokenCount": 21, "candidatesTokenCount": 5, "thoughtsTokenCount": 4, "totalTokenCount": 30}
    return {
        "candidates": [candidate | ({"finishReason": reason} if reason else {})], "modelVersion": "m-1",
        **({"usageMetadata": usage} if used else {}),
    }  # fmt: skip


WEATHER = {"functionCall": {"id": "call_a", "name": "weather", "args": {"city": "Oslo", "days": 3}}}
NOW = {"functionCall": {"id": "call_b", "name": "now", "args": {}}}

GEMINI = Recorded(
    "gemini",
    ("/v1/models/m:generateContent", "/v1/models/m:streamGenerateContent?alt=sse"),
    ("x-goog-api-key", "sk-key-123456"),
    text=generated({"text": "Hällo there."}),
    text_stream=sse(
        generated({"text": "hm", "thought": True}, reason=None, used=False),
        generated({"text": "Häl"}, reason=None, used=False), generated({"text": "lo there."}),
    ),
    call=generated(WEATHER, NOW),
    call_stream=sse(generated(WEATHER, reason=None, used=False), generated(NOW)),
    cut=generated({"text": "Häl"}, reason="MAX_TOKENS"),
    failing_stream=sse(
        generated({"text": "Häl"}, reason=None),
        {"error": {"code": 503, "message": "sk-key-123456", "status": "UNAVAILABLE"}},
    ),
    busy={"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}},
    refused={"error": {"code": 401, "message": "bad key sk-key-123456", "status": "UNAUTHENTICATED"}},
    codes=("RESOURCE_EXHAUSTED", "UNAUTHENTICATED", "UNAVAILABLE"),
    asked={
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "generationConfig": {"temperature": 0.5, "maxOutputTokens": 50},
        "contents": [
            {"role": "user", "parts": [{"text": "Weather?"}]},
            {"role": "model", "parts": [
                {"text": "Let me see."}, {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}}]},
            {"role": "user", "parts": [
                {"functionResponse": {"name": "weather", "response": {"result": "rain"}}}, {"text": "And tomorrow?"}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "weather", "description": "Tell it.",
                                             "parametersJsonSchema": {"type": "object", "properties": {}}}]}],
    },
)  # fmt: skip

ALL = {one.dialect: one for one in (OPENAI, RESPONSES, ANTHROPIC, GEMINI)}
