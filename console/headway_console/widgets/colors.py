"""The colours that our widgets use beside Textual's: what a theme without them lends to each."""

from __future__ import annotations

_LENT = {
    "state-running": "primary",
    "state-succeeded": "text-success",
    "state-failed": "text-error",
    "state-skipped": "text-muted",
    "state-waiting": "text-warning",
    "state-pending": "text-muted",
    "state-cancelled": "text-secondary",
    "state-dim": "text-muted",
    "state-rule": "border-blurred",
    "state-cursor": "block-cursor-blurred-background",
    "state-cursor-blurred": "surface",
}


def with_states(variables: dict[str, str]) -> dict[str, str]:
    """Return CSS variables with ours: the states, secondary text, rules, the cursor's background."""
    return {**{name: variables[lender] for name, lender in _LENT.items()}, **variables}
