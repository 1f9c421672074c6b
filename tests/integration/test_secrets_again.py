"""Resume, fork and replan of runs with secrets; what a restart does to a secret in memory."""

import asyncio
from pathlib import Path

import headway
from headway.config import load_config
from headway.secrets import Secret, Vault
from headway.store import StoreLog, store_of

VALUE = "durable-canary-41"
SEEN: list[str] = []


@headway.tool(idempotent=True)
async def login(token: Secret, at: int = 0) -> str:
    SEEN.append(token.reveal())
    return f"{at}: {token.reveal()}"


@headway.tool
async def fail() -> None:
    raise ValueError("no")


REFERENCE = "secret://DB"


def call(id: str, at: int, token: object = REFERENCE, **more: object) -> dict[str, object]:  # noqa: A002 - the format's
    parameters = {"token": token, "at": at}
    return {"id": id, "type": "tool_call", "tool": "login", "parameters": parameters, "idempotent": True, **more}


def project(folder: Path) -> None:
    (folder / "headway.toml").write_text('[secrets.DB]\nenv = "HW_TEST_DB"\ntools = ["login"]\n')


def all_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def left_behind(home: headway.Home, token: object) -> str:
    """Leave an unfinished job in a home, as a process does that is killed after its admission."""
    log = await StoreLog.open(home)
    vault = Vault()
    vault.declare("DB", Secret(VALUE), tools=["login"])
    runtime = headway.Runtime(tools=[login], log=log, secrets=vault)
    run = runtime.start({"id": "p", "actions": [call("a", 1, token), call("b", 2, token, dependencies=["a"])]})
    async for event in run.events():
        if event.kind == "action_executing":
            break
    created = (await log.read(kinds=["job_created"]))[0]
    await run
    await runtime.aclose()
    await log.close()
    log = await StoreLog.open(home)
    made = headway.Event("job_created", {**created.data, "scope": "job:left"}, "left", proposal_id="p")
    await log.write(made)
    await log.close()
    return "left"


async def test_a_job_of_a_dead_process_resumes_with_its_secret(tmp_path: Path, monkeypatch: object) -> None:
    monkeypatch.setenv("HW_TEST_DB", VALUE)  # type: ignore[attr-defined]
    project(tmp_path)
    home = headway.Home(tmp_path / "home")
    job_id = await left_behind(home, "secret://DB")
    SEEN.clear()
    async with await headway.Engine.open(home, load_config(tmp_path), tools=[login, fail]) as engine:
        view = await engine.wait(job_id, timeout=60)
        assert view.job.status == "completed"
        assert SEEN == [VALUE, VALUE]
        assert [action.output for action in view.actions] == ["1: «secret:DB»", "2: «secret:DB»"]
        checkpoints = await engine.checkpoints(job_id)
        forked = await engine.fork(checkpoints[0].checkpoint_id)
        assert (await engine.wait(forked.job_id, timeout=60)).job.status == "completed"
        assert SEEN == [VALUE] * 3
    assert VALUE.encode() not in all_bytes(home.path)


async def test_a_job_with_a_secret_in_memory_ends_interrupted(tmp_path: Path) -> None:
    home = headway.Home(tmp_path / "home")
    secret = Secret(VALUE)
    job_id = await left_behind(home, secret)
    from headway.secrets import reference

    reference._held.clear()  # the process is another one
    async with await headway.Engine.open(home, tools=[login]) as engine:
        view = await engine.run(job_id)
        assert view.job.status == "failed"
        assert "Secret in memory" in (view.job.error or "")
    assert VALUE.encode() not in all_bytes(home.path)


async def test_a_replan_names_its_secret_again() -> None:
    vault = Vault()
    vault.declare("DB", Secret(VALUE), tools=["login"])

    async def again(context: headway.ReplanContext) -> dict[str, object]:
        return {"id": "second", "actions": [call("c", 3)]}

    SEEN.clear()
    runtime = headway.Runtime(tools=[login, fail], secrets=vault, replan=again)
    first = [call("a", 1), {"id": "f", "type": "tool_call", "tool": "fail", "dependencies": ["a"]}]
    result = await runtime.execute({"id": "first", "actions": first})
    assert result.status == "completed"
    assert SEEN == [VALUE, VALUE]
    assert VALUE not in repr(await runtime.log.read())
    assert store_of(runtime.log) is not None
    await asyncio.sleep(0)
