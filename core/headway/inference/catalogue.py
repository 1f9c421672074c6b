"""The catalogue of known models: ``catalogue.toml`` beside this file, overridden by configuration."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from headway.inference.answer import Prices


class ModelInfo(msgspec.Struct, frozen=True):
    """What is known of a model: the tokens that fit (``context``), that it writes at most (``output``), its prices.

    Prices are micro-dollars per million tokens. None is unknown.
    """

    id: str
    aliases: tuple[str, ...] = ()
    context: int | None = None
    output: int | None = None
    input_price: int | None = None
    output_price: int | None = None
    tools: bool = True

    @property
    def prices(self) -> Prices | None:
        """The prices, None unless both are known."""
        if self.input_price is None or self.output_price is None:
            return None
        return Prices(self.input_price, self.output_price)


class Known(NamedTuple):
    """What the catalogue knows of a vendor."""

    default: str
    models: tuple[ModelInfo, ...]


class _Vendor(msgspec.Struct, forbid_unknown_fields=True):
    default: str
    models: list[ModelInfo]


@cache
def catalogue() -> MappingProxyType[str, Known]:
    """Return the vendors' models, by the vendor's name."""
    text = Path(__file__).with_name("catalogue.toml").read_text(encoding="utf-8")
    read = msgspec.convert(tomllib.loads(text), dict[str, _Vendor])
    return MappingProxyType({name: Known(one.default, tuple(one.models)) for name, one in read.items()})


def merged(known: Iterable[ModelInfo], given: Iterable[ModelInfo]) -> tuple[ModelInfo, ...]:
    """Return models by id: those ``given`` take the place of those ``known``, and come first."""
    own = {one.id: one for one in given}
    return (*own.values(), *(one for one in known if one.id not in own))
