"""Posts: one JSON body to an address, through the door, and the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import httpx

from headway.egress.rules import host_of
from headway.errors import EgressError, EgressRefused, HeadwayError, InvalidConfig, describe
from headway.hooks.signature import SIGNATURE, TIMESTAMP, sign
from headway.hooks.sinks.sink import Blocking, NotTaken
from headway.secrets.reference import SCHEME

if TYPE_CHECKING:
    from headway.clock import Clock
    from headway.config.hooks import BeforeToolConfig, HookConfig
    from headway.egress.door import Door
    from headway.hooks.sinks.sink import Around
    from headway.secrets.vault import Vault

MAX_ANSWER = 64 * 2**10
"""The most bytes of an answer."""

_AGAIN = frozenset({408, 425, 429})


class Post:
    """Posts to one address. ``secret`` names the secret of ``vault`` that signs, None: nothing is signed."""

    def __init__(self, name: str, url: str, secret: str | None, *, door: Door, vault: Vault, clock: Clock) -> None:
        self._name = name
        self._secret = secret
        self._vault = vault
        self._clock = clock
        self._blocking = Blocking()
        try:
            self._url = httpx.URL(url)
            if self._url.scheme not in ("http", "https") or not self._url.host or self._url.userinfo:
                raise InvalidConfig(f"hook '{name}': url is a web address, without a user's name")
            self._door = door.to(host_of(self._url), connections=4, clock=clock)
        except (httpx.InvalidURL, UnicodeError, ValueError) as error:
            if isinstance(error, HeadwayError):
                raise
            raise InvalidConfig(f"hook '{name}': url is no web address") from None
        if secret is not None:
            vault.must_declare(secret)

    @classmethod
    def of(cls, name: str, config: HookConfig | BeforeToolConfig, around: Around) -> Self:
        """Return what posts to the address of a hook's settings."""
        assert config.url is not None
        secret = config.secret.removeprefix(SCHEME) if config.secret is not None else None
        return cls(name, config.url, secret, door=around.door, vault=around.vault, clock=around.clock)

    async def send(self, body: bytes, timeout: float) -> bytes:
        """Return the body of the answer, if it is of class 2xx. Raises :class:`NotTaken` otherwise."""
        headers = {"content-type": "application/json", "headway-hook": self._name}
        try:
            if self._secret is not None:
                secret = await self._blocking.call(self._vault.own, self._secret)
                now = self._clock.time_ms() // 1000
                headers |= {TIMESTAMP: str(now), SIGNATURE: sign(secret, now, body)}
            reply = await self._door.request(
                "POST", self._url, headers=headers, content=body, timeout=timeout, max_bytes=MAX_ANSWER
            )
        except EgressRefused as error:
            raise NotTaken(describe(error), again=False) from None
        except EgressError as error:
            raise NotTaken(describe(error)) from None
        except HeadwayError as error:
            raise NotTaken(describe(error), again=False) from None
        if not 200 <= reply.status < 300:
            again = reply.status >= 500 or reply.status in _AGAIN
            raise NotTaken(f"{self._url.host} answered with status {reply.status}", again=again)
        return reply.body

    async def aclose(self) -> None:
        """Close the connections."""
        self._blocking.close()
        await self._door.aclose()
