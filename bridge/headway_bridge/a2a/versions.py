"""The ``A2A-Version`` that a request asks for, and whether its method exists there.

The name of the method alone decides the generation. The header (or query parameter) can only contradict it: no
version, or an empty one, is accepted for every method.
"""

from __future__ import annotations

import re

from a2a.utils.constants import VERSION_HEADER
from a2a.utils.errors import VersionNotSupportedError
from starlette.requests import Request

from headway.errors import one_line

V1 = frozenset({"1.0"})
LEGACY = frozenset({"0.1", "0.2", "0.3"})
SUPPORTED = sorted(V1 | LEGACY)

_VERSION = re.compile(r"(\d{1,4}\.\d{1,4})(?:\.\d{1,4})?", re.ASCII)


def requested_version(request: Request) -> str:
    """Return the version that the request names in its header, else in its query; "" if in neither."""
    header: str = request.headers.get(VERSION_HEADER, "").strip()
    if header:
        return header
    for name, value in request.query_params.items():
        if name.lower() == VERSION_HEADER.lower():
            return value.strip()
    return ""


def check_version(requested: str, accepted: frozenset[str]) -> None:
    """Raise :class:`VersionNotSupportedError` if ``requested`` is given and is not among ``accepted``.

    Versions count as Major.Minor; a patch number is ignored.
    """
    if not requested:
        return
    match = _VERSION.fullmatch(requested)
    if match is None or match[1] not in accepted:
        wanted = ", ".join(sorted(accepted))
        text = f"A2A version '{one_line(requested, 40)}' is not supported here; this method is of version {wanted}"
        raise VersionNotSupportedError(text, {"supported": ", ".join(SUPPORTED)})
