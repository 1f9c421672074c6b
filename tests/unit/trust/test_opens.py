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
    ],
)
def test_what_reaches_beyond_the_folder_needs_trust(project: Path, text: str, key: str) -> None:
    (project / "headway.toml").write_text(text)

    config = load_config(project, env={})
    assert config.opens == [key]
    with pytest.raises(NotTrusted, match=f"is not trusted, and its {key} gives plans more: run headway trust"):
        tools_of(config, ControlFiles([]))
    assert config.without_code().opens == []
    assert config.without_code().workspace.samefile(project)

    TrustedProjects().add(project)
    load_config(project, env={}).require_trust()


@pytest.mark.parametrize(
    "text", ['[tools]\nworkspace = "sub"\n', '[tools]\nworkspace = "."\n', "[budgets]\nactions = 3\n"]
)
def test_what_stays_in_the_folder_needs_none(project: Path, text: str) -> None:
    (project / "headway.toml").write_text(text)

    config = load_config(project, env={})

    assert config.opens == []
    config.require_trust()


def test_what_the_user_says_needs_none_unless_the_file_says_where_it_goes(project: Path) -> None:
    (project / "headway.toml").write_text('[inference]\nmodel = "m"\n')
    env = {"HEADWAY_TOOLS_WORKSPACE": "/", "HEADWAY_INFERENCE_URL": "http://h", "HEADWAY_INFERENCE_API_KEY_ENV": "K"}
    assert load_config(project, env=env).opens == []

    (project / "headway.toml").write_text('[inference]\nmodel = "m"\nurl = "http://127.0.0.1:9"\n')
    assert load_config(project, env={"HEADWAY_INFERENCE_API_KEY_ENV": "K"}).opens == ["inference.api_key_env"]
