"""References to secrets: ``secret://NAME`` in plans, and ``secret://~id`` for a ``Secret`` in memory."""

from __future__ import annotations

import os
import re
import weakref
from collections import deque
from collections.abc import Mapping
from typing import Any

import msgspec

from headway.errors import InvalidInput
from headway.secrets.secret import Secret

SCHEME = "secret://"

HELD = 4096
"""The newest secrets in memory that a plan may name though the program itself has let go of them."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_HELD_NAME = re.compile(r"~[0-9a-f]{32}")

_HELD_HINT = b'"secret://~'
_HELD_IN_JSON = re.compile(rb'"secret://(~[0-9a-f]{32})"')

_held: weakref.WeakValueDictionary[str, Secret] = weakref.WeakValueDictionary()
_newest: deque[Secret] = deque(maxlen=HELD)


def is_name(text: str) -> bool:
    """Return whether a secret may be declared under this name: letters, digits, ``_``, ``.``, ``-``; at most 128."""
    return _NAME.fullmatch(text) is not None


def name_in(text: object) -> str | None:
    """Return the name that ``text`` refers to as a whole, ``~id`` for one in memory; None if it is no reference."""
    if not isinstance(text, str) or not text.startswith(SCHEME):
        return None
    name = text[len(SCHEME) :]
    return name if _NAME.fullmatch(name) or _HELD_NAME.fullmatch(name) else None


def is_held(name: str) -> bool:
    """Return whether this is the name of a secret in memory."""
    return name[:1] == "~"


def hold(secret: Secret) -> str:
    """Return the reference by which a plan names a secret in memory; the same for the same object.

    It means something in this process only, and only while the secret lives.
    """
    name: str | None = secret._reference  # type: ignore[attr-defined] # set past __setattr__
    if name is None:
        name = f"~{os.urandom(16).hex()}"
        object.__setattr__(secret, "_reference", name)
        _held[name] = secret
    _newest.append(secret)
    return SCHEME + name


def held(name: str) -> Secret | None:
    """Return the secret in memory of that name (``~id``), None if it is gone or was another process's."""
    return _held.get(name)


def names_held(plan: Any) -> set[str]:
    """Return the names of secrets in memory that a plan refers to, as JSON or as a model of it."""
    encoded: bytes = msgspec.json.encode(plan)
    return {name.decode() for name in _HELD_IN_JSON.findall(encoded)} if _HELD_HINT in encoded else set()


def without_secrets(value: Any) -> Any:
    """Return a plan's data with each :class:`Secret` in it replaced by its reference; itself if there is none.

    Raises :class:`InvalidInput` for one that is the key of an object.
    """
    if isinstance(value, Secret):
        return hold(value)
    if isinstance(value, Mapping):
        made: dict[Any, Any] = {}
        changed = False
        for key, item in value.items():
            if isinstance(key, Secret):
                raise InvalidInput("a Secret cannot be the name of a parameter")
            made[key] = new = without_secrets(item)
            changed = changed or new is not item
        return made if changed else value
    if isinstance(value, list | tuple):
        items = [without_secrets(item) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value
