"""The policy files of docs/policies.md can be read, and deny what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from headway.policy.engine import PolicyEngine
from headway.policy.files import load_policies
from tests.unit.policy.kit import call, write

PAGE = (Path(__file__).parents[3] / "docs" / "policies.md").read_text(encoding="utf-8")
KINDS, CONDITIONS, ASKING = re.findall(r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def reasons(folder: Path, text: str, made: Any) -> list[str]:
    (folder / "page.toml").write_text(text)
    engine = PolicyEngine()
    engine.use_files(load_policies(folder))
    return engine.check(made)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (call("shell"), "tool 'shell' denied by policy"),
        (call("sql", {"q": ["DROP TABLE x"]}), "the parameters contain denied keyword 'DROP TABLE'"),
        (call("fetch", {"url": "https://169.254.1.1"}), "param 'url' matches denied pattern '169.254.'"),
        (call("fetch", {"url": "https://x", "verify": False}), "param 'verify' has a denied value"),
        (call("deploy", {"to": "production"}), "param 'to' is not one of the allowed values"),
        (call("run", {"cmd": "SUDO ls"}), r"param 'cmd' matches denied expression '(?i)\bsudo\b'"),
        (call("fetch", {"url": "ftp://x"}), "only https addresses are fetched"),
        (call("fetch", {"url": "https://x", "verify": True}), None),
        (call("deploy", {"to": "staging"}), None),
        (call("send_mail"), None),
        (write(), None),
    ],
)
def test_the_kinds_of_rule(tmp_path: Path, made: Any, reason: str | None) -> None:
    found = reasons(tmp_path, KINDS, made)
    assert [line.split("': ", 1)[1] for line in found] == ([] if reason is None else [reason])


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (write(state={"frozen": True}), "freeze"),
        (write(state={"frozen": True}, principal="admin"), None),
        (call("t", writes=("frozen",), state={"frozen": True}), "freeze"),
        (call("t", reads=("frozen",), state={"frozen": True}), None),
        (write(), None),
        (call("publish", effects={"stage": "live"}, writes=("stage",)), "stages"),
        (call("publish", effects={"stage": "draft"}, writes=("stage",)), None),
        (call("publish", writes=("stage",)), "stages"),
        (call("publish"), None),
        (call("send_mail", {"to": ["a@example.org", "b@else.org"]}), "small-mails"),
        (call("send_mail", {"to": ["a@example.org"] * 11}), "small-mails"),
        (call("send_mail", {"to": ["a@example.org"]}), None),
        (call("push", {"branch": "main"}), "own-branch"),
        (call("push", {"branch": "agent/x"}), None),
    ],
)
def test_the_conditions(tmp_path: Path, made: Any, name: str | None) -> None:
    found = reasons(tmp_path, CONDITIONS, made)
    assert [line.split("'")[1] for line in found] == ([] if name is None else [name])


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (call("deploy", {"env": "production"}), "policy 'page.toml:1' asks about tool 'deploy'"),
        (call("deploy", {"env": "staging"}), None),
        (call("deploy", {"env": "staging", "force": True}), "policy 'page.toml:1' asks about tool 'deploy'"),
        (call("wire", {"amount": 101}), "policy 'large-transfers': more than 100"),
        (call("wire", {}), "policy 'large-transfers' cannot tell (Unreadable)"),
        (call("wire", {"amount": 100}), None),
        (call("other"), None),
    ],
)
def test_what_asks_a_person(tmp_path: Path, made: Any, reason: str | None) -> None:
    (tmp_path / "page.toml").write_text(ASKING)
    engine = PolicyEngine()
    engine.use_files(load_policies(tmp_path))
    assert engine.check(made) == [], "nothing is denied"
    assert engine.asks()
    assert engine.approval(made, []) == ([] if reason is None else [reason])
    assert bool(engine.approval(made, ["its permission asks"])) == (made.parameters != {"env": "staging"})
    weakened = PolicyEngine()
    assert weakened.approval(made, [], engine.sources) == engine.approval(made, []), "those of the job's start hold"
