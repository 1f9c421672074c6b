"""headway.toml: found upwards, variables and flags win, every mistake is one line that names its place."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.config import Config, Source, find_file, json_schema, load_config
from headway.config.lines import key_lines, line_of
from headway.errors import InvalidConfig, InvalidInput

FULL = """\
# all that a file may say
[store]
keep_days = 30
max_bytes = 2_000_000_000

[tools]
python = [
    "tools.py",  # ours
    "more/tools.py",
]
workspace = "work"

[rate_limits.fetch]
max_calls = 5
interval_secs = 1.5

[rate_limits]
"odd name" = { max_calls = 1, interval_secs = 60 }

[budgets]
tool_calls = 100

[workflows.audit]
plan = "plans/audit.json"
description = \"\"\"
[not a table]
port = 1\"\"\"

[a2a]
port = 9000
tools = ["read_file"]

[operator]
shutdown_secs = 1

[console]
theme = "dusk"
fps = 10

[runtime]
max_concurrency = 8
concurrency = "car"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "headway.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str, **env: str) -> str:
    write(folder, text)
    with pytest.raises(InvalidConfig) as caught:
        load_config(folder, env=env)
    assert "\n" not in caught.value.message
    return caught.value.message.replace(f"{folder}/", "")


def test_workflows_for_remote_agents_are_workflows(tmp_path: Path) -> None:
    path = tmp_path / "headway.toml"
    path.write_text('[workflows.hello]\nplan = "h.json"\n\n[a2a]\nworkflows = ["hello"]\nauth = "none"\n')
    config = load_config(tmp_path, env={})
    assert (config.a2a.workflows, config.a2a.auth) == (["hello"], "none")
    path.write_text('[a2a]\nworkflows = ["hallo"]\n')
    with pytest.raises(
        InvalidConfig, match=r"headway.toml:1: a2a workflows names 'hallo', and there is no \[workflows"
    ):
        load_config(tmp_path, env={})
    path.write_text('[a2a]\nauth = "basic"\n')
    with pytest.raises(InvalidConfig, match=r"headway.toml:2: a2a.auth is 'basic' but must be 'token' or 'none'"):
        load_config(tmp_path, env={})


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    config = load_config(tmp_path, env={})
    assert config.file is None
    assert config.workspace == tmp_path
    assert (config.a2a.host, config.a2a.port, config.a2a.cancel_wait, config.a2a.tools) == (
        "127.0.0.1",
        8420,
        30.0,
        [],
    )
    assert (config.runtime.max_concurrency, config.runtime.concurrency) == (64, "level")
    assert config.model_dump() == Config().model_dump()
    assert {value.source for value in config.values()} == {Source("default")}


def test_everything_that_a_file_may_say(tmp_path: Path) -> None:
    path = write(tmp_path, FULL)
    config = load_config(tmp_path, env={})
    assert config.file == path
    assert config.store.keep_days == 30
    assert config.store.max_bytes == 2_000_000_000
    assert config.tools.python == [tmp_path / "tools.py", tmp_path / "more/tools.py"]
    assert config.workspace == tmp_path / "work"
    assert config.rate_limits["fetch"].max_calls == 5
    assert config.rate_limits["fetch"].interval_secs == 1.5
    assert config.rate_limits["odd name"].interval_secs == 60
    assert config.budgets.tool_calls == 100
    assert config.budgets.actions is None
    assert config.workflows["audit"].plan == tmp_path / "plans/audit.json"
    assert config.workflows["audit"].description == "[not a table]\nport = 1"
    assert (config.a2a.port, config.a2a.tools) == (9000, ["read_file"])
    assert config.operator.shutdown_secs == 1
    assert (config.console.theme, config.console.fps) == ("dusk", 10)
    assert (config.runtime.max_concurrency, config.runtime.concurrency) == (8, "car")


