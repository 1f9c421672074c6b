"""A finding of ``headway doctor``."""

from __future__ import annotations

from typing import Literal

import msgspec

Status = Literal["ok", "warn", "fail"]


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line: ``name`` is what was looked at, ``text`` what was found, ``remedy`` what to do about it."""

    status: Status
    name: str
    text: str
    remedy: str = ""
