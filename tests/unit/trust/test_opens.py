"""What a headway.toml opens without any code: a folder that was only entered gives plans no more than itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from headway.config import load_config
from headway.errors import NotTrusted
from headway.provision import tools_of
from headway.trust import ControlFiles, TrustedProjects

KEY = '[inference]\nurl = "http://127.0.0.1:9/v1"\nmodel = "m"\napi_key_env = "SOME_KEY"\n'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    project = tmp_path / "project"
    (project / "sub").mkdir(parents=True)
    (project / "out").symlink_to(tmp_path)
    return project


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[tools]\nworkspace = "/"\n', "tools.workspace"),
        ('[tools]\nworkspace = ".."\n', "tools.workspace"),
        ('[tools]\nworkspace = "out"\n', "tools.workspace"),
        (KEY, "inference.api_key_env"),
        ('[learning]\nmemory = "../memory.json"\n', "learning.memory"),
        ('[learning]\nmemory = "out/memory.json"\n', "learning.memory"),
        ('[learning]\ntrajectories = "/tmp/seen"\n', "learning.trajectories"),
        ('[a2a]\nauth = "none"\n', "a2a.auth"),
        ('[a2a]\nhost = "0.0.0.0"\n', "a2a.host"),
        ('[a2a]\nhost = "example.org"\n', "a2a.host"),
    ],
)
def test_what_reaches_beyond_the_folder_needs_trust(project: Path, text: str, key: str) -> None:
    (project / "headway.toml").write_text(text)

    config = load_config(project, env={})
    assert config.opens == [key]
    with pytest.raises(NotTrusted, match=f"not trusted, and its {key} opens more than its folder: run headway"):
        tools_of(config, ControlFiles([]))
    assert config.code == []
    assert config.without_code().opens == []
    assert config.without_code().workspace.samefile(project)

    TrustedProjects().add(project)
    load_config(project, env={}).require_trust()


@pytest.mark.parametrize(
    "text",
    [
        '[tools]\nworkspace = "sub"\n',
        '[tools]\nworkspace = "."\n',
        "[budgets]\nactions = 3\n",
        '[learning]\nmemory = "memory.json"\ntrajectories = "sub/seen"\n',
        '[a2a]\nauth = "token"\nhost = "localhost"\n',
        '[a2a]\nhost = "::1"\n',
    ],
)
def test_what_stays_in_the_folder_needs_none(project: Path, text: str) -> None:
    (project / "headway.toml").write_text(text)

    config = load_config(project, env={})

    assert config.opens == []
    config.require_trust()


def test_all_that_is_open_is_named(project: Path) -> None:
    (project / "headway.toml").write_text(
        KEY + '[tools]\nworkspace = "/"\n[learning]\nmemory = "/m"\n[a2a]\nauth = "none"\nhost = "::"\n'
    )

    config = load_config(project, env={})

    assert config.opens == ["tools.workspace", "learning.memory", "inference.api_key_env", "a2a.auth", "a2a.host"]
    assert config.without_code().opens == []
    assert (config.without_code().a2a.auth, config.without_code().a2a.host) == ("token", "127.0.0.1")


def test_what_the_user_says_needs_none_unless_the_file_says_where_it_goes(project: Path) -> None:
    (project / "headway.toml").write_text('[inference]\nmodel = "m"\n')
    env = {"HEADWAY_TOOLS_WORKSPACE": "/", "HEADWAY_INFERENCE_URL": "http://h", "HEADWAY_INFERENCE_API_KEY_ENV": "K"}
    assert load_config(project, env=env).opens == []

    (project / "headway.toml").write_text('[inference]\nmodel = "m"\nurl = "http://127.0.0.1:9"\n')
    assert load_config(project, env={"HEADWAY_INFERENCE_API_KEY_ENV": "K"}).opens == ["inference.api_key_env"]

    env = {"HEADWAY_A2A_AUTH": "none", "HEADWAY_LEARNING_MEMORY": "/m"}
    assert load_config(project, {"a2a.host": "::"}, env=env).opens == []