def test_every_value_knows_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, FULL)
    config = load_config(tmp_path, env={})
    text = path.read_text(encoding="utf-8").splitlines()
    for value in config.values():
        if value.source.kind == "file":
            line = text[int(value.source.where.removeprefix(f"{path}:")) - 1]
            names = value.key.split(".")
            assert names[-1] in line or names[-2] in line, value
    assert config.source("a2a.port") == Source("file", f"{path}:30")
    assert config.source("tools.python") == Source("file", f"{path}:7")
    assert config.source("rate_limits.odd name.max_calls") == Source("file", f"{path}:18")
    assert config.source("a2a.host").kind == "default"


def test_the_file_is_found_upwards_and_the_nearest_counts(tmp_path: Path) -> None:
    write(tmp_path, "[a2a]\nport = 1\n")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert load_config(below, env={}).a2a.port == 1
    near = write(tmp_path / "a", "[a2a]\nport = 2\n")
    assert find_file(below) == near
    assert load_config(below, env={}).a2a.port == 2
    assert load_config(below, env={}).workspace == tmp_path / "a"


def test_the_second_place_is_searched_only_without_a_find_in_the_first(tmp_path: Path) -> None:
    here, plan = tmp_path / "here", tmp_path / "plans"
    here.mkdir()
    plan.mkdir()
    write(plan, "[a2a]\nport = 1\n")
    assert load_config(here, also=plan, env={}).a2a.port == 1
    assert load_config(here, env={}).a2a.port == 8420
    write(here, "")
    assert load_config(here, also=plan, env={}).a2a.port == 8420


def test_a_named_file_is_read_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, "[a2a]\nport = 1\n")
    other = tmp_path / "other.toml"
    other.write_text("[store]\nkeep_days = 1\n", encoding="utf-8")
    config = load_config(tmp_path, file=other, env={})
    assert (config.file, config.a2a.port, config.store.keep_days) == (other, 8420, 1)
    with pytest.raises(InvalidConfig, match=r"gone\.toml: cannot be read: No such file"):
        load_config(tmp_path, file=tmp_path / "gone.toml", env={})


def test_flags_win_over_variables_and_these_over_the_file(tmp_path: Path) -> None:
    write(tmp_path, "[a2a]\nport = 1\nhost = '::1'\nname = 'file'\n")
    env = {"HEADWAY_A2A_PORT": "2", "HEADWAY_A2A_HOST": "localhost", "HEADWAY_HOME": "/nowhere", "PATH": "/bin"}
    config = load_config(tmp_path, {"a2a.port": 3, "console.fps": None}, env=env)
    assert (config.a2a.port, config.a2a.host, config.a2a.name) == (3, "localhost", "file")
    assert [config.source(f"a2a.{key}").kind for key in ("port", "host", "name", "tools")] == [
        "flag",
        "env",
        "file",
        "default",
    ]
    assert str(config.source("a2a.host")) == "HEADWAY_A2A_HOST"
    assert config.source("console.fps").kind == "default"


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("HEADWAY_STORE_KEEP_DAYS", "1.5", "store.keep_days", 1.5),
        ("HEADWAY_RUNTIME_MAX_CONCURRENCY", " 3 ", "runtime.max_concurrency", 3),
        ("HEADWAY_RUNTIME_CONCURRENCY", "car", "runtime.concurrency", "car"),
        ("HEADWAY_A2A_TOOLS", "a, b", "a2a.tools", ["a", "b"]),
        ("HEADWAY_A2A_TOOLS", '["a,b"]', "a2a.tools", ["a,b"]),
        ("HEADWAY_BUDGETS_TOOL_CALLS", "0", "budgets.tool_calls", 0),
    ],
)
def test_variables_are_read_by_the_type_of_the_key(
    variable: str, text: str, key: str, value: Any, tmp_path: Path
) -> None:
    config = load_config(tmp_path, env={variable: text})
    section, name = key.split(".")
    assert getattr(getattr(config, section), name) == value
    assert str(config.source(key)) == variable


def test_paths_in_variables_count_from_the_same_folder(tmp_path: Path) -> None:
    config = load_config(tmp_path, env={"HEADWAY_TOOLS_WORKSPACE": "work", "HEADWAY_TOOLS_PYTHON": "a.py,/b.py"})
    assert config.workspace == tmp_path / "work"
    assert config.tools.python == [tmp_path / "a.py", Path("/b.py")]


