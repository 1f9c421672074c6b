"""``headway models``, and the providers that headway.toml makes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headway.config import load_config
from headway.errors import InferenceRefused, InvalidConfig, NotTrusted
from headway.provision import door_of, models_of, vault_of
from headway_console.cli import main
from tests.unit.cli.test_completing import complete
from tests.unit.inference.recorded import ALL
from tests.unit.inference.server import json_reply, running

FILE = """
[secrets.ANTHROPIC]
env = "ANTHROPIC_TEST_KEY"

[providers.openai]
kind = "openai"
api_key_env = "OPENAI_TEST_KEY"

[providers.claude]
kind = "anthropic"
api_key = "secret://ANTHROPIC"
models = [{ id = "claude-next", context = 9, input_price = 1_000_000, output_price = 2_500_000 }]

[providers.box]
kind = "openai"
url = "http://127.0.0.1:1/v1"

[models]
default = "fast"

[models.aliases]
fast = "openai/gpt-4o-mini"
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "headway.toml").write_text(FILE)
    monkeypatch.chdir(folder)
    for name in ("HEADWAY_CONFIG", "OPENAI_TEST_KEY", "ANTHROPIC_TEST_KEY", "HEADWAY_MODELS_DEFAULT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return folder


def told(capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> Any:
    assert main(["models", *args, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_ls(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    found = told(capsys, "ls")
    assert found["default"] == {"configured": "fast", "effective": "openai/gpt-4o-mini"}
    assert found["aliases"] == {"fast": "openai/gpt-4o-mini"}
    names = [one["name"] for one in found["models"]]
    assert names[0] == "openai/gpt-4o-mini"
    assert {"claude/claude-next", "claude/claude-haiku-4-5"} <= set(names)
    assert main(["models", "ls", "--provider", "claude"]) == 0
    out = capsys.readouterr().out
    assert "1.00 / 2.50" in out
    assert "openai/" not in out
    assert main(["models", "ls"]) == 0
    out, err = capsys.readouterr()
    assert "fast" in out
    assert "box takes any other name" in err
    assert main(["models", "ls", "--provider", "nobody"]) == 2
    assert "there is no provider of models 'nobody'" in capsys.readouterr().err
    (here / "headway.toml").write_text("")
    assert main(["models", "ls"]) == 0
    assert "no providers of models" in capsys.readouterr().out


def test_resolve(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = told(capsys, "resolve", "sonnet", "--provider", "claude")
    assert (found["name"], found["used_fallback"]) == ("claude/claude-sonnet-4-5", False)
    found = told(capsys, "resolve", "gpt-4o", "--provider", "claude")
    assert (found["name"], found["used_fallback"]) == ("claude/claude-next", True)
    assert found["chain"] == ["requested:gpt-4o", "provider_default:claude"]
    assert told(capsys, "resolve", "box/my-model")["info"] is None
    assert main(["models", "resolve"]) == 0
    assert capsys.readouterr() == ("openai/gpt-4o-mini\n", "headway: global_default:openai/gpt-4o-mini\n")
    monkeypatch.setenv("HEADWAY_MODELS_DEFAULT", "sonnet")
    assert told(capsys, "resolve")["name"] == "claude/claude-sonnet-4-5"
    assert told(capsys, "ls")["default"] == {"configured": "fast", "effective": "claude/claude-sonnet-4-5"}
    assert main(["models", "resolve", "x", "--provider", "box"]) == 0
    assert main(["models", "resolve", "--provider", "box"]) == 2


def test_show(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = told(capsys, "show", "fast")
    assert (found["ready"], found["info"]["context"]) == (False, 128_000)
    assert found["problem"] == "api.openai.com needs a key: set the environment variable OPENAI_TEST_KEY"
    monkeypatch.setenv("OPENAI_TEST_KEY", "sk-key-123456")
    assert told(capsys, "show", "fast")["ready"]
    assert "ANTHROPIC" in told(capsys, "show", "haiku")["problem"]
    monkeypatch.setenv("ANTHROPIC_TEST_KEY", "sk-key-123456")
    assert told(capsys, "show", "haiku")["ready"]
    assert main(["models", "show", "haiku"]) == 0
    out = capsys.readouterr().out
    assert "200,000" in out
    assert "sk-key" not in out
    assert main(["models", "show", "nothing"]) == 2
    assert "there is no model 'nothing'" in capsys.readouterr().err


def test_completion(here: Path) -> None:
    assert complete("models show", "fa") == ["fast"]
    assert complete("models resolve", "claude/claude-n") == ["claude/claude-next"]
    assert complete("models ls --provider", "b") == ["box"]
    (here / "headway.toml").write_text("broken")
    assert complete("models show", "fa") == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[providers.x]\nkind = "klingon"', "providers.x.kind"),
        ('[providers."a/b"]\nkind = "openai"', "no '/'"),
        ('[providers.x]\nkind = "openai"\napi_key = "sk-123"', "secret://NAME"),
        ('[providers.x]\nkind = "openai"\napi_key = "secret://A"\napi_key_env = "B"', "not both"),
        ('[providers.x]\nkind = "local"\nurl = "http://x"', "neither url nor key"),
        ('[providers.x]\nkind = "openai"\nfile = "x"', "only a local provider"),
        ('[providers.x]\nkind = "openai"\nmodels = [{ id = "a", context = 0 }]', "context"),
    ],
)
def test_sections_that_make_no_sense(here: Path, text: str, why: str) -> None:
    (here / "headway.toml").write_text(text)
    with pytest.raises(InvalidConfig, match=why) as caught:
        load_config(here)
    assert "sk-123" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[providers.x]\nkind = "openai"\napi_key = "secret://GONE"', "secret 'GONE' is not declared"),
        ('[providers.x]\nkind = "openai"\nurl = "http://far.example/v1"\napi_key_env = "K"', "https only"),
        ('[providers.x]\nkind = "openai"\ndefault = "nothing"', "has no model 'nothing'"),
        ('[models]\ndefault = "nothing"', "there is no model 'nothing'"),
        ('[models.aliases]\nx = "y/z"', "alias"),
    ],
)
def test_names_that_lead_nowhere_are_one_line(here: Path, text: str, why: str) -> None:
    (here / "headway.toml").write_text(text)
    config = load_config(here)
    with pytest.raises(InvalidConfig, match=why):
        models_of(config, vault_of(config), door_of(config))


async def test_a_key_out_of_the_secrets(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read at each call, sent as the vendor wants it, and what was read is looked for from then on."""
    recorded = ALL["anthropic"]
    async with running(json_reply(recorded.text), json_reply(recorded.refused, 401)) as server:
        text = f'[secrets.K]\nenv = "ANTHROPIC_TEST_KEY"\n[providers.x]\nkind = "anthropic"\nurl = "{server.url}"\n'
        (here / "headway.toml").write_text(text + 'api_key = "secret://K"\n')
        config = load_config(here, trusted=True)
        vault = vault_of(config)
        models = models_of(config, vault, door_of(config, vault.redactor))
        from headway.inference import ChatRequest

        with pytest.raises(InferenceRefused, match="needs a key: secret 'K': environment variable"):
            await models.chat(ChatRequest.of("Hi"), models.resolve("x/any"))
        monkeypatch.setenv("ANTHROPIC_TEST_KEY", "sk-key-123456")
        reply, by = await models.chat(ChatRequest.of("Hi"), models.resolve("x/any"))
        assert (reply.text, by.name) == ("Hällo there.", "x/any")
        with pytest.raises(InferenceRefused, match="refused the key in secret 'K'"):
            await models.chat(ChatRequest.of("Hi"), models.resolve("x/any"))
        await models.aclose()
    assert [asked.headers["x-api-key"] for asked in server.asked] == ["sk-key-123456"] * 2
    assert vault.redactor.text("it is sk-key-123456") == "it is «secret:K»"


def test_a_provider_with_a_key_needs_trust(here: Path) -> None:
    config = load_config(here, trusted=False)
    assert config.opens == ["providers.openai", "providers.claude"]
    with pytest.raises(NotTrusted, match=r"providers\.openai"):
        config.require_trust()
    left = config.without_code()
    assert list(left.providers) == ["box"]
    assert models_of(left, vault_of(left), door_of(left)).aliases == {}
