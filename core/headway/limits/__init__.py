"""Limits: token buckets, budgets, and the reuse of results.

The names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway._lazy import attach

if TYPE_CHECKING:
    from headway.limits.bucket import RateLimiter
    from headway.limits.budget import CostBudget
    from headway.limits.cache import ResultCache

_HOME = {
    "CostBudget": "budget",
    "RateLimiter": "bucket",
    "ResultCache": "cache",
}

__all__ = [
    "CostBudget",
    "RateLimiter",
    "ResultCache",
]

__getattr__, __dir__ = attach(__name__, _HOME)
