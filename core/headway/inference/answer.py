"""The answers of a provider, and what they used and cost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from headway.numbers import whole_number

T = TypeVar("T")


class Prices(msgspec.Struct, frozen=True):
    """The price of tokens: micro-dollars per million tokens, as integers.

    The price list's "$0.15 per million input tokens" is ``input=150_000``.
    """

    input: int = 0
    output: int = 0

    def __post_init__(self) -> None:
        whole_number(self.input, "price of input tokens", 0)
        whole_number(self.output, "price of output tokens", 0)

    def cost(self, input_tokens: int, output_tokens: int) -> int:
        """Return the cost in micro-dollars, rounded up: a budget must not count too little."""
        return -(-(input_tokens * self.input + output_tokens * self.output) // 1_000_000)


class Usage(msgspec.Struct, frozen=True):
    """The usage of one call.

    ``estimated``: the service told no tokens, these are a quarter of the bytes of text. ``cost`` is in millionths of
    a US dollar, None where no price is known.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False
    cost: int | None = None

    def __add__(self, other: Usage) -> Usage:
        """Return both together; the cost is known only where both are."""
        known = self.cost is not None and other.cost is not None
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.estimated or other.estimated,
            (self.cost or 0) + (other.cost or 0) if known else None,
        )

    def priced(self, prices: Prices | None) -> Usage:
        """Return the same with its cost at ``prices``; without prices, unchanged."""
        if prices is None:
            return self
        return msgspec.structs.replace(self, cost=prices.cost(self.input_tokens, self.output_tokens))


class Completion(msgspec.Struct, frozen=True):
    """A model's answer.

    ``finish_reason`` is ``stop`` where the model was done or met a stop text, ``length`` where ``max_tokens`` or the
    context cut it; services have others. ``model`` is the name of the model that answered.
    """

    text: str
    usage: Usage = Usage()
    model: str = ""
    finish_reason: str = "stop"


class Metered(list[T]):
    """A list that knows what it cost to make: ``usage`` and ``model``. Vectors and ranked labels come as one."""

    __slots__ = ("model", "usage")

    def __init__(self, items: Iterable[T], usage: Usage | None = None, model: str = "") -> None:
        super().__init__(items)
        self.usage = Usage() if usage is None else usage
        self.model = model


def estimate_tokens(*texts: str | None) -> int:
    """Return about how many tokens ``texts`` are: one for each four bytes of UTF-8, rounded up."""
    return -(-sum(len(text.encode()) for text in texts if text) // 4)
