"""A provider that says what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import re
import zlib
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import msgspec

from headway.errors import InferenceError
from headway.inference.answer import Completion, Metered, Prices, Usage, estimate_tokens
from headway.inference.chat import ChatRequest, Piece, Reply
from headway.inference.provider import PARTS, Part, Provider
from headway.inference.ranking import by_vectors
from headway.inference.request import InferRequest

Said = str | Completion | Reply
Answer = Said | BaseException | Callable[[Any], Said]
"""An answer of the script: a text, a whole completion or reply, an error to raise, or a function of the request."""

DIMENSIONS = 64
_WORD = re.compile(r"\w+")
_PIECE = re.compile(r"\s*\S+\s*|\s+")


class InferenceCall(msgspec.Struct, frozen=True):
    """One call that the provider got. ``request`` is that of an ``infer``, ``texts`` those of the other two:
    the texts to embed, or the text to classify and its labels.
    """

    part: Part
    request: InferRequest | ChatRequest | None = None
    texts: tuple[str, ...] = ()


class ScriptedProvider(Provider):
    """An :class:`~headway.inference.provider.InferenceProvider` for tests.

    ``infer``, ``chat`` and ``stream`` (word by word) give the answer of the first rule that fits the prompt, or a
    conversation's last message (:meth:`when`), else the next of ``answers``, else ``default``; with none of them they
    fail. ``embed`` counts words into 64 buckets, so that texts with words in common point alike, the same way on every
    machine. ``classify`` compares those vectors, unless :meth:`label` says otherwise. Tokens are a quarter of the
    bytes, priced by ``prices``. ``without`` names parts that it lacks.
    """

    name = "scripted"

    def __init__(
        self,
        *answers: Answer,
        default: Answer | None = None,
        without: Sequence[Part] = (),
        prices: Prices | None = None,
        max_concurrency: int = 8,
    ) -> None:
        super().__init__(max_concurrency=max_concurrency)
        self.calls: list[InferenceCall] = []
        self.default = default
        self._queue: deque[Answer] = deque(answers)
        self._rules: list[tuple[str | re.Pattern[str], Answer]] = []
        self._labels: list[tuple[str | re.Pattern[str], str]] = []
        self._failures: dict[Part, deque[BaseException]] = {part: deque() for part in PARTS}
        self._without = frozenset(without)
        self._prices = prices

    @property
    def prompts(self) -> list[str]:
        """The prompts that it got, in order."""
        return [_prompt(call.request) for call in self.calls if call.request is not None]

    def queue(self, *answers: Answer) -> ScriptedProvider:
        """Answer the next prompts that no rule fits with ``answers``, one each; return self."""
        self._queue.extend(answers)
        return self

    def when(self, match: str | re.Pattern[str], answer: Answer) -> ScriptedProvider:
        """Answer every prompt that holds the text, or that the pattern finds, with ``answer``; return self."""
        self._rules.append((match, answer))
        return self

    def label(self, match: str | re.Pattern[str], label: str) -> ScriptedProvider:
        """Sort every text that holds the text, or that the pattern finds, under ``label``; return self."""
        self._labels.append((match, label))
        return self

    def fail(self, error: BaseException, *, part: Part = "infer", times: int = 1) -> ScriptedProvider:
        """Raise ``error`` from the next ``times`` calls of ``part``; return self."""
        self._failures[part].extend([error] * times)
        return self

    def lacks(self, part: Part) -> str | None:
        """Return that ``part`` is missing if the constructor was told so."""
        return f"the inference provider '{self.name}' has no {part}" if part in self._without else None

    async def _infer(self, request: InferRequest) -> Completion:
        said = self._said(request)
        return said.completion() if isinstance(said, Reply) else said

    async def _chat(self, request: ChatRequest) -> Reply:
        said = self._said(request)
        return said if isinstance(said, Reply) else Reply.of(said)

    async def _stream(self, request: ChatRequest) -> AsyncGenerator[Piece, None]:
        reply = await self._chat(request)
        for word in _PIECE.findall(reply.text):
            yield Piece(word)
        yield Piece(reply=reply)

    def _said(self, request: InferRequest | ChatRequest) -> Completion | Reply:
        self._note(InferenceCall("infer", request))
        prompt = _prompt(request)
        answer = next((answer for match, answer in self._rules if _fits(match, prompt)), None)
        if answer is None:
            answer = self._queue.popleft() if self._queue else self.default
        if answer is None:
            raise InferenceError(f"the script has no answer to {prompt[:80]!r}")
        if isinstance(answer, BaseException):
            raise answer
        said = answer(request) if callable(answer) else answer
        if isinstance(said, Completion | Reply):
            return said
        read = request.tokens() if isinstance(request, ChatRequest) else estimate_tokens(request.system, request.prompt)
        usage = Usage(read, estimate_tokens(said))
        return Completion(said, usage.priced(self._prices), self.name)

    async def _embed(self, texts: list[str]) -> Metered[list[float]]:
        self._note(InferenceCall("embed", texts=tuple(texts)))
        return self._vectors(texts)

    async def _classify(self, text: str, labels: list[str]) -> Metered[tuple[str, float]]:
        self._note(InferenceCall("classify", texts=(text, *labels)))
        vectors = self._vectors([text, *labels])
        wanted = next((label for match, label in self._labels if label in labels and _fits(match, text)), None)
        if wanted is None:
            ranked = by_vectors(labels, vectors[0], vectors[1:])
        else:
            ranked = sorted(((label, float(label == wanted)) for label in labels), key=lambda pair: -pair[1])
        return Metered(ranked, vectors.usage, self.name)

    def _note(self, call: InferenceCall) -> None:
        """Remember ``call``; raise what it shall fail with."""
        self.calls.append(call)
        if self._failures[call.part]:
            raise self._failures[call.part].popleft()

    def _vectors(self, texts: list[str]) -> Metered[list[float]]:
        usage = Usage(estimate_tokens(*texts)).priced(self._prices)
        return Metered([_bag_of_words(text) for text in texts], usage, self.name)


def _prompt(request: InferRequest | ChatRequest) -> str:
    """Return the prompt, or the last message, of a request."""
    return request.prompt if isinstance(request, InferRequest) else request.messages[-1].text


def _fits(match: str | re.Pattern[str], text: str) -> bool:
    return match in text if isinstance(match, str) else match.search(text) is not None


def _bag_of_words(text: str) -> list[float]:
    counts = [0.0] * DIMENSIONS
    for word in _WORD.findall(text.casefold()):
        counts[zlib.crc32(word.encode()) % DIMENSIONS] += 1.0
    length = sum(count * count for count in counts) ** 0.5
    return [round(count / length, 6) for count in counts] if length else counts
