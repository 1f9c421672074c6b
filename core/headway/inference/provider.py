"""Inference: one small protocol for whatever answers, embeds and classifies text.

Local models, a service over HTTP and a test's script are all an :class:`InferenceProvider`. Any object with its three
methods serves; :class:`Provider` is the base that spares an implementation the checks, the limit on calls and
``classify``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Literal, Protocol, runtime_checkable

from headway.arguments import expect
from headway.errors import InferenceRefused
from headway.inference.answer import Completion, Metered
from headway.inference.chat import ChatRequest, Piece, Reply
from headway.inference.gate import Gate
from headway.inference.ranking import MAX_ANSWER_TOKENS, QUESTION, by_vectors, chosen, options
from headway.inference.request import MAX_TEXT_CHARS, InferRequest, checked_labels, checked_texts, text_of

Part = Literal["infer", "embed", "classify"]
PARTS: tuple[Part, ...] = ("infer", "embed", "classify")


@runtime_checkable
class InferenceProvider(Protocol):
    """Answers prompts, turns texts into vectors, sorts texts under labels.

    A provider raises ``InvalidInput`` for what no model can be asked, ``InferenceError`` where a model or its service
    failed and ``InferenceRefused`` where trying again does not help. One that implements a part only may say so by a
    method ``lacks(part) -> str | None``: then a plan that needs the rest is refused before it runs.
    """

    async def infer(
        self,
        prompt: str,
        *,
        system: str | None = None,
        max_tokens: int | None = None,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
        seed: int | None = None,
    ) -> Completion:
        """Return the model's answer to ``prompt``."""

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one vector a text, in order, all of one length. A :class:`Metered` list also tells its usage."""

    async def classify(self, text: str, labels: Sequence[str]) -> list[tuple[str, float]]:
        """Return each label with its score, the best first. Scores are 0 to 1 and add up to 1."""


def lacking(provider: object, part: Part) -> str | None:
    """Return why ``provider`` cannot do ``part``, in one line; None if it can."""
    if not callable(getattr(provider, part, None)):
        return f"the inference provider {type(provider).__name__} has no {part}"
    lacks = getattr(provider, "lacks", None)
    reason = lacks(part) if callable(lacks) else None
    return reason if isinstance(reason, str) else None


class Provider:
    """The base of a provider: implement ``_infer``, ``_embed`` or both; ``_chat`` and ``_stream`` for conversations.

    ``classify`` compares vectors where there is ``_embed``, else asks the model by ``_infer``. At most
    ``max_concurrency`` calls run concurrently, of all three together; the others wait in order.
    """

    name = "provider"
    """The name that errors call it by."""

    def __init__(self, *, max_concurrency: int = 1) -> None:
        self._gate = Gate(max_concurrency)

    @property
    def max_concurrency(self) -> int:
        """The number of calls that run concurrently."""
        return self._gate.limit

    def lacks(self, part: Part) -> str | None:
        """Return why this provider cannot do ``part``, None if it can. Quick: plans are verified with it."""
        kind = type(self)
        has = {"infer": kind._infer is not Provider._infer, "embed": kind._embed is not Provider._embed}
        has["classify"] = has["infer"] or has["embed"]
        return None if has[part] else f"the inference provider '{self.name}' has no {part}"

    def lacks_key(self) -> str | None:
        """Return why no model of this provider can be asked, whichever it is; None if one can."""
        return self.lacks("infer")

    async def infer(
        self,
        prompt: str,
        *,
        system: str | None = None,
        max_tokens: int | None = None,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
        seed: int | None = None,
    ) -> Completion:
        """Return the model's answer to ``prompt``; see :class:`InferenceProvider`."""
        request = InferRequest.checked(prompt, system, max_tokens, temperature, stop, seed)
        self._need("infer")
        async with self._gate.slot():
            return await self._infer(request)

    async def embed(self, texts: Sequence[str]) -> Metered[list[float]]:
        """Return one vector a text, with the usage of the call; see :class:`InferenceProvider`."""
        checked = checked_texts(texts)
        self._need("embed")
        if not checked:
            return Metered([])
        async with self._gate.slot():
            return await self._embed(checked)

    async def classify(self, text: str, labels: Sequence[str]) -> Metered[tuple[str, float]]:
        """Return each label with its score, the best first; see :class:`InferenceProvider`."""
        text = text_of(text, "text", MAX_TEXT_CHARS)
        names = checked_labels(labels)
        self._need("classify")
        async with self._gate.slot():
            return await self._classify(text, names)

    async def chat(self, request: ChatRequest) -> Reply:
        """Continue a conversation; return the model's whole reply. Raises what :meth:`infer` does."""
        self._need_model(expect(request, ChatRequest, "a request"))
        async with self._gate.slot():
            return await self._chat(request)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Piece, None]:
        """Continue a conversation; yield the reply's text as it comes, and last the whole :class:`Reply`.

        Close it (``contextlib.aclosing``) if it is not read to its end: its slot is held until then.
        """
        self._need_model(expect(request, ChatRequest, "a request"))
        async with self._gate.slot(), aclosing(self._stream(request)) as pieces:
            async for piece in pieces:
                yield piece

    async def aclose(self) -> None:
        """Let go of connections and models. A provider without any does nothing."""

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def _need(self, part: Part) -> None:
        reason = self.lacks(part)
        if reason is not None:
            raise InferenceRefused(reason, part=part)

    def _need_model(self, request: ChatRequest) -> None:
        reason = self.lacks("infer") if request.model is None else self.lacks_key()
        if reason is not None:
            raise InferenceRefused(reason, part="infer")

    async def _infer(self, request: InferRequest) -> Completion:
        raise InferenceRefused(f"the inference provider '{self.name}' has no infer", part="infer")

    async def _chat(self, request: ChatRequest) -> Reply:
        """Continue a conversation of one question by :meth:`_infer`; a provider that can do more overrides this."""
        if request.tools or len(request.messages) != 1 or request.messages[0].role != "user":
            raise InferenceRefused(f"the inference provider '{self.name}' answers single questions without tools only")
        asked = InferRequest(
            request.messages[0].text,
            request.system,
            request.max_tokens,
            request.temperature or 0.0,
            request.stop,
            request.seed,
        )
        return Reply.of(await self._infer(asked))

    async def _stream(self, request: ChatRequest) -> AsyncGenerator[Piece, None]:
        reply = await self._chat(request)
        if reply.text:
            yield Piece(reply.text)
        yield Piece(reply=reply)

    async def _embed(self, texts: list[str]) -> Metered[list[float]]:
        raise InferenceRefused(f"the inference provider '{self.name}' has no embed", part="embed")

    async def _classify(self, text: str, labels: list[str]) -> Metered[tuple[str, float]]:
        if self.lacks("embed") is None:
            return await self._classify_by_vectors(text, labels)
        return await self._classify_by_prompt(text, labels)

    async def _classify_by_vectors(self, text: str, labels: list[str]) -> Metered[tuple[str, float]]:
        vectors = await self._embed([text, *labels])
        return Metered(by_vectors(labels, vectors[0], vectors[1:]), vectors.usage, vectors.model)

    async def _classify_by_prompt(self, text: str, labels: list[str]) -> Metered[tuple[str, float]]:
        request = InferRequest(options(text, labels), system=QUESTION, max_tokens=MAX_ANSWER_TOKENS)
        answer = await self._infer(request)
        return Metered(chosen(labels, answer.text), answer.usage, answer.model)
