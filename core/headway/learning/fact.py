"""A fact: one thing worth remembering."""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec

from headway.errors import InvalidInput
from headway.numbers import number_between, whole_number

LONGEST_SUBJECT = 256
LONGEST_BODY = 8192


class FactKind(StrEnum):
    """The purpose of a fact. A ``constraint`` is hard: it is in every context, and neither fades nor makes room."""

    IDENTITY = "identity"
    CONSTRAINT = "constraint"
    FACT = "fact"
    CONVERSATION = "conversation"
    ENVIRONMENT = "environment"
    UNKNOWN = "unknown"


_KINDS = tuple(FactKind)

LASTING = frozenset({FactKind.IDENTITY, FactKind.CONSTRAINT})
"""Kinds that do not fade."""


class Fact(msgspec.Struct, frozen=True):
    """A piece of knowledge of ``subject``. ``confidence`` is from 0 to 1.

    ``timestamp`` (ms since 1970) is when it was last told; ``decayed_ms`` up to when its confidence has faded already.
    Raises :class:`InvalidInput` for a field that cannot be.
    """

    subject: str
    body: str
    kind: FactKind = FactKind.FACT
    confidence: float = 1.0
    timestamp: int = 0
    decayed_ms: int = 0

    def __post_init__(self) -> None:
        _plain(self.subject, "subject", LONGEST_SUBJECT)
        _plain(self.body, "body", LONGEST_BODY)
        if not isinstance(self.kind, FactKind):
            raise InvalidInput("a fact's kind must be a FactKind")
        number_between(self.confidence, "a fact's confidence", 0, 1)
        whole_number(self.timestamp, "a fact's timestamp", 0)
        whole_number(self.decayed_ms, "a fact's decayed_ms", 0)

    @property
    def id(self) -> str:
        """The fact's name: 16 hexadecimal digits of its kind, subject and body."""
        parts = "\0".join((self.kind.value, self.subject, self.body))
        return hashlib.sha256(parts.encode()).hexdigest()[:16]


def kind_of(value: object) -> FactKind:
    """Return the kind of that name; :class:`InvalidInput` names those there are."""
    if not isinstance(value, str) or value not in _KINDS:
        raise InvalidInput(f"a fact's kind is one of {', '.join(_KINDS)}")
    return FactKind(value)


def _plain(value: object, field: str, most: int) -> None:
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(f"a fact's {field} must be a string that is not empty")
    if len(value) > most:
        raise InvalidInput(f"a fact's {field} is longer than {most:,} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"a fact's {field} has a lone surrogate") from None
    if "\0" in value:
        raise InvalidInput(f"a fact's {field} has a NUL")
