"""One HTTP service: its address, its key, and how often and how long it is asked.

The one place of this package that opens connections. TLS is verified, redirects are not followed, answers are bounded.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import httpx

from headway._version import __version__
from headway.addresses import is_loopback
from headway.clock import Clock
from headway.errors import InferenceError, InferenceRefused, InvalidInput
from headway.inference import wire
from headway.numbers import positive_seconds, whole_number

BACKOFF_S = 0.5
BACKOFF_CAP_S = 8.0

_MAX_ERROR_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """The patience with a service, in time and attempts: see :class:`headway.inference.http.HttpProvider`."""

    timeout: float
    connect_timeout: float
    retries: int
    max_wait: float
    max_response_bytes: int

    def __post_init__(self) -> None:
        for name in ("timeout", "connect_timeout", "max_wait"):
            positive_seconds(getattr(self, name), name)
        whole_number(self.retries, "retries", 0)
        whole_number(self.max_response_bytes, "max_response_bytes", 1)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    retry_after: str | None


@dataclass(frozen=True, slots=True)
class _Failure:
    """One try that may be followed by another, ``wait`` seconds later."""

    text: str
    wait: float
    status: int | None = None


class Service:
    """Asks the service at ``url``; the key is read from the environment at each call and kept nowhere."""

    def __init__(self, url: httpx.URL, key_env: str | None, limits: Limits, connections: int, clock: Clock) -> None:
        self.url = url
        self.name = url.netloc.decode("ascii")
        self.key_env = key_env
        self._limits = limits
        self._connections = connections
        self._clock = clock
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()

    async def ask(self, endpoint: str, payload: bytes) -> bytes:
        """Return the body of the answer. Raises ``InferenceError``, or ``InferenceRefused`` for what stays refused."""
        tried = 0
        while True:
            tried += 1
            found = await self._try(endpoint, payload, tried)
            if isinstance(found, bytes):
                return found
            if tried > self._limits.retries:
                times = "" if tried == 1 else f"; tried {tried} times"
                raise InferenceError(found.text + times, status=found.status)
            if found.wait > self._limits.max_wait:
                raise InferenceError(f"{found.text}; it asks to wait {found.wait:,.0f} s", status=found.status)
            await self._clock.sleep(found.wait)

    async def aclose(self) -> None:
        """Close the running loop's connections; the next call opens new ones."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    def key_problem(self) -> str | None:
        """Return why the key cannot be sent, None if it can or if there is none to send."""
        if self.key_env is None:
            return None
        key = os.environ.get(self.key_env, "").strip()
        if not key:
            return f"{self.name} needs a key: set the environment variable {self.key_env}"
        if not (key.isascii() and key.isprintable()) or " " in key:
            return f"the key in {self.key_env} holds characters that no key has"
        return None

    async def _try(self, endpoint: str, payload: bytes, tried: int) -> bytes | _Failure:
        """Return the answer, or what failed and may succeed later; raise for the rest."""
        backoff = min(BACKOFF_CAP_S, BACKOFF_S * 2.0 ** min(tried - 1, 32))
        try:
            async with _within(self._clock, self._limits.timeout):
                answer = await self._send(endpoint, payload)
        except TimeoutError:
            raise InferenceError(f"{self.name} did not answer within {self._limits.timeout:g} s") from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            return _Failure(f"{self.name} cannot be reached ({_kind(error)})", backoff)
        except httpx.TransportError as error:
            return _Failure(f"the connection to {self.name} broke ({_kind(error)})", backoff)
        if answer.status == 200:
            return answer.body
        code = wire.problem_code(answer.body)
        text = wire.status_text(answer.status, code)
        again = answer.status == 429 or (answer.status >= 500 and answer.status not in (501, 505))
        if not again or code in wire.FINAL:
            raise InferenceRefused(self._refusal(endpoint, answer.status, text), status=answer.status)
        asked = wire.retry_after(answer.retry_after, self._clock.time_ms())
        failed = "is asked too often" if answer.status == 429 else "failed"
        return _Failure(f"{self.name} {failed} ({text})", backoff if asked is None else asked, answer.status)

    def _refusal(self, endpoint: str, status: int, text: str) -> str:
        if 300 <= status < 400:
            return f"{self.name} redirects ({text}), which is not followed: give the right base_url"
        if status in (401, 403) and self.key_env is None:
            return f"{self.name} wants a key ({text}): name its environment variable as api_key_env"
        if status in (401, 403):
            return f"{self.name} refused the key in {self.key_env} ({text})"
        if status == 404:
            return f"{self.name} has no {endpoint} there, or not that model ({text})"
        return f"{self.name} refused the request ({text})"

    async def _send(self, endpoint: str, payload: bytes) -> _Answer:
        """Send one request; return its answer, read up to the limit."""
        url = self.url.copy_with(path=f"{self.url.path.rstrip('/')}/{endpoint}")
        async with self._client().stream("POST", url, content=payload, headers=self._headers()) as response:
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                raise InferenceError(f"{self.name} compressed its answer though it was asked not to")
            good = response.status_code == 200
            limit = self._limits.max_response_bytes if good else _MAX_ERROR_BYTES
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > limit:
                    if good:
                        raise InferenceError(f"{self.name} answered more than {limit:,} bytes")
                    break
            return _Answer(response.status_code, bytes(body), response.headers.get("retry-after"))

    def _client(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = self._clients[loop] = httpx.AsyncClient(
                verify=True,
                follow_redirects=False,
                trust_env=not is_loopback(self.url.host),  # a proxy has no business between us and ourselves
                timeout=httpx.Timeout(None, connect=self._limits.connect_timeout),  # the try is bounded as a whole
                limits=httpx.Limits(max_connections=self._connections),
            )
        return client

    def _headers(self) -> dict[str, str]:
        problem = self.key_problem()
        if problem is not None:
            raise InferenceRefused(problem)
        headers = {
            "accept": "application/json",
            "accept-encoding": "identity",  # a compressed answer has no bound until it is unpacked
            "content-type": "application/json",
            "user-agent": f"headway/{__version__}",
        }
        if self.key_env is not None:
            headers["authorization"] = f"Bearer {os.environ[self.key_env].strip()}"
        return headers


def checked_url(base_url: object, *, with_key: bool) -> httpx.URL:
    """Return ``base_url`` parsed; ``InvalidInput`` if it is no web address, or one that a key must not be sent to."""
    if not isinstance(base_url, str):
        raise InvalidInput(f"base_url must be a text, not {type(base_url).__name__}")
    try:
        url = httpx.URL(base_url)
        host = url.netloc.decode("ascii")
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise InvalidInput("base_url is not a web address") from None
    if url.scheme not in ("http", "https") or not host or not url.host:
        raise InvalidInput("base_url must start with https:// or http:// and name a host")
    if "%" in url.host or not 0 < (url.port or 80) < 65536:
        raise InvalidInput("base_url is not a web address")
    if url.userinfo:
        raise InvalidInput("base_url must not hold a user or a password: name the key's variable as api_key_env")
    if url.query or url.fragment:
        raise InvalidInput("base_url must end with its path, such as https://api.openai.com/v1")
    if with_key and url.scheme == "http" and not is_loopback(url.host):
        raise InvalidInput("a key is sent over https only: base_url must start with https://")
    return url


@asynccontextmanager
async def _within(clock: Clock, seconds: float) -> AsyncIterator[None]:
    """Raise ``TimeoutError`` when the block has taken ``seconds`` on ``clock``."""
    async with asyncio.timeout(None) as scope:
        timer = clock.call_later(seconds, scope.reschedule, 0.0)
        try:
            yield
        finally:
            timer.cancel()


def _kind(error: httpx.TransportError) -> str:
    """Return what kind of failure it is: the library's texts may quote what was sent."""
    return type(error).__name__
