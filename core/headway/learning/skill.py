"""A skill: what runs have taught, small enough to read and to weigh."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from headway.errors import InvalidInput
from headway.numbers import whole_number

CANDIDATE = "@cand"
"""The end of the name of a provisional skill: ``<base>@cand`` is on trial for the place of ``<base>``."""

DEGRADED_BY = 2
"""A skill is degraded when its failures outnumber its successes by more than this."""

LONGEST_CODE = 64 * 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}(?:@cand)?")
_REFUSED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Unicode's Cc (but newline and tab), Zl, Zp and Cs, and what turns the order of the text around it."""

_REFUSED_IN_LINE = frozenset("\n\t")
_LINES = {"scope": 128, "domain": 128, "trigger": 1024}
_TEXTS = {"description": 4096, "when_to_apply": 4096, "code": LONGEST_CODE}
_COUNTS = ("success_count", "failure_count", "repairs", "weighed_at", "created_ms", "used_ms")


class DistilledSkill(msgspec.Struct, frozen=True):
    """One skill, with its record. Raises :class:`InvalidInput` for a field that cannot be.

    ``source`` says what taught it. A skill from a success is a plan's shape (``code`` is JSON:
    ``{"actions": [{"tool", "needs": [places]…}…]}``), and its counts are runs that went so. A skill from a failure is a
    pitfall (``code`` is ``{"tool", "error_class", "error_code"}``): ``success_count`` is how often it was met,
    ``failure_count`` how often its tool was called without. ``weighed_at`` is the number of trials at which its
    evolution was last tried. Times are ms since 1970.
    """

    name: str
    description: str = ""
    when_to_apply: str = ""
    scope: str = "global"
    source: Literal["success", "failure"] = "success"
    domain: str = "general"
    trigger: str = ""
    code: str = ""
    success_count: int = 0
    failure_count: int = 0
    revision: int = 1
    repairs: int = 0
    weighed_at: int = 0
    deprecated: bool = False
    created_ms: int = 0
    used_ms: int = 0

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.source not in ("success", "failure"):
            raise InvalidInput("a skill's source is success or failure")
        for field, most in _LINES.items():
            value = _text(getattr(self, field), field, most)
            if value != value.strip() or not _REFUSED_IN_LINE.isdisjoint(value):
                raise InvalidInput(f"a skill's {field} must be one line of plain text")
        for field, most in _TEXTS.items():
            _text(getattr(self, field), field, most)
        for field in _COUNTS:
            whole_number(getattr(self, field), f"a skill's {field}", 0)
        whole_number(self.revision, "a skill's revision", 1)
        if not isinstance(self.deprecated, bool):
            raise InvalidInput("a skill's deprecated must be true or false")

    @property
    def trials(self) -> int:
        """The number of times it was put to the test."""
        return self.success_count + self.failure_count

    @property
    def success_rate(self) -> float:
        """The share of trials that succeeded; 0.5 before the first."""
        return self.success_count / self.trials if self.trials else 0.5

    @property
    def degraded(self) -> bool:
        """True if it fails too often to be trusted: failures > successes + 2."""
        return self.failure_count > self.success_count + DEGRADED_BY

    @property
    def provisional(self) -> bool:
        """True if it is a candidate on trial."""
        return self.name.endswith(CANDIDATE)

    @property
    def base(self) -> str:
        """The name that it is, or wants to be, the skill of."""
        return self.name.removesuffix(CANDIDATE)


def check_name(name: object) -> str:
    """Return ``name`` if a skill can be called that; :class:`InvalidInput` otherwise."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidInput("a skill's name is up to 100 of a-z, 0-9 and . _ -, first a letter or digit")
    return name


def slug(text: str, most: int = 24) -> str:
    """Return ``text`` as part of a name."""
    return re.sub(r"[^a-z0-9]+", "-", text.casefold()[: 4 * most]).strip("-")[:most].strip("-") or "x"


def _text(value: object, field: str, most: int) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"a skill's {field} must be a string")
    if len(value) > most:
        raise InvalidInput(f"a skill's {field} is longer than {most:,} characters")
    if _REFUSED.search(value):
        raise InvalidInput(
            f"a skill's {field} must be plain text, without control characters, line separators, "
            "bidirectional overrides, embeddings and isolates, or lone surrogates"
        )
    return value
