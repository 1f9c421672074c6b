"""Requests to a provider, checked once: bounds that hold for every provider, refused in one line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from headway.errors import InvalidInput, one_line
from headway.numbers import number_between, whole_number

MAX_PROMPT_CHARS = 1_000_000
"""The longest prompt, and the longest system text."""

MAX_TOKENS = 1_000_000
MAX_STOPS = 4
MAX_STOP_CHARS = 256
MAX_SEED = 2**31 - 1

MAX_TEXTS = 2048
MAX_TEXT_CHARS = 100_000
MAX_TEXTS_CHARS = 4_000_000
"""Texts of one embedding call: so many, each so long, together so long."""

MAX_LABELS = 100
MAX_LABEL_CHARS = 200


class InferRequest(msgspec.Struct, frozen=True):
    """One question to a model.

    ``max_tokens`` None leaves the length to the provider, ``temperature`` 0 asks for the likeliest answer, ``stop``
    ends the answer before any of these texts, ``seed`` asks for the same answer each time.
    """

    prompt: str
    system: str | None = None
    max_tokens: int | None = None
    temperature: float = 0.0
    stop: tuple[str, ...] = ()
    seed: int | None = None

    @classmethod
    def checked(cls, prompt: Any, system: Any, max_tokens: Any, temperature: Any, stop: Any, seed: Any) -> InferRequest:
        """Return the request; ``InvalidInput`` for what no model could be asked."""
        return cls(
            prompt=text_of(prompt, "prompt", MAX_PROMPT_CHARS),
            system=None if system is None else text_of(system, "system", MAX_PROMPT_CHARS),
            max_tokens=None if max_tokens is None else _up_to(max_tokens, "max_tokens", 1, MAX_TOKENS),
            temperature=number_between(temperature, "temperature", 0.0, 2.0),
            stop=tuple(_texts(stop, "stop", 0, MAX_STOPS, MAX_STOP_CHARS, empty=False)),
            seed=None if seed is None else _up_to(seed, "seed", 0, MAX_SEED),
        )


def checked_texts(texts: Any) -> list[str]:
    """Return the texts of an embedding call as a list; an empty text and an empty list are allowed."""
    found = _texts(texts, "texts", 0, MAX_TEXTS, MAX_TEXT_CHARS)
    total = sum(map(len, found))
    if total > MAX_TEXTS_CHARS:
        raise InvalidInput(f"texts are {total:,} characters together; the limit is {MAX_TEXTS_CHARS:,}")
    return found


def checked_labels(labels: Any) -> list[str]:
    """Return the labels of a classification as a list: distinct, none empty."""
    found = _texts(labels, "labels", 1, MAX_LABELS, MAX_LABEL_CHARS, empty=False)
    seen: set[str] = set()
    for label in found:
        if label in seen:
            raise InvalidInput(f"label '{one_line(label, 80)}' is there twice")
        seen.add(label)
    return found


def text_of(value: Any, what: str, longest: int, *, empty: bool = True) -> str:
    """Return ``value`` if it is a text of at most ``longest`` characters that UTF-8 can hold."""
    if not isinstance(value, str):
        raise InvalidInput(f"{what} must be a text, not {type(value).__name__}")
    if len(value) > longest:
        raise InvalidInput(f"{what} is {len(value):,} characters; the limit is {longest:,}")
    if not empty and not value.strip():
        raise InvalidInput(f"{what} must not be empty")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidInput(f"{what} holds half a surrogate pair, which is no character") from None
    return value


def _texts(value: Any, what: str, fewest: int, most: int, longest: int, *, empty: bool = True) -> list[str]:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise InvalidInput(f"{what} must be a list of texts, not {type(value).__name__}")
    if not fewest <= len(value) <= most:
        raise InvalidInput(f"{what} must hold {fewest} to {most:,} texts, not {len(value):,}")
    return [text_of(item, f"{what}[{index}]", longest, empty=empty) for index, item in enumerate(value)]


def _up_to(value: Any, what: str, least: int, most: int) -> int:
    number = whole_number(value, what, least)
    if number > most:
        raise InvalidInput(f"{what} must be at most {most:,}")
    return number
