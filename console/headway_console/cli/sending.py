"""Sending a message to an A2A agent: what is sent, to whom with which token, and what is told of its task."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
import msgspec

from headway.addresses import is_loopback
from headway.errors import HeadwayError, InvalidInput, Unavailable, describe
from headway_console.cli import exits
from headway_console.cli.output import note, say, write_json

if TYPE_CHECKING:
    from headway.client.agent import AgentClient
    from headway.home import Home

MAX_FILE = 8 * 1024 * 1024
"""The largest file that is sent, in bytes."""

MAX_SHOWN = 2000
"""The most characters of a result that are shown."""

DELIVERY_S = 2.0
"""Seconds that a request to cancel gets to reach the agent when nobody waits for what comes of it."""

CODES = {
    "TASK_STATE_COMPLETED": exits.COMPLETED,
    "TASK_STATE_CANCELED": exits.CANCELLED,
}


def message_of(text: str | None, data: str | None, plan: Path | None, workflow: str | None) -> list[Any]:
    """Return the parts of the message; JSON in it as it was given, byte for byte.

    Raises :class:`InvalidInput` for what is not JSON, :class:`click.UsageError` unless one thing is to be sent.
    """
    given = [value is not None for value in (text, data, plan, workflow)]
    if sum(given) != 1:
        raise click.UsageError("give one of TEXT, --data, --plan and --workflow.")
    if data is not None:
        return [{"data": _json(*_source(data))}]
    if plan is not None:
        return [{"data": _json(_read(plan), str(plan))}]
    return [{"text": text if text is not None else workflow}]


def _source(data: str) -> tuple[bytes, str]:
    if data == "-":
        return sys.stdin.buffer.read(MAX_FILE + 1), "stdin"
    if data.startswith("@"):
        return _read(Path(data[1:])), data[1:]
    return data.encode("utf-8", "surrogateescape"), "--data"


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE + 1)
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror}") from None


def _json(text: bytes, where: str) -> msgspec.Raw:
    if len(text) > MAX_FILE:
        raise InvalidInput(f"{where}: larger than {MAX_FILE:,} bytes")
    try:
        msgspec.json.decode(text)
        return msgspec.Raw(text.strip())
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"{where}: is not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except (ValueError, RecursionError):
        pass
    raise InvalidInput(f"{where}: is not JSON")


class Recipient:
    """The agent: the one at ``url``, or the daemon of ``home``."""

    def __init__(self, home: Home, url: str | None, token_file: Path | None) -> None:
        self._home = home
        self._url = url
        self._token_file = token_file

    async def open(self) -> AgentClient:
        """Return a client, with the token that is meant for this agent and no other."""
        from headway.client.agent import AgentClient
        from headway.client.daemon import find_daemon
        from headway.client.token import TokenFile, read_token

        if self._url is not None and self._token_file is not None:
            return AgentClient(self._url, read_token(self._token_file))
        status = await find_daemon(self._home)
        url = status.url if status is not None else ""
        if self._url is None and not url:
            raise Unavailable(f"no daemon answers at {self._home}; start one with: headway serve")
        if status is None or (self._url is not None and not same_server(self._url, url)):
            return AgentClient(self._url or "")
        # The daemon has said itself, on its socket, where it listens: a stranger at a like address gets nothing.
        token = read_token(self._token_file) if self._token_file is not None else None
        if token is None and status.auth == "token":
            token = TokenFile(self._home).read()
        return AgentClient(url, token)


def same_server(given: str, known: str) -> bool:
    """Return whether an address leads to the daemon at ``known``: any name of this machine with its port does."""
    try:
        one, other = urlsplit(given), urlsplit(known)
        ports = one.port, other.port
    except ValueError:
        return False
    if one.scheme != other.scheme or ports[0] != ports[1] or one.path not in ("", "/") or one.query:
        return False
    hosts = one.hostname or "", other.hostname or ""
    return hosts[0] == hosts[1] or (is_loopback(hosts[0]) and is_loopback(hosts[1]))


async def send(recipient: Recipient, parts: list[Any], context: str | None, *, as_json: bool) -> int:
    """Send the message, follow its task to its end, print what came of it and return the exit code."""
    from headway.client.agent import state_of, task_id_of

    client = await recipient.open()
    shown = _Shown(quiet=as_json)
    try:
        with _Presses(client) as presses:
            updates = client.send(parts, context)
            async with aclosing(updates):
                following = asyncio.ensure_future(_follow(updates, shown, presses))
                left = asyncio.ensure_future(presses.left.wait())
                await asyncio.wait({following, left}, return_when=asyncio.FIRST_COMPLETED)
                for task in (following, left):
                    task.cancel()
                gone = presses.left.is_set() and not following.done()
                with suppress(asyncio.CancelledError):
                    await following
            if gone:
                await presses.deliver()
                return exits.CANCELLED
        last = shown.last
        if "message" in last:
            shown.message(last["message"], as_json)
            return exits.COMPLETED
        task_id, state = task_id_of(last), state_of(last)
        if as_json and task_id is not None:
            write_json(await client.get(task_id))
        elif not as_json:
            shown.end(task_id)
        return CODES.get(state or "", exits.FAILED)
    finally:
        await client.close()


async def _follow(updates: Any, shown: _Shown, presses: _Presses) -> None:
    async for update in updates:
        shown.update(update)
        presses.task_known(shown.task_id)


class _Presses:
    """Ctrl-C while a task is followed: the first press cancels it, the second leaves it to the agent."""

    def __init__(self, client: AgentClient) -> None:
        self.left = asyncio.Event()
        self._client = client
        self._task_id: str | None = None
        self._count = 0
        self._cancel: asyncio.Task[None] | None = None

    def __enter__(self) -> _Presses:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.press)
        return self

    def __exit__(self, *_error: object) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        if self._cancel is not None:
            self._cancel.cancel()

    def press(self) -> None:
        """Answer one press."""
        self._count += 1
        if self._count > 1:
            note("leaving the task to the agent")
            self.left.set()
            return
        note("canceling the task; press Ctrl-C again to leave it to the agent")
        self._begin()

    def task_known(self, task_id: str | None) -> None:
        """Take note of the task's id; cancel it if that was asked for before."""
        if self._task_id is None and task_id is not None:
            self._task_id = task_id
            self._begin()

    def _begin(self) -> None:
        if self._count and self._task_id is not None and self._cancel is None:
            self._cancel = asyncio.ensure_future(self._tell(self._task_id))

    async def deliver(self) -> None:
        """Give the request to cancel a moment to be sent, however soon the second press came."""
        if self._cancel is not None:
            await asyncio.wait({self._cancel}, timeout=DELIVERY_S)

    async def _tell(self, task_id: str) -> None:
        try:
            await self._client.cancel(task_id, "interrupted by the user")
        except HeadwayError as error:
            note(f"error: {describe(error)}")


