"""One HTTP service: its address, its key, and how often and how long it is asked.

It is asked through the door of :mod:`headway.egress`: TLS is verified, redirects are not followed, answers are bounded.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass

import httpx

from headway.addresses import is_loopback
from headway.clock import Clock
from headway.egress.door import LONGEST_S, Answer, Door
from headway.errors import EgressError, EgressRefused, InferenceError, InferenceRefused, InvalidInput
from headway.inference import wire
from headway.inference.key import Key
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
class _Failure:
    """One try that may be followed by another, ``wait`` seconds later."""

    text: str
    wait: float
    status: int | None = None


def bearer(key: str) -> dict[str, str]:
    """Return the header that most services want their key in."""
    return {"authorization": f"Bearer {key}"}


class Service:
    """Asks the service at ``url`` through ``door``; ``sign`` gives the headers that carry the key."""

    def __init__(
        self,
        url: httpx.URL,
        key: Key | None,
        limits: Limits,
        door: Door,
        clock: Clock,
        sign: Callable[[str], Mapping[str, str]] = bearer,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.url = url
        self.name = url.netloc.decode("ascii")
        self.key = key
        self._limits = limits
        self._door = door
        self._clock = clock
        self._sign = sign
        self._more = dict(headers or {})

    async def ask(self, endpoint: str, payload: bytes) -> bytes:
        """Return the body of the answer. Raises ``InferenceError``, or ``InferenceRefused`` for what stays refused."""
        tried = 0
        while True:
            tried += 1
            try:
                async with self._send(endpoint, payload, "application/json", self._limits.timeout) as answer:
                    body = await self._body(answer)
                failed = self._failed(endpoint, answer, body, tried)
                if failed is None:
                    return body
            except EgressError as error:
                failed = self._unreached(error, tried)
            await self._wait(failed, tried)

    @asynccontextmanager
    async def stream(self, endpoint: str, payload: bytes) -> AsyncIterator[AsyncGenerator[bytes, None]]:
        """Give the bytes of the answer as they come, each piece within the time limit. Raises as :meth:`ask` does.

        What is lost in the midst of an answer is not asked for again.
        """
        tried = 0
        while True:
            tried += 1
            async with AsyncExitStack() as stack:
                try:
                    sent = self._send(endpoint, payload, "text/event-stream", LONGEST_S)
                    answer: Answer | None = await stack.enter_async_context(sent)
                    assert answer is not None
                    body = b"" if answer.status == 200 else await self._body(answer)
                    failed = self._failed(endpoint, answer, body, tried)
                except EgressError as error:
                    answer, failed = None, self._unreached(error, tried)
                if answer is not None and failed is None:
                    yield await stack.enter_async_context(aclosing(self._pieces(answer)))
                    return
            assert failed is not None
            await self._wait(failed, tried)

    async def aclose(self) -> None:
        """Close the running loop's connections; the next call opens new ones."""
        await self._door.aclose()

    def key_problem(self) -> str | None:
        """Return why the key cannot be sent, None if it can or if there is none to send."""
        return None if self.key is None else self.key.problem(self.name)

    async def _wait(self, failed: _Failure, tried: int) -> None:
        """Wait before the next try; raise if there is none."""
        if tried > self._limits.retries:
            times = "" if tried == 1 else f"; tried {tried} times"
            raise InferenceError(failed.text + times, status=failed.status)
        if failed.wait > self._limits.max_wait:
            raise InferenceError(f"{failed.text}; it asks to wait {failed.wait:,.0f} s", status=failed.status)
        await self._clock.sleep(failed.wait)

    def _failed(self, endpoint: str, answer: Answer, body: bytes, tried: int) -> _Failure | None:
        """Return what failed and may succeed later, None for a good answer; raise for the rest."""
        if answer.status == 200:
            return None
        code = wire.problem_code(body)
        text = wire.status_text(answer.status, code)
        again = answer.status == 429 or (answer.status >= 500 and answer.status not in (501, 505))
        if not again or code in wire.FINAL:
            raise InferenceRefused(self._refusal(endpoint, answer.status, text), status=answer.status)
        asked = wire.retry_after(answer.headers.get("retry-after"), self._clock.time_ms())
        failed = "is asked too often" if answer.status == 429 else "failed"
        return _Failure(f"{self.name} {failed} ({text})", _backoff(tried) if asked is None else asked, answer.status)

    def _unreached(self, error: EgressError, tried: int) -> _Failure:
        """Return what may be tried again; raise for what the door refuses, and for silence and size."""
        if error.details.get("reason") in ("connect", "broken"):
            return _Failure(error.message, _backoff(tried))
        raise _told(error) from None

    def _refusal(self, endpoint: str, status: int, text: str) -> str:
        if 300 <= status < 400:
            return f"{self.name} redirects ({text}), which is not followed: give the right base_url"
        if status in (401, 403) and self.key is None:
            return f"{self.name} wants a key ({text}): name its environment variable as api_key_env"
        if status in (401, 403) and self.key is not None:
            return f"{self.name} refused the key in {self.key.where} ({text})"
        if status == 404:
            return f"{self.name} has no {endpoint.partition('?')[0]} there, or not that model ({text})"
        return f"{self.name} refused the request ({text})"

    @asynccontextmanager
    async def _send(self, endpoint: str, payload: bytes, accept: str, longest: float) -> AsyncIterator[Answer]:
        path = f"{self.url.raw_path.decode('ascii').rstrip('/')}/{endpoint}"
        url = self.url.copy_with(raw_path=path.encode("ascii"))
        async with self._door.stream(
            "POST",
            url,
            headers={"accept": accept, **self._headers()},
            content=payload,
            timeout=self._limits.timeout,
            longest=longest,
            max_bytes=max(self._limits.max_response_bytes, 1),
        ) as answer:
            yield answer

    async def _body(self, answer: Answer) -> bytes:
        """Return an answer's body; of a bad answer its beginning."""
        body = bytearray()
        try:
            async with aclosing(answer.chunks()) as chunks:
                async for chunk in chunks:
                    body += chunk
                    if answer.status != 200 and len(body) > _MAX_ERROR_BYTES:
                        break
        except EgressError:
            if answer.status == 200:
                raise
        return bytes(body)

    async def _pieces(self, answer: Answer) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(answer.chunks()) as chunks:
                async for chunk in chunks:
                    yield chunk
        except EgressError as error:
            raise _told(error) from None

    def _headers(self) -> dict[str, str]:
        problem = self.key_problem()
        if problem is not None:
            raise InferenceRefused(problem)
        headers = {"content-type": "application/json", **self._more}
        if self.key is not None:
            headers |= self._sign(self.key.read().strip())
        return headers


def _backoff(tried: int) -> float:
    return min(BACKOFF_CAP_S, BACKOFF_S * 2.0 ** min(tried - 1, 32))


def _told(error: EgressError) -> InferenceError:
    """Return an error of the door as one of a model's service."""
    kind = InferenceRefused if isinstance(error, EgressRefused) else InferenceError
    return kind(error.message)


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
