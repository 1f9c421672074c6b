"""Session approvals: calls that somebody has allowed for a session, which are not asked about again.

An approval is bound to what was seen: the tool, its arguments and the folder. Changed arguments ask again. It holds
for one scope and one principal, and allows this call: it is no rule, and it opens no network.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from headway.arguments import plain
from headway.errors import InvalidInput, Overloaded

MAX_APPROVALS = 10_000


def binding_of(tool: str, arguments: Mapping[str, Any], cwd: str) -> str:
    """Return the hash of a call that an approval is bound to. Raises ``InvalidInput`` for what is no JSON."""
    try:
        written = json.dumps([tool, arguments, cwd], sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest()
    except (TypeError, ValueError, RecursionError):
        raise InvalidInput("the arguments of a call are not JSON") from None


class SessionApprovals:
    """The approvals of sessions, by scope and principal. Not thread-safe: for the event loop's thread."""

    def __init__(self) -> None:
        self._held: set[tuple[str, str | None, str]] = set()
        self.version = 0  # grows with each change

    def __len__(self) -> int:
        return len(self._held)

    def remember(self, binding: str, *, scope: str, principal: str | None = None) -> None:
        """Hold the call with that hash for allowed, in the scope and for the principal.

        Raises ``Overloaded`` if there are too many.
        """
        key = self._key(binding, scope, principal)
        if key not in self._held and len(self._held) >= MAX_APPROVALS:
            raise Overloaded(f"there are {MAX_APPROVALS:,} approvals already: close sessions")
        self._held.add(key)
        self.version += 1

    def holds(self, binding: str, *, scope: str | None, principal: str | None = None) -> bool:
        """Return whether the call is approved in the scope for the principal."""
        return scope is not None and (scope, principal, binding) in self._held

    def forget(self, scope: str) -> int:
        """Forget the approvals of a scope; return how many there were."""
        gone = {key for key in self._held if key[0] == scope}
        self._held -= gone
        self.version += 1
        return len(gone)

    @staticmethod
    def _key(binding: str, scope: str, principal: str | None) -> tuple[str, str | None, str]:
        if len(plain(binding, "an approval's binding", 64)) != 64:
            raise InvalidInput("an approval is bound to the hash that the decision names")
        plain(scope, "an approval's scope")
        if principal is not None:
            plain(principal, "an approval's principal")
        return scope, principal, binding
