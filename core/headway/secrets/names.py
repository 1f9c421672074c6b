"""Names that secrets go by, texts that look like secrets, and values with such texts masked.

Masking is for what is shown and exported; the log keeps what it was given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from headway.secrets.reference import SCHEME

REDACTED = "[redacted]"
"""The text that stands for a masked one."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_LAST = """
    password passwd passphrase passcode pwd pass secret authorization credential credentials cookie
    cookies apikey apitoken authtoken accesstoken refreshtoken privatekey secretkey accesskey clientsecret jwt
    otp bearer
"""
_LAST_TWO = """
    api-key private-key secret-key access-key signing-key encryption-key master-key session-key ssh-key
    auth-key account-key license-key recovery-code basic-auth connection-string
"""
_COUNTING = """
    max min num page next previous prev continuation resume sync stop start end first last eos bos pad unk mask cls sep
    cancel fencing per total each input output prompt
"""

_WORDS = frozenset(_LAST.split())
"""The words that make a name secret where they are its last."""

_PAIRS = frozenset(_LAST_TWO.split())
"""The pairs of words that make a name secret where they are its last."""

_COUNTED = frozenset(_COUNTING.split())
"""The words before ``token`` that make it a place in a list or a piece of text: nothing secret."""

_PATTERNS = re.compile(
    r"sk-[A-Za-z0-9_-]{20,}"  # API keys of model vendors
    r"|AKIA[0-9A-Z]{16}"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}"  # GitHub
    r"|glpat-[A-Za-z0-9_-]{20,}"  # GitLab
    r"|xox[abprs]-[A-Za-z0-9-]{10,}"  # Slack
    r"|AIza[0-9A-Za-z_-]{35}"  # Google
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^-]*-----END [A-Z ]*PRIVATE KEY-----)?"
    r"|(?<=Bearer )[A-Za-z0-9._~+/-]{16,}=*"
    r"|eyJ[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{8,8000}\.[A-Za-z0-9_-]+"  # JSON Web Tokens
    r"|(?<=://)[^/\s:@]{1,100}:[^/\s:@]{1,100}(?=@)"  # user:password in a URL
)


def secret_name(name: object) -> bool:
    """Return whether a parameter, header or variable of this name holds a secret: ``api_key``, ``X-Auth-Token``.

    Names are split into words; ``tokens``, ``max_tokens``, ``token_count`` and ``next_page_token`` are no secrets.
    """
    words = [word.lower() for word in _WORD.findall(name)] if isinstance(name, str) else []
    if not words:
        return False
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last == "token":
        return before not in _COUNTED
    return last in _WORDS or f"{before}-{last}" in _PAIRS


def literal(value: object) -> bool:
    """Return whether a value under a secret's name is a literal: text that is neither masked nor a reference."""
    return (
        isinstance(value, str)
        and value not in ("", REDACTED)
        and not value.startswith((SCHEME, "«secret"))
        and not (value.startswith("$") and ".output" in value)
    )


def secret_texts(value: Any, path: str = "") -> Iterator[str]:
    """Yield the places in a JSON value where a secret seems to stand, as ``headers.token`` or ``lines[2]``."""
    if isinstance(value, str):
        if _PATTERNS.search(value):
            yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            where = f"{path}.{key}" if path else str(key)
            if secret_name(key) and _holds_literal(item):
                yield where
            else:
                yield from secret_texts(item, where)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from secret_texts(item, f"{path}[{index}]")


def _holds_literal(value: Any) -> bool:
    return literal(value) or (isinstance(value, list | tuple) and any(map(literal, value)))


def mask(value: Any) -> Any:
    """Return a JSON value with the texts that seem to be secrets masked; the same object where there are none."""
    if isinstance(value, str):
        return _PATTERNS.sub(REDACTED, value) if _PATTERNS.search(value) else value
    if isinstance(value, dict):
        made = {key: _masked(item) if secret_name(key) else mask(item) for key, item in value.items()}
        return made if any(made[key] is not item for key, item in value.items()) else value
    if isinstance(value, list | tuple):
        items = [mask(item) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value


def _masked(value: Any) -> Any:
    """Return what stands under a secret's name, masked."""
    if literal(value):
        return REDACTED
    if isinstance(value, list | tuple) and any(map(literal, value)):
        return [REDACTED if literal(item) else mask(item) for item in value]
    return mask(value)
