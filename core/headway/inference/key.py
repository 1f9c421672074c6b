"""The key of a service: where it comes from. It is read at each call and kept nowhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from headway.errors import SecretUnavailable


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """A key by the name of its place: ``where`` is what errors call it, ``ask`` how one is told to set it."""

    where: str
    ask: str
    read: Callable[[], str]

    def __repr__(self) -> str:
        return f"Key({self.where})"

    def problem(self, service: str) -> str | None:
        """Return why the key cannot be sent to ``service``, None if it can."""
        try:
            key = self.read().strip()
        except SecretUnavailable as error:
            return f"{service} needs a key: {error.message}"
        if not key:
            return f"{service} needs a key: {self.ask}"
        if not (key.isascii() and key.isprintable()) or " " in key:
            return f"the key in {self.where} holds characters that no key has"
        return None


def environment_key(variable: str) -> Key:
    """Return the key in an environment variable."""
    return Key(variable, f"set the environment variable {variable}", lambda: os.environ.get(variable, ""))


def secret_key(name: str, read: Callable[[], str]) -> Key:
    """Return the key that is the declared secret ``name``, as a vault reads it."""
    return Key(f"secret '{name}'", f"set the secret '{name}'", read)
