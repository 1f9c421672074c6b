"""The built-in tools ``infer``, ``embed`` and ``classify``, on whatever provider there is.

All three are always registered. One that the provider lacks refuses the plan when it is verified, with the reason.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from headway.errors import HeadwayError, InferenceError, InferenceRefused, InvalidInput
from headway.inference.answer import Completion, Usage, estimate_tokens
from headway.inference.gate import Gate
from headway.inference.provider import InferenceProvider, Part, Provider, lacking
from headway.inference.request import (
    MAX_LABEL_CHARS,
    MAX_LABELS,
    MAX_PROMPT_CHARS,
    MAX_SEED,
    MAX_STOP_CHARS,
    MAX_STOPS,
    MAX_TEXT_CHARS,
    MAX_TOKENS,
    InferRequest,
    checked_labels,
    checked_texts,
    text_of,
)
from headway.tools.context import ToolResult
from headway.tools.estimate import Estimate
from headway.tools.registry import ToolEntry
from headway.tools.schema import ToolSchema

MAX_TOOL_TEXTS = 256
"""Texts of one call of ``embed``: their vectors become an event, and one value is at most 16 MiB."""

DEFAULT_CONCURRENCY = 8
"""Concurrent calls on a provider that is no :class:`Provider` and has no ``max_concurrency``."""

Problems = Callable[[dict[str, Any]], object]


def inference_tools(provider: InferenceProvider) -> list[ToolEntry]:
    """Return the entries of ``infer``, ``embed`` and ``classify``, to be registered.

    Their results carry the tokens used and, where the provider knows prices, the cost, which count against a run's
    budget. A :class:`Provider` limits its own concurrent calls; any other is limited to its ``max_concurrency``.
    """
    if all(not callable(getattr(provider, part, None)) for part in ("infer", "embed", "classify")):
        raise InvalidInput(f"an inference provider has infer, embed or classify; {type(provider).__name__} has none")
    slot = _slots(provider)
    return [_infer(provider, slot), _embed(provider, slot), _classify(provider, slot)]


Slot = Callable[[], AbstractAsyncContextManager[Any]]


def _slots(provider: object) -> Slot:
    if isinstance(provider, Provider):
        return nullcontext
    return Gate(getattr(provider, "max_concurrency", DEFAULT_CONCURRENCY)).slot


def _infer(provider: InferenceProvider, slot: Slot) -> ToolEntry:
    async def infer(**params: Any) -> ToolResult:
        async with slot():
            answer = await _told(provider, "infer", lambda: provider.infer(**params))
        output = {"text": answer.text, "model": answer.model, "finish_reason": answer.finish_reason}
        return _result(output, answer.usage)

    def problems(params: dict[str, Any]) -> object:
        return InferRequest.checked(
            params["prompt"],
            params.get("system"),
            params.get("max_tokens"),
            params.get("temperature", 0.0),
            params.get("stop", ()),
            params.get("seed"),
        )

    schema = ToolSchema(
        name="infer",
        description="Ask the language model. Gives its text, its name and why it stopped.",
        parameters=_object(
            ["prompt"],
            prompt=_text("What the model is asked.", MAX_PROMPT_CHARS),
            system=_text("How the model shall behave.", MAX_PROMPT_CHARS),
            max_tokens={
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_TOKENS,
                "description": "The longest answer, in tokens.",
            },
            temperature={
                "type": "number",
                "minimum": 0,
                "maximum": 2,
                "description": "0 for the likeliest answer, more for more variety.",
            },
            stop={
                "type": "array",
                "items": {"type": "string", "minLength": 1, "maxLength": MAX_STOP_CHARS},
                "maxItems": MAX_STOPS,
                "description": "Texts that end the answer.",
            },
            seed={
                "type": "integer",
                "minimum": 0,
                "maximum": MAX_SEED,
                "description": "The same seed asks for the same answer.",
            },
        ),
        returns=_object(
            ["text", "model", "finish_reason"],
            text={"type": "string"},
            model={"type": "string"},
            finish_reason={"type": "string"},
        ),
    )
    return _entry(schema, infer, provider, "infer", problems, _infer_estimate)


def _embed(provider: InferenceProvider, slot: Slot) -> ToolEntry:
    async def embed(texts: list[str]) -> ToolResult:
        async with slot():
            vectors = await _told(provider, "embed", lambda: provider.embed(texts))
        output = {"embeddings": [list(vector) for vector in vectors], "model": getattr(vectors, "model", "")}
        return _result(output, getattr(vectors, "usage", None))

    schema = ToolSchema(
        name="embed",
        description="Turn texts into vectors: texts that mean alike get vectors that point alike.",
        parameters=_object(["texts"], texts=_list("The texts.", 1, MAX_TOOL_TEXTS, {"maxLength": MAX_TEXT_CHARS})),
        returns=_object(
            ["embeddings", "model"],
            embeddings={"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
            model={"type": "string"},
        ),
        idempotent=True,
    )
    return _entry(
        schema,
        embed,
        provider,
        "embed",
        lambda params: checked_texts(params["texts"]),
        lambda params: {"tokens": estimate_tokens(*params["texts"])},
    )


def _infer_estimate(params: dict[str, Any]) -> dict[str, int]:
    """Return the tokens of a call whose answer has a limit; of others nothing is known beforehand."""
    longest = params.get("max_tokens")
    if longest is None:
        return {}
    return {"tokens": int(longest) + estimate_tokens(params.get("system"), params["prompt"])}


def _classify(provider: InferenceProvider, slot: Slot) -> ToolEntry:
    async def classify(text: str, labels: list[str]) -> ToolResult:
        async with slot():
            ranked = await _told(provider, "classify", lambda: provider.classify(text, labels))
        scores = [{"label": label, "score": score} for label, score in ranked]
        if not scores:
            raise InferenceError("the model named none of the labels")
        return _result({"label": scores[0]["label"], "scores": scores}, getattr(ranked, "usage", None))

    def problems(params: dict[str, Any]) -> object:
        text_of(params["text"], "text", MAX_TEXT_CHARS)
        return checked_labels(params["labels"])

    score = _object(["label", "score"], label={"type": "string"}, score={"type": "number"})
    schema = ToolSchema(
        name="classify",
        description="Sort a text under one of the labels. Gives the best label, and every label with its score.",
        parameters=_object(
            ["text", "labels"],
            text=_text("The text.", MAX_TEXT_CHARS),
            labels=_list("What the text may be.", 1, MAX_LABELS, {"minLength": 1, "maxLength": MAX_LABEL_CHARS}),
        ),
        returns=_object(["label", "scores"], label={"type": "string"}, scores={"type": "array", "items": score}),
        idempotent=True,
    )
    return _entry(schema, classify, provider, "classify", problems)


def _entry(
    schema: ToolSchema,
    call: Callable[..., Awaitable[ToolResult]],
    provider: object,
    part: Part,
    problems: Problems,
    estimate: Estimate | None = None,
) -> ToolEntry:
    def check(params: dict[str, Any]) -> list[str]:
        reason = lacking(provider, part)
        if reason is not None:
            return [reason]
        try:
            problems(params)
        except InvalidInput as error:
            return [error.message]
        return []

    return ToolEntry(
        schema, call, is_async=True, source="builtin", category="inference", check=check, estimate=estimate
    )


async def _told(provider: object, part: Part, ask: Callable[[], Awaitable[Any]]) -> Any:
    """Return what ``ask`` gives. What a foreign provider raises may hold its key: only its type is told."""
    reason = lacking(provider, part)
    if reason is not None:
        raise InferenceRefused(reason, part=part)
    try:
        answer = await ask()
    except HeadwayError:
        raise
    except Exception as error:
        raise InferenceError(f"the inference provider's {part} raised {type(error).__name__}") from error
    if not isinstance(answer, Completion if part == "infer" else list):
        raise InferenceError(f"the inference provider's {part} returned {type(answer).__name__}")
    return answer


def _result(output: Any, usage: Usage | None) -> ToolResult:
    if usage is None:
        return ToolResult(output)
    told: dict[str, Any] = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    if usage.estimated:
        told["estimated"] = True
    return ToolResult(output, usage=told, cost=usage.cost)


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _text(description: str, longest: int) -> dict[str, Any]:
    return {"type": "string", "maxLength": longest, "description": description}


def _list(description: str, fewest: int, most: int, item: dict[str, Any]) -> dict[str, Any]:
    items = {"type": "string", **item}
    return {"type": "array", "items": items, "minItems": fewest, "maxItems": most, "description": description}
