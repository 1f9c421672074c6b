"""Threads of a home: models out of headway.toml, answers that outlive the engine, turns that a close ends."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from headway import Engine
from headway.config import load_config
from headway.errors import InferenceError
from headway.home import Home
from headway.inference import Message
from headway.threads import CliRuntimeOverrides, PromptRequest
from tests.unit.inference.recorded import ALL
from tests.unit.inference.server import Reply, json_reply, running


def project(folder: Path, url: str, dialect: str = "anthropic") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "headway.toml").write_text(
        f'[providers.vendor]\nkind = "{dialect}"\nurl = "{url}"\ndefault = "m"\n'
        '[models.aliases]\nmine = "vendor/other"\n'
    )
    return folder


@pytest.mark.parametrize("dialect", ALL)
async def test_an_answer_outlives_the_engine(tmp_path: Path, dialect: str) -> None:
    async with running(json_reply(ALL[dialect].text)) as server:
        config = load_config(project(tmp_path / "p", server.url, dialect), trusted=True)
        async with await Engine.open(Home(tmp_path / "home"), config) as engine:
            assert engine.models.provider_default() == (None, "vendor/m")
            started = await engine.handle_thread({"kind": "start", "name": "mine", "metadata": {"a": 1}})
            assert started.thread is not None
            assert (started.thread.provider, started.thread.model) == ("vendor", "m")
            thread = started.thread.id
            answer = await engine.handle_prompt(
                PromptRequest(prompt="Hi", thread_id=thread), CliRuntimeOverrides(model="mine")
            )
            assert (answer.output, answer.resolution.name) == ("Hällo there.", "vendor/other")
            await engine.save_thread_checkpoint(thread, "notes", {"n": 1})
        async with await Engine.open(Home(tmp_path / "home"), config) as engine:
            row = await engine.threads.get(thread)
            assert (row.messages, row.input_tokens, row.output_tokens, row.metadata) == (2, 21, 9, {"a": 1})
            stored = [one.message for one in await engine.threads.messages(thread)]
            assert stored == [Message("user", "Hi"), Message("assistant", "Hällo there.")]
            assert await engine.load_thread_checkpoint(thread) == {"n": 1}


async def test_a_close_ends_the_turns_that_run(tmp_path: Path) -> None:
    reached = asyncio.Event()

    async def hang() -> None:
        reached.set()
        await asyncio.Event().wait()

    async with running(Reply(before=hang)) as server:
        config = load_config(project(tmp_path / "p", server.url), trusted=True)
        engine = await Engine.open(Home(tmp_path / "home"), config)
        turn = await engine.prompts.start(PromptRequest(prompt="Hi"))
        await reached.wait()
        await engine.close()
        with pytest.raises(asyncio.CancelledError):
            await turn.result()
        async with await Engine.open(Home(tmp_path / "home"), config) as engine:
            row = await engine.threads.get(turn.thread_id)
            assert (row.status, row.error, row.turn) == ("failed", "it was cancelled", None)


async def test_a_service_that_may_not_be_reached(tmp_path: Path) -> None:
    config = load_config(project(tmp_path / "p", "http://169.254.169.254/v1"), trusted=True)
    async with await Engine.open(Home(tmp_path / "home"), config) as engine:
        with pytest.raises(InferenceError, match="is link-local"):
            await engine.handle_prompt({"prompt": "Hi"})