class _Shown:
    """What is told of a task as it goes, and at its end. With ``quiet`` nothing is, on stdout."""

    def __init__(self, *, quiet: bool) -> None:
        self.last: dict[str, Any] = {}
        self.task_id: str | None = None
        self._quiet = quiet
        self._artifacts: dict[str, Any] = {}
        self._status: Any = {}

    def update(self, update: dict[str, Any]) -> None:
        """Take an update in, and tell of it on stderr."""
        from headway.client.agent import state_of, task_id_of

        task_id = task_id_of(update)
        if task_id is not None and self.task_id is None:
            self.task_id = task_id
            note(f"task {task_id}")
        if "artifactUpdate" in update:
            self._artifact(_mapping(_mapping(update["artifactUpdate"]).get("artifact")))
            return
        self.last = update
        holder = _mapping(update.get("task") or update.get("statusUpdate"))
        self._status = _mapping(holder.get("status"))
        for artifact in holder.get("artifacts") or []:
            self._artifact(_mapping(artifact))
        state = state_of(update)
        if state is not None:
            note(_words(state))

    def _artifact(self, artifact: dict[str, Any]) -> None:
        name = str(artifact.get("artifactId") or artifact.get("name") or "")
        if name not in self._artifacts:
            texts = _texts(artifact)
            note(texts or str(artifact.get("name") or "an artifact"))
        self._artifacts[name] = artifact

    def end(self, task_id: str | None) -> None:
        """Print how the task ended and what came of it."""
        say(_texts(_mapping(self._status.get("message"))) or _words(str(self._status.get("state", "no task"))))
        for artifact in self._artifacts.values():
            for part in artifact.get("parts") or []:
                if "data" in _mapping(part):
                    say(f"  {artifact.get('name') or '-'}: {_short(part['data'])}")
        if task_id:
            say(f"  task {task_id}")

    def message(self, message: Any, as_json: bool) -> None:
        """Print an answer that is no task."""
        if as_json:
            write_json({"message": message})
        else:
            say(_texts(_mapping(message)) or _short(message))


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(holder: dict[str, Any]) -> str:
    parts = holder.get("parts")
    texts = [_mapping(part).get("text") for part in parts] if isinstance(parts, list) else []
    return " ".join(text for text in texts if isinstance(text, str))[:MAX_SHOWN]


def _short(value: Any) -> str:
    inner = value["result"] if isinstance(value, dict) and list(value) == ["result"] else value
    text = msgspec.json.encode(inner).decode("utf-8", "replace")
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def _words(state: str) -> str:
    return state.removeprefix("TASK_STATE_").lower().replace("_", "-")
