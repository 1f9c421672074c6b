"""The sink ``webhook``: a POST an event, through the door, signed if there is a secret."""

from __future__ import annotations

from collections.abc import Sequence

from headway.hooks.post import Post


class WebhookSink:
    """Posts each event by itself; an answer of class 2xx takes it."""

    kind = "webhook"
    batch = 1

    def __init__(self, post: Post, timeout: float) -> None:
        self._post = post
        self._timeout = timeout

    async def deliver(self, messages: Sequence[bytes]) -> None:
        """Post one event. An answer that another try will not change is told as such."""
        for message in messages:
            await self._post.send(message, self._timeout)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._post.aclose()
