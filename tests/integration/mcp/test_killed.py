"""A job that waits for a person before an MCP tool, whose process is killed: it is answered after the restart."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

from headway.config import load_config
from headway.engine import Engine
from tests.unit.tools.process.children import alive, until
from tests.unit.tools.process.confined import need_sandbox

ROGUE = Path(__file__).parents[2] / "unit/tools/mcp/rogue.py"

FIRST = """
import asyncio, sys
from pathlib import Path
from headway.config import load_config
from headway.engine import Engine

PLAN = {"actions": [
    {"id": "before", "type": "state_write", "parameters": {"key": "seen", "value": 1}},
    {"id": "call", "type": "tool_call", "tool": "mcp__rogue__echo", "parameters": {"n": 1}, "dependencies": ["before"]},
]}


async def main() -> None:
    config = load_config(Path(sys.argv[1]), env={}, trusted=True)
    engine = await Engine.open(Path(sys.argv[2]), config)
    row = await engine.submit(PLAN)
    while not (await engine.elicitations.inbox()).waiting():
        await asyncio.sleep(0.005)
    pids = [server._pipe.pid for server in engine.mcp._servers.values()]
    print(row.job_id, *pids, flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
"""


async def test_killed_while_it_waits_answered_after_the_restart(tmp_path: Path) -> None:
    need_sandbox()
    project = tmp_path / "project"
    project.mkdir()
    (project / "rogue.py").write_text(ROGUE.read_text())
    (project / "headway.toml").write_text(
        f"[mcp.servers.rogue]\ncommand = {json.dumps(sys.executable)}\n"
        'args = ["-IS", "rogue.py", "good"]\npermission = "ask"\nstartup_secs = 60\n'
    )
    home = tmp_path / "home"
    first = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FIRST, str(project), str(home), stdout=asyncio.subprocess.PIPE
    )
    assert first.stdout is not None
    job_id, pid = (await first.stdout.readline()).decode().split()
    first.send_signal(signal.SIGKILL)
    await first.wait()
    await until(lambda: not alive(int(pid)))

    async with await Engine.open(home, load_config(project, env={}, trusted=True)) as engine:
        [question] = (await engine.elicitations.inbox()).waiting()
        assert (await engine.mcp_startup()).ready == ["rogue"]
        await engine.elicitations.answer(question.id, "allow")
        run = await engine.wait(job_id, timeout=60)

    assert run.job.status == "completed"
    assert [(action.id, action.status) for action in run.actions] == [
        ("before", "succeeded"),
        ("call", "succeeded"),
    ]
    assert run.actions[1].output == '{"n": 1}'
