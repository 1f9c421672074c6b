"""Runs the asynchronous half of a command."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` on a new event loop and return what it returns."""
    import asyncio

    return asyncio.run(main)
