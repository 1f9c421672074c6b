"""``[hooks]`` and ``[before_tool]`` of headway.toml: what they say, what needs trust, and what they close."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headway.config import control_files, load_config
from headway.engine import Engine
from headway.errors import InvalidConfig, NotTrusted
from headway.home import Home

PLAN = {"actions": [{"id": "c", "type": "tool_call", "tool": "calculate", "parameters": {"expression": "1"}}]}


def written(folder: Path, text: str) -> Path:
    (folder / "headway.toml").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[hooks.a]\nsink = "stdout"\n', "hooks.a.on"),
        ('[hooks.a]\non = []\nsink = "stdout"\n', "hooks.a.on"),
        ('[hooks.a]\non = ["jobs"]\nsink = "mail"\n', "hooks.a.sink"),
        ('[hooks.a]\non = ["jobs"]\nsink = "jsonl"\n', 'must have path with sink = "jsonl"'),
        ('[hooks.a]\non = ["jobs"]\nsink = "stdout"\npath = "x"\n', 'has path, which sink = "stdout" has not'),
        (
            '[hooks.a]\non = ["jobs"]\nsink = "socket"\npath = "x"\nsecret = "secret://x"\n',
            "only a webhook has a secret",
        ),
        ('[hooks.a]\non = ["jobs"]\nsink = "webhook"\nurl = "https://h"\nsecret = "hush"\n', "must name a secret"),
        ('[hooks.a]\non = ["jobs"]\nsink = "command"\ncommand = []\n', "the program first"),
        ('[hooks.a]\non = ["jobs"]\nsink = "stdout"\nqueue = 0\n', "hooks.a.queue"),
        ('[hooks."a b"]\non = ["jobs"]\nsink = "stdout"\n', "the name of a hook"),
        ("[before_tool.a]\nstrict = true\n", "exactly one of command, url and python"),
        ('[before_tool.a]\npython = "x.py"\n', "as file.py:name"),
        ('[before_tool.a]\nurl = "https://h"\nfiles = ["x"]\n', "are for a command"),
        ('[before_tool.a]\nurl = "https://h"\ntimeout_secs = 0\n', "before_tool.a.timeout_secs"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        load_config(written(tmp_path, text), env={})
    assert said in refused.value.message
    assert "\n" not in refused.value.message
    assert "hush" not in refused.value.message


HOOKS = """
[hooks.out]
on = ["jobs"]
sink = "stdout"
[hooks.file]
on = ["jobs"]
sink = "jsonl"
path = "log/events.jsonl"
[hooks.there]
on = ["jobs"]
sink = "webhook"
url = "https://example.org/x"
[hooks.run]
on = ["jobs"]
sink = "command"
command = ["python", "tell.py"]
files = ["lib"]
[before_tool.guard]
command = ["./guard.sh"]
[before_tool.code]
python = "guard.py:judge"
"""


def test_hooks_that_do_more_than_print_need_trust_and_are_left_out_without(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, HOOKS), env={}, trusted=False)
    assert config.opens == ["hooks.file", "hooks.there", "hooks.run", "before_tool.guard"]
    assert config.code == [tmp_path / "guard.py"]
    with pytest.raises(NotTrusted):
        config.require_trust()
    without = config.without_code()
    assert (list(without.hooks), without.before_tool) == (["out"], {})
    assert without.opens == without.code == []


def test_the_code_and_the_files_of_hooks_are_control_files_existing_or_not(tmp_path: Path) -> None:
    control = control_files(load_config(written(tmp_path, HOOKS), env={}, trusted=True))
    try:
        for name in ("log/events.jsonl", "tell.py", "lib/any.py", "guard.sh", "guard.py"):
            assert control.refusal(tmp_path / name, "write", below=tmp_path) is not None, name
        assert control.refusal(tmp_path / "other.py", "write", below=tmp_path) is None
    finally:
        control.close()


def test_a_change_of_what_is_told_does_not_change_what_becomes_of_a_plan_and_one_of_what_judges_does(
    tmp_path: Path,
) -> None:
    digests = [
        load_config(written(tmp_path, text), env={}, trusted=True).digest
        for text in ("", '[hooks.a]\non = ["jobs"]\nsink = "stdout"\n', '[before_tool.a]\npython = "g.py:g"\n')
    ]
    assert digests[0] == digests[1] != digests[2]


async def test_an_engine_tells_its_hooks_of_all_that_happened_by_the_time_it_is_closed(
    tmp_path: Path, home: Home
) -> None:
    text = '[hooks.file]\non = ["jobs", "store_opened"]\nsink = "jsonl"\npath = "events.jsonl"\n'
    config = load_config(written(tmp_path, text), env={}, trusted=True)
    async with await Engine.open(home, config) as engine:
        row = await engine.submit(PLAN)
        await engine.wait(row.job_id)
        [status] = engine.hook_reports()
        assert (status.name, status.sink, status.status) == ("file", "jsonl", "ok")
    told = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [one["kind"] for one in told] == ["store_opened", "job_created", "job_started", "job_completed"]
    assert {one.get("job_id") for one in told[1:]} == {row.job_id}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[hooks.a]\non = ["jbos"]\nsink = "stdout"\n', r"hooks\.a\.on: .*did you mean 'jobs'"),
        (
            '[hooks.a]\non = ["jobs"]\nsink = "webhook"\nurl = "https://h"\nsecret = "secret://x"\n',
            r"hooks\.a: .*secret 'x'",
        ),
    ],
)
async def test_a_hook_that_cannot_be_keeps_the_engine_closed_in_one_line(
    tmp_path: Path, home: Home, text: str, said: str
) -> None:
    config = load_config(written(tmp_path, text), env={}, trusted=True)
    with pytest.raises(InvalidConfig, match=said):
        await Engine.open(home, config)
    async with await Engine.open(home) as engine:  # the home is free again
        assert engine.hook_reports() == []
