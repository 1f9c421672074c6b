"""Values that look like secrets, and events without them. A recording is made to be shared; its log is not touched."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from headway.events.event import Event

REDACTED = "[redacted]"

_FIELD = re.compile(
    r"^token$|(?:^|[_.-])(?:password|passwd|passphrase|secret|client[_-]?secret|api[_-]?key|authorization|credentials?|"
    r"private[_-]?key|(?:access|auth|refresh|bearer|session|id)[_-]?token|cookie)$",
    re.IGNORECASE,
)
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


def looks_secret(value: Any) -> str | None:
    """Return where the first secret-looking text is in a JSON value (``data.headers.token``), or None."""
    return _find(value, "")


def redact(event: Event) -> Event:
    """Return the event with secret-looking texts in its data replaced; the event itself if there are none."""
    data = _clean(event.data)
    return event if data is event.data else msgspec.structs.replace(event, data=data)


def _secret_field(name: Any, value: Any) -> bool:
    return isinstance(value, str) and value not in ("", REDACTED) and _FIELD.search(str(name)) is not None


def _find(value: Any, path: str) -> str | None:
    if isinstance(value, str):
        return path if _PATTERNS.search(value) else None
    if isinstance(value, dict):
        for key, item in value.items():
            where = f"{path}.{key}" if path else str(key)
            if _secret_field(key, item):
                return where
            found = _find(item, where)
            if found is not None:
                return found
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found = _find(item, f"{path}[{index}]")
            if found is not None:
                return found
    return None


def _clean(value: Any) -> Any:
    """Return the value without secrets; the same object where there was none."""
    if isinstance(value, str):
        return _PATTERNS.sub(REDACTED, value) if _PATTERNS.search(value) else value
    if isinstance(value, dict):
        cleaned = {key: REDACTED if _secret_field(key, item) else _clean(item) for key, item in value.items()}
        return cleaned if any(cleaned[key] is not item for key, item in value.items()) else value
    if isinstance(value, list):
        items = [_clean(item) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value
