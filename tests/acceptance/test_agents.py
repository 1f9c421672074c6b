"""Agents and the daemon, as a user meets them: a token, a curl line that works as told, ``headway send``."""

from __future__ import annotations

import json
import shutil
import signal
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.commands import LIMIT_S, Headway, call, plan

SLOW = """
import asyncio
import headway


@headway.tool
async def nap() -> str:
    await asyncio.sleep(600)
    return "slept"
"""


@pytest.fixture
def headway(tmp_path: Path) -> Headway:
    made = Headway(tmp_path)
    assert made.run("init").code == 0
    return made


def shell(headway: Headway, line: str) -> Any:
    """Run a line that was told to a user, and return the JSON it prints."""
    done = subprocess.run(
        ["sh", "-c", line],
        cwd=headway.here,
        env=headway.env,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=True,
    )
    return json.loads(done.stdout)


def state_of(answer: Any) -> Any:
    return answer["result"]["task"]["status"]["state"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="the line needs curl")
def test_the_line_that_serve_tells_works_as_it_stands(headway: Headway) -> None:
    with headway.start("serve", "--port", "0") as serving:
        text = serving.wait_for("try: curl") + serving.wait_for("\n")
        line = next(line for line in text.splitlines() if line.startswith("try: ")).removeprefix("try: ").strip()
        token = headway.run("token", "--show").out.strip()
        assert token not in text
        assert token not in line
        assert state_of(shell(headway, line)) == "TASK_STATE_COMPLETED"
        headway.run("token", "--rotate")
        assert state_of(shell(headway, line)) == "TASK_STATE_COMPLETED", "the header's file has the new one"
        serving.process.send_signal(signal.SIGTERM)
        assert serving.end() == 0


def test_the_token_is_shown_where_it_is_asked_for(headway: Headway) -> None:
    told = headway.run("token", "--json").json
    token_file = Path(told["token_file"])
    token = token_file.read_text().strip()
    assert "token" not in told
    assert headway.run("token", "--json", "--show").json["token"] == token
    assert headway.run("token", "--header").out.strip() == told["header_file"]
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    words = headway.run("token").out
    assert told["header_file"] in words
    assert token not in words
    rotated = headway.run("token", "--rotate", "--json").json
    assert rotated["rotated"] is True
    assert token_file.read_text().strip() != token
    assert headway.run("token", "--header", "--show").code == 2
    token_file.chmod(0o644)
    for command in (("token",), ("serve", "--port", "0")):
        done = headway.run(*command)
        assert done.code == 2
        (line,) = done.err.strip().splitlines()
        assert "others may read the token file" in line
        assert "headway token --rotate" in line


def test_send_to_the_daemon(headway: Headway) -> None:
    with headway.daemon() as status:
        assert status["auth"] == "token"
        done = headway.run("send", "hello")
        assert (done.code, done.out.splitlines()[0]) == (0, "completed: 3 succeeded")
        assert "completed" in done.err
        assert headway.run("send", status["url"], "--workflow", "hello").code == 0
        task = headway.run("send", "--workflow", "hello", "--json").json
        assert task["status"]["state"] == "TASK_STATE_COMPLETED"
        refused = headway.run("send", "--data", '{"tool": "calculate", "parameters": {"expression": "1+1"}}')
        assert (refused.code, "not open to remote agents" in refused.out) == (1, True)
        (headway.here / "plan.json").write_text(plan(call("c")))
        assert headway.run("send", "--plan", "plan.json").code == 1
        wrong = headway.here / "wrong"
        wrong.write_text("x" * 43)
        wrong.chmod(0o600)
        done = headway.run("send", status["url"], "hello", "--token-file", wrong)
        assert (done.code, "refuses the token" in done.err) == (2, True)
        wrong.chmod(0o644)
        assert headway.run("send", status["url"], "hello", "--token-file", wrong).code == 2
        headway.run("token", "--rotate")
        assert headway.run("send", "hello").code == 0
        log = json.dumps([*map(json.loads, headway.run("events", "--json").out.splitlines())])
        assert headway.run("token", "--show").out.strip() not in log
    gone = headway.run("send", "hello")
    assert (gone.code, "headway serve" in gone.err) == (3, True)
    assert headway.run("send", "http://127.0.0.1:1/", "hello").code == 3


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("one", "two"),
        ("hello", "--workflow", "hello"),
        ("--plan", "nowhere.json"),
        ("--data", "{"),
        ("ftp://x", "hello"),
        ("http://agent.example/", "hello", "--token-file", "headway.toml"),
    ],
)
def test_what_send_refuses(headway: Headway, arguments: tuple[str, ...]) -> None:
    done = headway.run("send", *arguments)
    assert (done.code, done.out) == (2, "")
    assert len(done.err.strip().splitlines()) == 1


def test_ctrl_c_cancels_the_task(headway: Headway) -> None:
    (headway.here / "tools.py").write_text(SLOW)
    config = headway.here / "headway.toml"
    config.write_text(config.read_text().replace("tools = []", 'tools = ["nap"]\ncancel_wait = 0.0'))
    with headway.daemon(), headway.terminal("send", "--data", '{"tool": "nap"}') as sending:
        sending.wait_for("working")
        sending.type("\x03")
        sending.wait_for("canceling the task")
        with headway.start("events", "--follow") as events:
            events.wait_for("run_cancel_requested")
        sending.type("\x03")
        sending.wait_for("leaving the task to the agent")
        assert sending.end() == 130
        (job,) = headway.run("jobs", "ls", "--json").json
        assert job["cancel_reason"] == "interrupted by the user"


def test_without_authentication_it_says_so(headway: Headway) -> None:
    config = headway.here / "headway.toml"
    config.write_text(config.read_text().replace("[a2a]\n", '[a2a]\nauth = "none"\n'))
    with headway.start("serve", "--port", "0") as serving:
        text = serving.wait_for("serving A2A")
        assert 'warning: [a2a] auth is "none"' in text
        done = headway.run("status")
        assert 'warning: [a2a] auth is "none"' in done.err
        assert headway.run("status", "--json").json["auth"] == "none"
        assert headway.run("send", "hello").code == 0
        serving.process.send_signal(signal.SIGTERM)
        assert serving.end() == 0
    refused = headway.run("serve", "--host", "192.0.2.1", "--port", "0")
    assert (refused.code, "without authentication" in refused.err) == (2, True)
    assert not (headway.home / "a2a.token").exists()
