"""``Secret``: a text that shows itself to nobody but who asks for it by name."""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Any, NoReturn, Self

from headway.arguments import plain_or_empty

HIDDEN = "**********"
"""The text that stands for a value that is not shown."""

SECRET_SCHEMA: dict[str, Any] = {"type": "string", "format": "password", "writeOnly": True}
"""The JSON Schema of a parameter that takes a secret."""

MOST = 64 * 1024
"""The longest secret, in characters."""

_KEY = os.urandom(32)


def keyed_digest(data: bytes) -> str:
    """Return a digest of ``data`` under a key that this process alone has and that is kept nowhere."""
    return hashlib.blake2b(data, key=_KEY, digest_size=32).hexdigest()


class Secret:
    """A secret text: as the annotation of a tool's parameter, and as a value in memory.

    ``repr``, ``str``, ``format``, JSON and pydantic show ``**********``; it is not pickled, a copy is the same object.
    Comparing takes the same time whatever is compared. :meth:`reveal` alone returns the text. A parameter annotated
    with it is marked in the tool's schema (``format: password``, ``writeOnly``) and takes ``secret://NAME`` in a plan.

    Raises :class:`headway.errors.InvalidInput` for what is no text.
    """

    __slots__ = ("__weakref__", "_hidden", "_reference")

    def __init__(self, value: str) -> None:
        object.__setattr__(self, "_hidden", plain_or_empty(value, "a secret", MOST))
        object.__setattr__(self, "_reference", None)

    def reveal(self) -> str:
        """Return the secret text."""
        value: str = self._hidden  # type: ignore[attr-defined] # set past __setattr__
        return value

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a Secret does not change")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a Secret does not change")

    def __repr__(self) -> str:
        return f"Secret('{HIDDEN}')"

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return format(HIDDEN, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes_of(self), _bytes_of(other))

    def __hash__(self) -> int:
        return hash(keyed_digest(_bytes_of(self)))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: dict[int, Any]) -> Self:
        return self

    def __reduce_ex__(self, _: object) -> NoReturn:
        raise TypeError("a Secret is not pickled: its value would be written in clear")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled: its value would be written in clear")

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        from pydantic_core import core_schema

        from_text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema(strict=True))
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json"),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: Any, _handler: Any) -> dict[str, Any]:
        return dict(SECRET_SCHEMA)


def _bytes_of(secret: Secret) -> bytes:
    return secret.reveal().encode("utf-8", "surrogatepass")
