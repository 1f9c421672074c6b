"""Likeness in meaning, by a model that turns texts into vectors."""

from __future__ import annotations

import math
import operator
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from headway.errors import HeadwayError, InvalidInput, describe

BATCH = 256
LONGEST_VECTOR = 8192


class Embedder(Protocol):
    """The part of an inference provider that retrieval uses."""

    async def embed(self, texts: list[str]) -> list[list[float]]:
        """Return one vector a text, all of one length."""


class Vectors:
    """The vectors of a memory's facts, made once. ``problem`` says why the last call had none."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._vectors: dict[str, array[float]] = {}
        self.problem: str | None = None

    def forget(self, key: str) -> None:
        """Forget the vector of a fact."""
        self._vectors.pop(key, None)

    async def likeness(self, query: str, texts: Mapping[str, str]) -> dict[str, float] | None:
        """Return how like each text is to the query, from 0 to 1, or None if the embedder does not do its part."""
        try:
            missing = [key for key in texts if key not in self._vectors]
            for start in range(0, len(missing), BATCH):
                keys = missing[start : start + BATCH]
                self._vectors.update(zip(keys, await self._embed([texts[key] for key in keys]), strict=True))
            (asked,) = await self._embed([query])
            found = {key: _cosine(asked, self._vectors[key]) for key in texts if key in self._vectors}
        except HeadwayError as error:
            self.problem = error.message
            return None
        except Exception as error:  # noqa: BLE001 - foreign code
            self.problem = describe(error)
            return None
        self.problem = None
        return found

    async def _embed(self, texts: list[str]) -> list[array[float]]:
        answer: Any = await self._embedder.embed(texts)
        if not isinstance(answer, Sequence) or len(answer) != len(texts):
            raise InvalidInput("the embedder did not give one vector a text")
        return [_unit(vector) for vector in answer]


def _unit(vector: Any) -> array[float]:
    """Return a vector of length 1 as floats; :class:`InvalidInput` for what is none."""
    try:
        numbers = array("d", vector)
    except (TypeError, ValueError, OverflowError):
        raise InvalidInput("the embedder gave a vector that is no list of numbers") from None
    if not 0 < len(numbers) <= LONGEST_VECTOR or not all(map(math.isfinite, numbers)):
        raise InvalidInput(f"the embedder gave a vector that is not 1 to {LONGEST_VECTOR} finite numbers")
    length = math.hypot(*numbers)
    return array("f", (number / length for number in numbers)) if length else array("f", numbers)


def _cosine(one: array[float], two: array[float]) -> float:
    if len(one) != len(two):
        raise InvalidInput("the embedder gave vectors of different lengths")
    product: float = sum(map(operator.mul, one, two))
    return min(1.0, max(0.0, product))
