"""Who gets which secret, and who is told what."""

import gc

import pytest

from headway.errors import InvalidInput, SecretUnavailable
from headway.secrets import EnvironmentSource, Redactor, Secret, Vault, marks_of
from headway.secrets import reference as references
from headway.secrets.reference import held, hold, name_in, names_held, without_secrets

MARKS = marks_of({"type": "object", "properties": {"p": {"type": "string", "format": "password"}}})
assert MARKS is not None


def vault() -> Vault:
    made = Vault()
    made.declare("DB", Secret("db-password-1"), tools=["login"])
    made.declare("OPEN", Secret("open-password"), tools=["login"], remote=True)
    made.declare("MISSING", EnvironmentSource("NOWHERE", {}), tools=["login"])
    made.declare("SHORT", Secret("1234"), tools=["login"])
    return made


def test_names_tools_and_remote_callers() -> None:
    made = vault()
    assert made.resolve("DB", "login") == "db-password-1"
    assert made.resolve("OPEN", "login", remote=True) == "open-password"
    for name, tool, remote, why in (
        ("NONE", "login", False, r"secret 'NONE' is not declared: add \[secrets.NONE\]"),
        ("DB", "other", False, "tool 'other' may not have secret 'DB'"),
        ("DB", "login", True, "secret 'DB' is not there for tool 'login' and a remote caller"),
        ("NONE", "login", True, "secret 'NONE' is not there for tool 'login' and a remote caller"),
        ("MISSING", "login", False, "secret 'MISSING': environment variable NOWHERE is not set"),
        ("SHORT", "login", False, "secret 'SHORT' is too short"),
    ):
        with pytest.raises(SecretUnavailable, match=why):
            made.resolve(name, tool, remote=remote)


def test_what_is_handed_out_is_looked_for_and_all_after_learning() -> None:
    made, log = vault(), Redactor()
    made.tell(log)
    assert not log.active
    made.resolve("DB", "login")
    assert log.text("db-password-1 open-password") == "«secret:DB» open-password"
    problems = made.learn()
    assert log.text("db-password-1 open-password") == "«secret:DB» «secret:OPEN»"
    assert [problem.split(":")[0] for problem in problems] == ["secret 'MISSING'", "secret 'SHORT' is too short"]
    late = Redactor()
    made.tell(late)
    assert late.text("open-password") == "«secret:OPEN»"


def test_values_are_put_in_place_and_equal_calls_are_known_by_keyed_hashes() -> None:
    made = vault()
    made.declare("SAME", Secret("db-password-1"), tools=["login"])
    assert made.put(MARKS, {"p": "secret://DB", "q": "x"}, "login") == {"p": "db-password-1", "q": "x"}
    keys = [made.keyed(MARKS, {"p": f"secret://{name}"}) for name in ("DB", "SAME", "OPEN", "MISSING")]
    assert keys[0] == keys[1] != keys[2]
    assert "db-password" not in repr(keys)
    assert keys[3] == {"p": {"reference": "MISSING"}}


def test_bad_names() -> None:
    for name in ("", "a b", "~x", "a/b", "x" * 200, "ü"):
        with pytest.raises(InvalidInput):
            Vault().declare(name, Secret("value-1"), tools=[])
    made = vault()
    with pytest.raises(InvalidInput, match="twice"):
        made.declare("DB", Secret("value-1"), tools=[])
    assert made.names == ["DB", "MISSING", "OPEN", "SHORT"]
    assert "password" not in repr(made)


def test_secrets_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = Secret("only-in-memory")
    reference = hold(secret)
    name = name_in(reference)
    assert name is not None
    assert hold(secret) == reference != hold(Secret("only-in-memory"))
    made = Vault()
    assert made.resolve(name, "any tool") == "only-in-memory"
    assert made.redactor.text("only-in-memory") == "«secret»"
    with pytest.raises(SecretUnavailable, match="remote caller"):
        made.resolve(name, "any tool", remote=True)
    assert names_held({"a": [reference, "secret://DB"]}) == {name}
    references._newest.clear()
    del secret
    gc.collect()
    assert held(name) is None
    with pytest.raises(SecretUnavailable, match="in memory"):
        Vault().resolve(name, "any tool")


def test_secrets_in_data_become_references() -> None:
    secret = Secret("only-in-memory")
    data = {"a": [1, {"b": secret}], "c": "x"}
    assert without_secrets(data) == {"a": [1, {"b": hold(secret)}], "c": "x"}
    plain = {"a": [1]}
    assert without_secrets(plain) is plain
    with pytest.raises(InvalidInput):
        without_secrets({secret: 1})


@pytest.mark.parametrize("text", ["secret://", "secret://a b", "x secret://a", "SECRET://a", "secret://~x", None, 5])
def test_what_is_no_reference(text: object) -> None:
    assert name_in(text) is None
