"""Waiting for what sockets and other tasks bring about."""

import asyncio
from collections.abc import Callable

LIMIT_S = 20


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until ``condition()`` holds; ``TimeoutError`` if it does not within 20 seconds."""
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 - nothing signals what the other end of a socket does
            await asyncio.sleep(0)