def test_empty_variables_count_as_unset(tmp_path: Path) -> None:
    config = load_config(tmp_path, env={"HEADWAY_A2A_PORT": "", "HEADWAY_A2A_NONSENSE": ""})
    assert config.a2a.port == 8420


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"HEADWAY_A2A_PORT": "x"}, "HEADWAY_A2A_PORT: a2a.port must be a whole number, not 'x'"),
        ({"HEADWAY_A2A_PROT": "1"}, "HEADWAY_A2A_PROT is not a known key; did you mean HEADWAY_A2A_PORT?"),
        (
            {"HEADWAY_RATE_LIMITS_FETCH": "1"},
            "HEADWAY_RATE_LIMITS_FETCH cannot be set by a variable: write [rate_limits] in headway.toml",
        ),
        ({"HEADWAY_A2A_TOOLS": "[1"}, "HEADWAY_A2A_TOOLS: a2a.tools must be a list: a,b,c or JSON"),
        (
            {"HEADWAY_A2A_PORT": "99999"},
            "HEADWAY_A2A_PORT: a2a.port is '99999' but must be less than or equal to 65535",
        ),
    ],
)
def test_bad_variables(env: dict[str, str], message: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, "", **env) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a2a]\nprot = 1\n", "headway.toml:2: a2a.prot is not a known key; did you mean a2a.port?"),
        ("\n[stroe]\n", "headway.toml:2: stroe is not a known key; did you mean store?"),
        ("[console]\nzzz = 1\n", "headway.toml:2: console.zzz is not a known key; there are fps, theme"),
        ("[a2a]\n\nport = '1'\n", "headway.toml:3: a2a.port must be a whole number, not '1'"),
        ("[a2a]\nport = true\n", "headway.toml:2: a2a.port must be a whole number, not true"),
        ("[a2a]\nport = 1.0\n", "headway.toml:2: a2a.port must be a whole number, not 1.0"),
        ("[a2a]\nport = [1]\n", "headway.toml:2: a2a.port must be a whole number, not a list"),
        ("[a2a]\nport = -1\n", "headway.toml:2: a2a.port is -1 but must be greater than or equal to 0"),
        ("[store]\nkeep_days = nan\n", "headway.toml:2: store.keep_days is nan but must be a finite number"),
        ("a2a = 1\n", "headway.toml:1: a2a must be a table, not 1"),
        ("[tools]\npython = 'a.py'\n", "headway.toml:2: tools.python must be a list, not 'a.py'"),
        (
            "[tools]\npython = ['a.py',\n 3]\n",
            "headway.toml:2: tools.python.1 must be a text in quotes (a path), not 3",
        ),
        ("[tools]\nworkspace = ''\n", "headway.toml:2: tools.workspace must name a file or folder"),
        ("[rate_limits.f]\nmax_calls = 3\n", "headway.toml:1: rate_limits.f.interval_secs is required and missing"),
        (
            "[rate_limits.f]\nmax_cals = 3\ninterval_secs = 1\nmax_calls = 1",
            "headway.toml:2: rate_limits.f.max_cals is not a known key; did you mean rate_limits.f.max_calls?",
        ),
        ("[runtime]\nconcurrency = 'x'\n", "headway.toml:2: runtime.concurrency is 'x' but must be 'level' or 'car'"),
    ],
)
def test_bad_files(text: str, message: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, text) == message


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("[a2a]\nport = 1\nport = 2\n", "headway.toml:3: "),
        ("[a2a\n", "headway.toml:1: "),
        ('x = """\n', "headway.toml:2: "),
    ],
)
def test_what_is_not_toml(text: str, start: str, tmp_path: Path) -> None:
    message = refusal(tmp_path, text)
    assert message.startswith(start)
    assert len(message) > len(start) + 10


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    write(tmp_path, "[a2a]\nport = 'x'\nprot = 1\n[store]\nkeep_days = 0\n")
    with pytest.raises(InvalidInput) as caught:
        load_config(tmp_path, {"console.fps": 99}, env={})
    issues = [line.replace(f"{tmp_path}/", "") for line in caught.value.details["issues"]]
    assert sorted(issues) == [
        "command line: console.fps is 99 but must be less than or equal to 60",
        "headway.toml:2: a2a.port must be a whole number, not 'x'",
        "headway.toml:3: a2a.prot is not a known key; did you mean a2a.port?",
        "headway.toml:5: store.keep_days is 0 but must be greater than 0",
    ]
    assert caught.value.message == caught.value.details["issues"][0]


