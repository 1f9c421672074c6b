"""A client of any A2A v1.0 agent: sends a message, follows its task, cancels it. JSON-RPC, so integers stay exact."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import msgspec

from headway.addresses import is_loopback
from headway.clock import SYSTEM_CLOCK, Clock
from headway.egress.door import Door
from headway.egress.frames import FrameReader
from headway.egress.rules import Rules, host_of
from headway.errors import EgressError, HeadwayError, InvalidInput, NotFound, Unavailable, one_line

CONNECT_S = 5.0
"""Seconds that a connection may take to come about."""

SILENCE_S = 120.0
"""Seconds without a byte after which a stream counts as dead."""

TRIES = 5
"""The number of times that a lost stream is taken up again without anything new in between."""

MAX_ANSWER = 64 * 1024 * 1024
"""The largest answer taken, in bytes."""

MAX_STREAM = 64 * MAX_ANSWER
"""The longest stream taken, in bytes."""

UNSUPPORTED = -32004
_UNKNOWN_TASK = -32001
_THEIR_FAULT = frozenset({-32603, -32006})

FINAL = frozenset({"TASK_STATE_COMPLETED", "TASK_STATE_FAILED", "TASK_STATE_CANCELED", "TASK_STATE_REJECTED"})
"""The states that a task never leaves."""

Json = dict[str, Any]


class AgentClient:
    """One agent at ``url``; ``token`` is sent to it as a bearer token.

    Raises :class:`InvalidInput` for an address that is none, and for a token that would go over a network in clear.
    Methods raise :class:`Unavailable` when none answers, :class:`InvalidInput` when the agent refuses the token or the
    request, :class:`NotFound` for a task that it does not know, :class:`HeadwayError` for its other errors.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        clock: Clock = SYSTEM_CLOCK,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise InvalidInput("an agent's address is http://HOST:PORT/… or https://…, without user and password")
        if token is not None and parts.scheme == "http" and not is_loopback(parts.hostname):
            raise InvalidInput(f"a token is not sent in clear to {one_line(parts.hostname, 100)}: use https")
        self.url = url
        self.has_token = token is not None
        self._clock = clock
        headers = {"A2A-Version": "1.0", "Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            door = Door(Rules(allow=(host_of(httpx.URL(url)),)), proxy="environment", connect_timeout=CONNECT_S)
        except (httpx.InvalidURL, InvalidInput, ValueError):
            raise InvalidInput(f"{one_line(url, 100)!r} is not the address of an agent") from None
        self._http = door.client(
            headers=headers,
            timeout=httpx.Timeout(SILENCE_S, connect=CONNECT_S),
            max_bytes=MAX_STREAM,
            transport=transport,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def get(self, task_id: str) -> Json:
        """Return a task as it stands."""
        return await self._ask("GetTask", {"id": task_id})

    async def cancel(self, task_id: str, reason: str = "") -> Json:
        """Cancel a task and return it as it ended, or as it stands if its end takes longer."""
        return await self._ask("CancelTask", {"id": task_id, "metadata": {"reason": reason} if reason else {}}, None)

    async def send(self, parts: Sequence[Any], context_id: str | None = None) -> AsyncGenerator[Json, None]:
        """Send a message of these parts and yield what A2A calls a StreamResponse until its task has ended.

        A lost stream is taken up where it was. An agent that does not stream gives one answer, at the end.
        """
        message: Json = {"messageId": uuid4().hex, "role": "ROLE_USER", "parts": list(parts)}
        if context_id is not None:
            message["contextId"] = context_id
        following = _Following()
        method = "SendStreamingMessage"
        params: Json = {"message": message}
        while True:
            try:
                async with aclosing(self._stream(method, params, following)) as updates:
                    async for update in updates:
                        yield update
            except Unavailable:
                if following.task_id is None:
                    raise
            except HeadwayError as error:
                if error.details.get("rpc_code") != UNSUPPORTED:
                    raise
                if following.task_id is None:
                    yield await self._ask("SendMessage", {"message": message}, None)
                else:  # it has ended meanwhile
                    yield {"task": await self.get(following.task_id)}
                return
            if following.ended or following.task_id is None:
                return
            await self._back_off(following)
            method, params = "SubscribeToTask", {"id": following.task_id}

    async def _back_off(self, following: _Following) -> None:
        following.tries += 1
        if following.tries > TRIES:
            raise Unavailable(f"the agent broke off and does not answer; its task {following.task_id} may still run")
        await self._clock.sleep(min(0.2 * 2**following.tries, 5.0))

    async def _stream(self, method: str, params: Json, following: _Following) -> AsyncGenerator[Json, None]:
        headers = {"Accept": "text/event-stream"}
        if following.last_id:
            headers["Last-Event-ID"] = following.last_id
        try:
            async with self._http.stream("POST", self.url, content=_call(method, params), headers=headers) as response:
                if not response.headers.get("content-type", "").startswith("text/event-stream"):
                    self._check(response.status_code, await _body(response))
                    raise Unavailable(f"what answers at {self.url} does not stream as A2A agents do")
                reader = FrameReader(MAX_ANSWER)
                async for chunk in response.aiter_bytes():
                    for frame in reader.feed(chunk):
                        update = self._result(frame.data)
                        following.note(update, frame.id)
                        yield update
        except (httpx.RequestError, EgressError) as error:
            raise self._lost(error) from None

    async def _ask(self, method: str, params: Json, timeout: float | None = SILENCE_S) -> Json:
        try:
            request = self._http.build_request(
                "POST", self.url, content=_call(method, params), timeout=httpx.Timeout(timeout, connect=CONNECT_S)
            )
            response = await self._http.send(request, stream=True)
            try:
                body = await _body(response)
            finally:
                await response.aclose()
        except (httpx.RequestError, EgressError) as error:
            raise self._lost(error) from None
        return self._check(response.status_code, body)

    def _check(self, status: int, body: bytes) -> Json:
        """Return the result of an answer; raise what it says else."""
        if status == 401:
            if self.has_token:
                raise InvalidInput(f"the agent at {self.url} refuses the token")
            raise InvalidInput(f"the agent at {self.url} wants a token: name its file with --token-file")
        if status in (429, 503):
            raise Unavailable(f"the agent at {self.url} takes no request now: try again later")
        return self._result(body)

    def _result(self, text: bytes) -> Json:
        try:
            answer = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            answer = None
        if isinstance(answer, Mapping):
            result, error = answer.get("result"), answer.get("error")
            if isinstance(error, Mapping):
                raise _error(error)
            if isinstance(result, dict):
                return result
        raise Unavailable(f"what answers at {self.url} is not an A2A agent")

    def _lost(self, error: httpx.RequestError | EgressError) -> Unavailable:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return Unavailable(f"no agent answers at {self.url}")
        if isinstance(error, EgressError):
            return Unavailable(error.message)
        return Unavailable(f"the agent at {self.url} broke off its answer")


class _Following:
    """What is known of the task that a stream tells of."""

    def __init__(self) -> None:
        self.task_id: str | None = None
        self.last_id: str | None = None
        self.ended = False
        self.tries = 0

    def note(self, update: Json, frame_id: str | None) -> None:
        self.tries = 0
        self.last_id = frame_id or self.last_id
        task_id, state = task_id_of(update), state_of(update)
        self.task_id = task_id or self.task_id
        self.ended = self.ended or "message" in update or state in FINAL


def task_id_of(update: Json) -> str | None:
    """Return the id of the task that an update is about; None for a bare message."""
    task = update.get("task")
    if isinstance(task, Mapping):
        return _text(task.get("id"))
    for name in ("statusUpdate", "artifactUpdate"):
        inner = update.get(name)
        if isinstance(inner, Mapping):
            return _text(inner.get("taskId"))
    return None


def state_of(update: Json) -> str | None:
    """Return the state that an update tells of, such as ``TASK_STATE_WORKING``; None for another kind of update."""
    for name in ("task", "statusUpdate"):
        inner = update.get(name)
        status = inner.get("status") if isinstance(inner, Mapping) else None
        if isinstance(status, Mapping):
            return _text(status.get("state"))
    return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _error(error: Mapping[str, Any]) -> HeadwayError:
    code, message = error.get("code"), str(error.get("message") or "")
    if not isinstance(code, int):
        code = -32603
    if code == _UNKNOWN_TASK:
        return NotFound(one_line(message, 500) or "the agent knows no such task")
    if code <= -32600 and code not in _THEIR_FAULT:
        return InvalidInput(one_line(message, 500) or f"the agent refuses the request (error {code})")
    return HeadwayError(one_line(message, 500) or f"the agent answers with error {code}", rpc_code=code)


def _call(method: str, params: Json) -> bytes:
    return msgspec.json.encode({"jsonrpc": "2.0", "id": uuid4().hex, "method": method, "params": params})


async def _body(response: httpx.Response) -> bytes:
    chunks, size = [], 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size > MAX_ANSWER:
            raise Unavailable(f"the answer is larger than {MAX_ANSWER:,} bytes")
        chunks.append(chunk)
    return b"".join(chunks)
