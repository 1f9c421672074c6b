"""Canaries: markers of registered secrets go through everything, and are in no byte of what is left and shown.

A real daemon, with a secret from the environment and one from a file; a tool that lets them out in every way that it
can; the command line, the console on a terminal, a recording.
"""

import asyncio
import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from headway.events.event import Event
from headway.events.recording import write_recording
from headway.home import Home
from headway.store import StoreReader
from tests.acceptance.commands import Headway, call, plan
from tests.acceptance.terminal import ESCAPE, Terminal
from tests.acceptance.test_console_live import end_daemon

FIRST = 'canary-A1/7+"x'
SECOND = "canary-B2_9zQ-file"
THIRD = "canary-C3.remote~5"

CONFIG = """
[tools]
python = ["tools.py"]
[a2a]
port = 0
tools = ["leak"]
[secrets.FIRST]
env = "HW_CANARY"
tools = ["leak"]
[secrets.SECOND]
file = "second"
tools = ["leak"]
[secrets.THIRD]
env = "HW_CANARY_REMOTE"
tools = ["leak"]
remote = true
"""

TOOLS = '''
import base64
import json
import logging
import os
import sys
import urllib.parse

import headway


@headway.tool
async def leak(a: headway.Secret, headers: dict[str, headway.Secret], how: str, *, ctx: headway.ToolContext) -> object:
    """Let secrets out."""
    values = [a.reveal(), *(value.reveal() for value in headers.values())]
    for value in values:
        print(f"print {value}")
        print(value, file=sys.stderr)
        logging.getLogger("tool").warning("logged %s", value)
        ctx.report_progress(1, 2, f"progress {value}")
        for letter in f"chunk {value} end":
            ctx.emit_chunk(letter)
    shown = {
        "plain": values,
        "environment": dict(os.environ),
        "json": json.dumps(values),
        "repr": repr(values),
        "base64": [base64.b64encode(f"user:{value}".encode()).decode() for value in values],
        "url": [urllib.parse.quote(value, safe="") for value in values],
        **{value: 1 for value in values},
        "large": ["x" * 200, *values] * 500,
    }
    if how == "raise":
        raise RuntimeError(f"failed with {values} and {json.dumps(values)}")
    return headway.ToolResult(shown, effects={"kept": shown}, artifacts=[{"shown": values}])
'''


def forms() -> list[bytes]:
    """Return what must be nowhere."""
    found = []
    for value in (FIRST, SECOND, THIRD):
        raw = value.encode()
        found += [value, json.dumps(value)[1:-1], json.dumps(json.dumps(value))[2:-2], repr(value)[1:-1]]
        found += [quote(value, safe=""), raw.hex(), base64.b64encode(raw).decode()[:-4]]
        found.append(base64.b64encode(b"user:" + raw).decode()[8:-4])
    return [text.encode() for text in found]


def assert_none(data: bytes, where: object) -> None:
    for form in forms():
        assert form not in data, (where, form)


@pytest.fixture
def leaking(headway: Headway) -> Iterator[Headway]:
    (headway.here / "headway.toml").write_text(CONFIG)
    (headway.here / "tools.py").write_text(TOOLS)
    second = headway.here / "second"
    second.write_text(SECOND + "\n")
    second.chmod(0o600)
    headway.env |= {"HW_CANARY": FIRST, "HW_CANARY_REMOTE": THIRD}
    headway.trust(headway.here)
    parameters = {"a": "secret://FIRST", "headers": {"x": "secret://SECOND"}}
    give = call("give", "leak", parameters={**parameters, "how": "give"})
    fail = call("fail", "leak", parameters={**parameters, "how": "raise"}, failure_behavior="skip")
    (headway.here / "leak.json").write_text(plan(give, fail))
    try:
        yield headway
    finally:
        end_daemon(headway)


