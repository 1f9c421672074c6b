"""Inference by a service over HTTP: the vendors', and vLLM, llama.cpp, Ollama and their like."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Literal

import msgspec

from headway.arguments import shown_value
from headway.clock import SYSTEM_CLOCK, Clock, clock_of
from headway.egress.door import Door
from headway.egress.frames import FrameReader
from headway.errors import EgressError, InferenceError, InferenceRefused, InvalidInput
from headway.inference import wire
from headway.inference.answer import Completion, Metered, Prices
from headway.inference.chat import ChatRequest, Piece, Reply
from headway.inference.dialects import table
from headway.inference.dialects.openai_chat import OpenAIChat
from headway.inference.key import Key, environment_key
from headway.inference.provider import Part, Provider
from headway.inference.request import InferRequest
from headway.inference.service import Limits, Service, checked_url

MAX_RESPONSE_BYTES = 32 * 1024 * 1024


class HttpProvider(Provider):
    """A service at ``base_url``, such as ``https://api.openai.com/v1``.

    ``model`` answers prompts, ``embedding_model`` makes vectors; a part without its model is lacking. ``classify``
    compares vectors where there is an embedding model; else, or with ``classify_by="prompt"``, the model chooses and
    the scores are 1.0 and 0.0.

    ``dialect`` is how the service writes: ``openai`` (chat completions), ``openai-responses``, ``anthropic`` or
    ``gemini``. Embeddings are OpenAI's.

    ``api_key_env`` names the environment variable that holds the key. It is read at each call and kept nowhere: the
    key is in no ``repr``, log, error or event. It is sent over TLS or to this machine only. ``key`` is one
    that comes from elsewhere.

    ``timeout`` bounds one try, in seconds; connecting may take ``connect_timeout`` of it. A 429, a 5xx and a broken
    connection are tried again, up to ``retries`` times, after 0.5 s, 1 s, 2 s, … or what ``Retry-After`` asks for; a
    service that asks for more than ``max_wait`` seconds is not waited for. These waits are on ``clock``.
    ``prices`` maps model names to what their tokens cost. ``length_field`` is the name that the service gives to
    ``max_tokens``. ``door`` is what it is asked through: without one, a door to public addresses and this machine.

    Raises ``InvalidInput`` for settings that make no sense.
    """

    def __init__(
        self,
        base_url: str,
        *,
        model: str | None = None,
        embedding_model: str | None = None,
        api_key_env: str | None = None,
        classify_by: Literal["vectors", "prompt"] | None = None,
        prices: Mapping[str, Prices] | None = None,
        timeout: float = 120.0,
        connect_timeout: float = 10.0,
        retries: int = 2,
        max_wait: float = 60.0,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        max_concurrency: int = 8,
        length_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens",
        clock: Clock = SYSTEM_CLOCK,
        door: Door | None = None,
        dialect: str = "openai",
        key: Key | None = None,
    ) -> None:
        super().__init__(max_concurrency=max_concurrency)
        if classify_by not in (None, "vectors", "prompt"):
            raise InvalidInput("classify_by must be vectors or prompt")
        if length_field not in ("max_tokens", "max_completion_tokens"):
            raise InvalidInput("length_field must be max_tokens or max_completion_tokens")
        if door is not None and not isinstance(door, Door):
            raise InvalidInput(f"door must be a Door, not {shown_value(door)}")
        if key is not None and not isinstance(key, Key):
            raise InvalidInput("key must be a Key")
        self.model = _name(model, "model")
        self.embedding_model = _name(embedding_model, "embedding_model")
        self.classify_by = classify_by or ("prompt" if embedding_model is None else "vectors")
        speaks = table.dialect(dialect)
        self.dialect = OpenAIChat(length_field) if isinstance(speaks, OpenAIChat) else speaks
        if embedding_model is not None and not dialect.startswith("openai"):
            raise InvalidInput(f"the {dialect} dialect has no embeddings: leave embedding_model out")
        self._prices = _checked_prices(prices)
        variable = _name(api_key_env, "api_key_env")
        sent = key if variable is None else environment_key(variable)
        url = checked_url(base_url, with_key=sent is not None)
        limits = Limits(timeout, connect_timeout, retries, max_wait, max_response_bytes)
        self._service = Service(
            url,
            sent,
            limits,
            (Door() if door is None else door).to(
                url.host, connections=max_concurrency, connect_timeout=connect_timeout, clock=clock_of(clock)
            ),
            clock,
            self.dialect.sign,
            self.dialect.headers(),
        )
        self.name = self._service.name

    def __repr__(self) -> str:
        return f"HttpProvider('{self._service.url}', model={self.model!r}, embedding_model={self.embedding_model!r})"

    def lacks(self, part: Part) -> str | None:
        """Return why ``part`` cannot be: no model for it, or no key in the environment."""
        by_vectors = part == "embed" or (part == "classify" and self.classify_by == "vectors")
        if (self.embedding_model if by_vectors else self.model) is None:
            wanted = "embedding_model" if by_vectors else "model"
            return f"the inference provider '{self.name}' has no {part}: it needs {wanted}=…"
        return self._service.key_problem()

    def lacks_key(self) -> str | None:
        """Return why the key cannot be sent."""
        return self._service.key_problem()

    async def aclose(self) -> None:
        """Close the running loop's connections."""
        await self._service.aclose()

    async def _infer(self, request: InferRequest) -> Completion:
        return (await self._chat(ChatRequest.asking(request))).completion()

    async def _chat(self, request: ChatRequest) -> Reply:
        model = self._model_of(request)
        body = self.dialect.body(request, model, stream=False)
        answer = await self._service.ask(self.dialect.endpoint(model, stream=False), encoded(body))
        return self._priced(self.dialect.read(self.dialect.decode(answer), request, model), model)

    async def _stream(self, request: ChatRequest) -> AsyncGenerator[Piece, None]:
        model = self._model_of(request)
        body = encoded(self.dialect.body(request, model, stream=True))
        reader, frames = self.dialect.reader(request, model), FrameReader(MAX_RESPONSE_BYTES)
        async with self._service.stream(self.dialect.endpoint(model, stream=True), body) as chunks:
            try:
                async for chunk in chunks:
                    for frame in frames.feed(chunk):
                        if text := reader.feed(frame.data):
                            yield Piece(text)
            except EgressError as error:
                raise InferenceError(error.message) from None
        yield Piece(reply=self._priced(reader.reply(), model))

    def _model_of(self, request: ChatRequest) -> str:
        model = self.model if request.model is None else request.model
        if model is None:
            raise InferenceRefused(f"the inference provider '{self.name}' needs model=…", part="infer")
        return model

    def _priced(self, reply: Reply, model: str) -> Reply:
        return msgspec.structs.replace(reply, usage=reply.usage.priced(self._prices.get(model)))

    async def _embed(self, texts: list[str]) -> Metered[list[float]]:
        assert self.embedding_model is not None
        body = await self._service.ask("embeddings", wire.embeddings_body(texts, self.embedding_model))
        vectors = wire.read_vectors(body, texts, self.embedding_model)
        return Metered(vectors, vectors.usage.priced(self._prices.get(self.embedding_model)), vectors.model)

    async def _classify(self, text: str, labels: list[str]) -> Metered[tuple[str, float]]:
        if self.classify_by == "vectors":
            return await self._classify_by_vectors(text, labels)
        return await self._classify_by_prompt(text, labels)


def encoded(body: dict[str, Any]) -> bytes:
    """Return a request's body; ``InvalidInput`` for what JSON cannot hold."""
    try:
        return msgspec.json.encode(body)
    except (TypeError, ValueError, RecursionError, UnicodeError) as error:
        raise InvalidInput(f"the conversation cannot be written as JSON: {type(error).__name__}") from None


def _name(value: object, what: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= 256 or not value.isprintable() or value != value.strip():
        raise InvalidInput(f"{what} must be a name of 1 to 256 printable characters")
    return value


def _checked_prices(prices: object) -> dict[str, Prices]:
    if prices is None:
        return {}
    if not isinstance(prices, Mapping):
        raise InvalidInput("prices must map model names to Prices")
    for model, price in prices.items():
        if not isinstance(model, str) or not isinstance(price, Prices):
            raise InvalidInput(f"prices must map model names to Prices, not {shown_value(model)}")
    return dict(prices)
