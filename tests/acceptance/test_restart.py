"""``headway restart`` and ``serve --reload``: edited tools never run as they were, and what runs keeps what it has."""

from __future__ import annotations

import json
import signal
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.commands import Headway, call, plan

TOOLS = '''
import asyncio
from pathlib import Path

import headway


@headway.tool
async def hold(path: str) -> str:
    """Wait for a file."""
    while not Path(path).exists():
        await asyncio.sleep(0.02)
    return "woke"


@headway.tool
def version() -> str:
    """Say which code this is."""
    return "old"
'''


@pytest.fixture
def project(headway: Headway) -> Headway:
    (headway.here / "tools.py").write_text(TOOLS)
    (headway.here / "headway.toml").write_text(
        '[tools]\npython = ["tools.py"]\n[workflows.version]\nplan = "version.json"\n[a2a]\ntools = ["version"]\n'
    )
    (headway.here / "version.json").write_text(plan(call("v", "version")))
    (headway.here / "hold.json").write_text(
        plan(call("h", "hold", parameters={"path": str(headway.here / "go")}), call("v", "version", dependencies=["h"]))
    )
    return headway


def edit(headway: Headway) -> None:
    (headway.here / "tools.py").write_text(TOOLS.replace('"old"', '"new"'))


def said(done: Any) -> str:
    (entry,) = [entry for entry in done.json["results"] if entry["action_id"] == "v"]
    return str(entry["output"])


def test_edited_tools_are_refused_until_a_restart_that_waits(project: Headway) -> None:
    with project.start("serve", "--port", "0") as serving:
        serving.wait_for("serving A2A")
        assert said(project.run("run", "version.json", "--json")) == "old"
        with project.start("run", "hold.json", "--json") as holding:
            holding.wait_for("running in the daemon")
            while project.run("status", "--json").json["running"] != 1:
                pass
            edit(project)
            done = project.run("run", "version.json")
            assert (done.code, done.out) == (1, "")
            assert "tools changed since they were loaded (tools.py): headway restart" in done.err
            late = project.run("restart", "--timeout", "0.5")
            assert late.code == 1, late
            assert "not restarted: 1 job did not end in time" in late.err
            before = project.run("status", "--json").json
            assert (before["restarting"], before["running"]) == (False, 1)
            with project.start("restart") as restarting:
                restarting.wait_for("waiting for 1 job to end")
                assert project.run("run", "version.json").code != 0
                (project.here / "go").touch()
                restarting.wait_for("restarted (pid")
                assert restarting.end() == 0
            assert holding.end() == 0
            assert said_in(holding.text) == "old"
        after = project.run("status", "--json").json
        assert (after["pid"], after["home"]) == (before["pid"], before["home"])
        assert after["started_ms"] > before["started_ms"]
        assert said(project.run("run", "version.json", "--json")) == "new"
        serving.process.send_signal(signal.SIGTERM)
        assert serving.end() == 0


def said_in(text: str) -> str:
    (entry,) = [entry for entry in json.loads(text[text.index("{") :])["results"] if entry["action_id"] == "v"]
    return str(entry["output"])


def test_tools_that_would_not_load_are_not_restarted_into(project: Headway) -> None:
    with project.daemon() as status:
        (project.here / "tools.py").write_text("def broken(:\n")
        done = project.run("restart")
        assert done.code == 2
        assert "tools.py:1" in done.err
        assert project.run("status", "--json").json["started_ms"] == status["started_ms"]


def test_restart_now_cancels(project: Headway) -> None:
    with project.start("serve", "--port", "0") as serving:
        serving.wait_for("serving A2A")
        with project.start("run", "hold.json", "--plain") as holding:
            holding.wait_for("h: started")
            with project.start("restart", "--now") as restarting:
                assert restarting.end() == 0
            assert holding.end() == 130
        serving.process.send_signal(signal.SIGTERM)
        assert serving.end() == 0


def test_serve_reload_restarts_when_idle(project: Headway) -> None:
    with project.start("serve", "--port", "0", "--reload") as serving:
        serving.wait_for("serving A2A")
        with project.start("run", "hold.json", "--json") as holding:
            holding.wait_for("running in the daemon")
            while project.run("status", "--json").json["running"] != 1:
                pass
            (project.here / "tools.py").write_text("def broken(:\n")
            serving.wait_for("not restarted:")
            edit(project)
            serving.wait_for("restarting when idle: tools.py changed")
            assert project.run("run", "version.json").code == 1
            (project.here / "go").touch()
            assert holding.end() == 0
            assert said_in(holding.text) == "old"
        serving.wait_for("Ctrl-C stops", times=2)
        assert said(project.run("run", "version.json", "--json")) == "new"
        serving.process.send_signal(signal.SIGTERM)
        assert serving.end() == 0


def test_a_remote_agent_is_refused_too(project: Headway) -> None:
    with project.daemon() as status:
        edit(project)
        message = {"messageId": "m", "role": "user", "kind": "message", "parts": [{"kind": "text", "text": "version"}]}
        body = {"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": {"message": message}}
        answer = json.loads(_post(status["url"], body, project.home))
        assert "tools changed" in json.dumps(answer)
        assert '"new"' not in json.dumps(answer)
        assert '"old"' not in json.dumps(answer)
        assert project.run("jobs", "ls", "--json").json == []


def _post(url: str, body: Any, home: Path) -> bytes:
    headers = {"Content-Type": "application/json"}
    tokens = sorted(home.glob("*token*"))
    if tokens and (token := tokens[0].read_text().strip()):
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - our own daemon
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
        return bytes(response.read())