def test_canaries_are_nowhere(leaking: Headway) -> None:
    shown: list[str] = []

    def run(*arguments: str, stdin: str | None = None) -> str:
        done = leaking.run(*arguments, **({"stdin": stdin} if stdin is not None else {}))
        shown.extend((done.out, done.err))
        return done.out

    verified = leaking.run("verify", "leak.json", "--json")
    assert verified.code == 0, verified.out + verified.err
    shown += [verified.out, verified.err]
    undeclared = plan(call("x", "leak", parameters={"a": "secret://NONE", "headers": {}, "how": "give"}))
    assert "secret 'NONE' is not declared" in leaking.run("verify", "-", stdin=undeclared).err
    run("run", "leak.json", "--json")  # in process: tools print into what the command prints
    run("up", "--detach", "--port", "0")
    run("run", "leak.json", "--json")
    run("run", "leak.json")
    status = json.loads(run("status", "--json"))
    assert status["pid"]
    refused = leaking.run("run", "-", stdin=plan(call("x", parameters={"text": SECOND})))
    shown += [refused.out, refused.err]
    assert refused.code != 0
    token = (leaking.home / "a2a.token").read_text().strip()
    asked = "".join(ask(status["url"], token, text) for text in (FIRST, SECOND, "nothing secret"))
    assert "is not there for tool 'leak' and a remote caller" in asked
    assert_none(
        asked.replace(json.dumps(FIRST)[1:-1], "").replace(SECOND, "").encode(), "answers"
    )  # but for echoed ids
    streamed = stream(status["url"], token)
    assert "«secret:THIRD»" in streamed
    assert_none(streamed.encode(), "what an A2A client is streamed")
    run("run", "leak.json")  # the newest, which consoles show first
    jobs = json.loads(run("jobs", "ls", "--json"))
    rows = jobs["jobs"] if isinstance(jobs, dict) else jobs
    for row in rows:
        run("jobs", "show", row["job_id"], "--json")
        run("jobs", "show", row["job_id"])
    events = run("events", "--json")
    assert "«secret:FIRST»" in events
    assert "«secret:SECOND»" in events
    assert "secret://FIRST" in events
    run("events")
    run("checkpoints", "ls", "--json")
    shown += screens(leaking, "console")
    recording = leaking.here.parent / "recording.jsonl"
    assert record(leaking, recording) > 100
    assert_none(recording.read_bytes(), "a recording")
    assert "print «secret:FIRST»" in recording.read_text()
    run("replay", str(recording), "--plain")
    run("replay", str(recording), "--json")
    shown += screens(leaking, "replay", str(recording), "--speed", "1000")
    assert_none("".join(shown).encode(), "what was shown")
    for path in leaking.home.rglob("*"):
        if path.is_file():
            assert_none(path.read_bytes(), path)
    leaking.run("stop")
    for path in leaking.home.rglob("*"):
        if path.is_file():
            assert_none(path.read_bytes(), path)
    events = [json.loads(line) for line in leaking.run("events", "--json").out.splitlines()]
    prints = [event["data"] for event in events if event["kind"] == "action_print"]
    assert_none(json.dumps(prints, ensure_ascii=False).encode(), "what was printed")
    printed = "".join(data["text"] for data in prints)
    assert "print «secret:FIRST»" in printed
    assert "logged «secret:SECOND»" in printed
    assert (leaking.here / "second").read_text().strip() == SECOND


def screens(headway: Headway, *arguments: str) -> list[str]:
    """Return what each screen of a console shows, the list of events among them, with what tools printed."""
    shown = []
    terminal = Terminal(arguments, cwd=headway.here, env=headway.env, size=(140, 45))
    try:
        terminal.wait_for("leak")
        for keys in ("2", "4", "5", "6", "1", "\r"):
            terminal.type(keys)
            terminal.wait_read()
            shown.append(terminal.text)
        terminal.wait_for("give")
        shown.append(terminal.text)
        terminal.type(ESCAPE + "\x1b[I3")
        terminal.wait_for("action_print", "«secret:")
        shown.append(terminal.text)
    finally:
        terminal.close()
    return shown


def record(headway: Headway, path: Path) -> int:
    """Write a recording of the store, of texts that no display has gone over; return the number of its events."""

    async def read() -> list[Event]:
        async with await StoreReader.open(Home(headway.home).db) as reader:
            return await reader.events(limit=100_000, resolve=True)

    return write_recording(path, "leak", asyncio.run(read()), redacted=False)


def stream(url: str, token: str) -> str:
    """Have an A2A client call the tool with the secret that remote callers may use; return all that it is streamed."""
    leak = {"tool": "leak", "parameters": {"a": "secret://THIRD", "headers": {"x": "secret://THIRD"}, "how": "give"}}
    message = {"kind": "message", "role": "user", "messageId": "s", "parts": [{"kind": "data", "data": leak}]}
    body = {"jsonrpc": "2.0", "id": 1, "method": "message/stream", "params": {"message": message}}
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - it is http
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return str(answer.read().decode())


def ask(url: str, token: str, text: str) -> str:
    """Send an A2A message, with and without a plan in it, and return what came back."""
    answers = []
    leak = {"tool": "leak", "parameters": {"a": "secret://FIRST", "headers": {"x": "secret://SECOND"}, "how": "give"}}
    named = {"tool": "leak", "parameters": {"a": text, "headers": {text: text}, "how": text}}
    for part in ({"kind": "text", "text": text}, {"kind": "data", "data": leak}, {"kind": "data", "data": named}):
        message = {"kind": "message", "role": "user", "messageId": text, "contextId": text, "parts": [part]}
        params = {"message": message, "metadata": {text: text}}
        body = json.dumps({"jsonrpc": "2.0", "id": text, "method": "message/send", "params": params}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        request = urllib.request.Request(url, body, headers)  # noqa: S310 - it is http
        with suppress(urllib.error.HTTPError), urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            answers.append(answer.read().decode())
    return "".join(answers)
