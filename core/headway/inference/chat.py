"""Conversations with a model: messages, tools that it may call, its replies, whole or piece by piece."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from headway.arguments import expect, expect_many
from headway.errors import InferenceError, InvalidInput, one_line
from headway.inference.answer import Completion, Usage, estimate_tokens
from headway.inference.request import MAX_PROMPT_CHARS, InferRequest, text_of

MAX_MESSAGES = 10_000
MAX_CHAT_CHARS = 8_000_000
MAX_TOOLS = 256
MAX_NAME_CHARS = 256

Role = Literal["user", "assistant", "tool"]


class ToolCall(msgspec.Struct, frozen=True):
    """A model's wish to have a tool called. ``id`` is the service's, by which the tool's answer is told from others."""

    id: str
    name: str
    arguments: dict[str, Any] = msgspec.field(default_factory=dict)


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message. ``calls`` are those of an assistant; ``call_id`` and ``name`` say which call a tool answers.

    ``failed``: the text is the tool's error.
    """

    role: Role
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    call_id: str | None = None
    name: str | None = None
    failed: bool = False

    def __post_init__(self) -> None:
        if self.role not in ("user", "assistant", "tool"):
            raise InvalidInput("a message's role is user, assistant or tool")
        text_of(self.text, "a message", MAX_PROMPT_CHARS)
        if self.calls and self.role != "assistant":
            raise InvalidInput("only an assistant's message has calls")
        if (self.role == "tool") != (self.call_id is not None):
            raise InvalidInput("a tool's message, and no other, has the call_id that it answers")


def _anything() -> dict[str, Any]:
    return {"type": "object", "properties": {}}


class ToolOffer(msgspec.Struct, frozen=True):
    """A tool that the model may ask for. ``parameters`` is a JSON Schema of an object."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = msgspec.field(default_factory=_anything)


class ChatRequest(msgspec.Struct, frozen=True):
    """A conversation to be continued. ``model`` None is the provider's own."""

    messages: tuple[Message, ...]
    system: str | None = None
    tools: tuple[ToolOffer, ...] = ()
    model: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None

    @classmethod
    def of(
        cls,
        messages: Sequence[Message] | str,
        *,
        system: str | None = None,
        tools: Sequence[ToolOffer] = (),
        model: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        stop: Sequence[str] = (),
        seed: int | None = None,
    ) -> ChatRequest:
        """Return the request, checked; a text is one message of a user. Raises ``InvalidInput`` in one line."""
        given = (Message("user", messages),) if isinstance(messages, str) else tuple(expect_many(messages, "messages"))
        if not 0 < len(given) <= MAX_MESSAGES or not all(isinstance(one, Message) for one in given):
            raise InvalidInput(f"messages must be 1 to {MAX_MESSAGES:,} of Message")
        if sum(len(one.text) for one in given) > MAX_CHAT_CHARS:
            raise InvalidInput(f"messages are more than {MAX_CHAT_CHARS:,} characters together")
        checked = InferRequest.checked("", system, max_tokens, 0.0 if temperature is None else temperature, stop, seed)
        offers = tuple(_checked(offer) for offer in expect_many(tools, "tools"))
        if len(offers) > MAX_TOOLS or len({offer.name for offer in offers}) < len(offers):
            raise InvalidInput(f"tools must be at most {MAX_TOOLS}, each name once")
        if model is not None:
            text_of(model, "model", MAX_NAME_CHARS, empty=False)
        return cls(
            given,
            checked.system,
            offers,
            model,
            checked.max_tokens,
            None if temperature is None else checked.temperature,
            checked.stop,
            checked.seed,
        )

    @classmethod
    def asking(cls, request: InferRequest) -> ChatRequest:
        """Return a single question as a conversation."""
        expect(request, InferRequest, "a question")
        return cls(
            (Message("user", request.prompt),),
            request.system,
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            stop=request.stop,
            seed=request.seed,
        )

    def tokens(self) -> int:
        """Return about how many tokens it is."""
        called = [msgspec.json.encode(call.arguments).decode() for one in self.messages for call in one.calls]
        return estimate_tokens(self.system, *(one.text for one in self.messages), *called)


class Reply(msgspec.Struct, frozen=True):
    """A model's reply: a text, calls of tools, or both.

    ``finish_reason`` is ``stop``, ``length``, ``tool_calls`` or ``content_filter``; services have others.
    """

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    usage: Usage = Usage()
    model: str = ""
    finish_reason: str = "stop"

    @classmethod
    def of(cls, completion: Completion) -> Reply:
        """Return a completion as a reply without calls."""
        expect(completion, Completion, "a completion")
        return cls(completion.text, (), completion.usage, completion.model, completion.finish_reason)

    def message(self) -> Message:
        """Return the reply as a message of the conversation."""
        return Message("assistant", self.text, self.calls)

    def completion(self) -> Completion:
        """Return the reply's text as a completion."""
        return Completion(self.text, self.usage, self.model, self.finish_reason)


class Piece(msgspec.Struct, frozen=True):
    """A part of a reply as it comes: some ``text``; the last piece has the whole ``reply`` and no text."""

    text: str = ""
    reply: Reply | None = None


def _checked(offer: object) -> ToolOffer:
    """Return an offered tool; ``InvalidInput`` for fields that are of other kinds, or too long."""
    made = expect(offer, ToolOffer, "an offered tool")
    text_of(made.name, "an offered tool's name", MAX_NAME_CHARS, empty=False)
    text_of(made.description, "an offered tool's description", MAX_PROMPT_CHARS)
    expect(made.parameters, dict, "an offered tool's parameters")
    return made


def tool_call(id: Any, name: Any, arguments: Any) -> ToolCall:  # noqa: A002 - the field's name
    """Return a call as a service wrote it; ``InferenceError`` if it is none. Arguments may be JSON in a text."""
    found = arguments
    if isinstance(arguments, str | bytes):
        try:
            found = msgspec.json.decode(arguments or b"{}")
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            found = None
    if not isinstance(name, str) or not name or not isinstance(found, Mapping) or not isinstance(id, str) or not id:
        told = one_line(name, 80) if isinstance(name, str) else "a tool"
        raise InferenceError(f"the model calls '{told}' with something that is no JSON object")
    return ToolCall(id, name, dict(found))
