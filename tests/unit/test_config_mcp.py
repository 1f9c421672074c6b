"""``[mcp]`` of headway.toml: what it may say, what needs trust, and which files it closes."""

from __future__ import annotations

from pathlib import Path

import pytest

from headway.config import control_files, load_config
from headway.errors import InvalidConfig, NotTrusted
from headway.provision import mcp_servers_of


def written(folder: Path, text: str) -> Path:
    (folder / "headway.toml").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[mcp.servers.a__b]\ncommand = "x"\n', "the name of an MCP server has letters"),
        ("[mcp.servers.a]\nargs = []\n", "mcp.servers.a must have exactly one of command and url"),
        ('[mcp.servers.a]\ncommand = "x"\nargz = []\n', "did you mean mcp.servers.a.args"),
        ('[mcp.servers.a]\ncommand = "x"\nstartup_secs = 0\n', "mcp.servers.a.startup_secs"),
        ('[mcp.servers.a]\ncommand = "x"\npermission = "maybe"\n', "mcp.servers.a.permission"),
        ('[mcp.servers.a]\ncommand = "x"\nenv = { A = 1 }\n', "mcp.servers.a.env.A"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        load_config(written(tmp_path, text), env={})
    assert said in refused.value.message
    assert "headway.toml" in refused.value.message


def test_servers_need_trust_and_are_left_out_without(tmp_path: Path) -> None:
    text = '[mcp.servers.a]\ncommand = "x"\n[mcp.servers.off]\ncommand = "y"\nenabled = false\n'
    config = load_config(written(tmp_path, text), env={}, trusted=False)
    assert config.opens == ["mcp.servers.a"]
    assert config.without_code().mcp.servers == {}
    with pytest.raises(NotTrusted):
        mcp_servers_of(config)
    config.trust()
    assert [server.name for server in mcp_servers_of(config)] == ["a", "off"]
    assert mcp_servers_of(config)[0].cwd == tmp_path


def test_literals_among_variables_are_not_shown_and_count_for_the_digest(tmp_path: Path) -> None:
    text = '[mcp.servers.a]\ncommand = "x"\nenv = { A = "hush", B = "secret://hub" }\n'
    config = load_config(written(tmp_path, text), env={}, trusted=True)
    [value] = [value.value for value in config.values() if value.key == "mcp.servers.a"]
    assert value["env"] == {"A": "[redacted]", "B": "secret://hub"}
    other = load_config(written(tmp_path, text.replace("hush", "hash")), env={}, trusted=True)
    assert config.digest != other.digest


@pytest.mark.parametrize(
    ("command", "closed", "open_"),
    [
        ('command = "./run.sh"', ["run.sh"], ["data.db"]),
        ('command = "python"\nargs = ["-u", "server.py", "data.db"]', ["server.py"], ["data.db", "other.py"]),
        ('command = "python"\nargs = ["-m", "x", "--plugin=more.py"]', ["more.py"], ["data.db"]),
        ('command = "server"\nargs = ["sub"]', ["sub/__main__.py"], ["sub/text.md"]),
        ('command = "python"\nargs = ["s.py"]\nfiles = ["sub"]', ["s.py", "sub/anything"], ["data.db"]),
        ('command = "node"\nargs = ["dist/s.mjs"]', ["dist/s.mjs", "node_modules/x/i.js", "package.json"], ["a.txt"]),
        ('command = "python"\nargs = ["s.py"]\ncwd = "sub"', ["sub/s.py"], ["s.py", "sub/text.md"]),
    ],
)
def test_the_code_of_a_server_is_a_control_file_existing_or_not(
    tmp_path: Path, command: str, closed: list[str], open_: list[str]
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "dist").mkdir()
    config = load_config(written(tmp_path, f"[mcp.servers.a]\n{command}\n"), env={}, trusted=True)
    control = control_files(config)
    try:
        assert [name for name in closed if control.refusal(tmp_path / name, "write", below=tmp_path) is None] == []
        assert [name for name in open_ if control.refusal(tmp_path / name, "write", below=tmp_path) is not None] == []
    finally:
        control.close()