def test_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "headway.toml").write_bytes(b"[a2a]\nname = '\xff'\n")
    with pytest.raises(InvalidConfig, match="is not UTF-8 text"):
        load_config(tmp_path, env={})
    write(tmp_path, "#" * 1_000_001)
    with pytest.raises(InvalidConfig, match="larger than 1000000 bytes"):
        load_config(tmp_path, env={})


def test_a_configuration_does_not_change(tmp_path: Path) -> None:
    config = load_config(tmp_path, env={})
    with pytest.raises(ValueError, match="frozen"):
        config.a2a.port = 1  # type: ignore[misc]


def test_the_schema_describes_every_key() -> None:
    schema = json_schema()
    json.dumps(schema)
    assert schema["title"] == "headway.toml"
    assert set(schema["properties"]) == set(Config.model_fields)
    for name, section in schema["$defs"].items():
        assert section["additionalProperties"] is False
        for key, leaf in section["properties"].items():
            assert leaf.get("description"), f"{name}.{key}"
    assert schema["$defs"]["ToolsConfig"]["properties"]["python"]["items"] == {"type": "string"}


KEYS = st.text(st.sampled_from("abz09_-"), min_size=1, max_size=4) | st.sampled_from(
    ["a.b", "[x]", "=", "#", 'q"q', "é"]
)
VALUES = st.sampled_from(
    ["1", "'#['", '"]\\""', "[\n 1, # ]\n 2]", '"""\n[t]\nk = 1\n"""', "'''\n'k' = '\n'''", "{ i = [1] }", "1979-05-27"]
)


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=4), max_size=4), st.booleans())
def test_lines_are_those_where_the_keys_stand(tables: dict[str, dict[str, str]], spaced: bool) -> None:
    gap = " " if spaced else ""
    text, expected = "", {}
    for table, pairs in tables.items():
        expected[(table,)] = text.count("\n") + 1
        text += f"{gap}[{gap}{json.dumps(table, ensure_ascii=False)}{gap}]{gap}# a [remark]\n"
        for key, value in pairs.items():
            expected[(table, key)] = text.count("\n") + 1
            text += f"{gap}{json.dumps(key, ensure_ascii=False)}{gap}={gap}{value}\n{gap}\n"
    tomllib.loads(text)
    assert key_lines(text) == expected


def test_lines_of_dotted_keys_arrays_of_tables_and_unknown_paths() -> None:
    lines = key_lines("a . 'b'.c = 1\n[[list]]\nx = 1\n[[list]]\nx = 2\n[list.in]\ny = 1\n[t.u]\n")
    assert lines == {
        ("a",): 1,
        ("a", "b"): 1,
        ("a", "b", "c"): 1,
        ("list",): 2,
        ("list", "x"): 3,
        ("list", "0"): 2,
        ("list", "0", "x"): 3,
        ("list", "1"): 4,
        ("list", "1", "x"): 5,
        ("list", "in"): 6,
        ("list", "in", "y"): 7,
        ("list", "1", "in"): 6,
        ("list", "1", "in", "y"): 7,
        ("t",): 8,
        ("t", "u"): 8,
    }
    assert line_of(lines, ["a", "b", "c", 0]) == 1
    assert line_of(lines, ["t", "u", "v"]) == 8
    assert line_of(lines, ["list", 1, "x"]) == 5
    assert line_of(lines, ["z"]) is None
