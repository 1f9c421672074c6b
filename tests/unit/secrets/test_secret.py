"""A secret shows itself to nobody but who asks for it by name."""

import copy
import dataclasses
import json
import pickle

import msgspec
import pydantic
import pytest

import headway
from headway.jsonvalue import to_json
from headway.secrets import Secret
from headway.secrets.secret import HIDDEN, SECRET_SCHEMA, keyed_digest

VALUE = "correct-horse-battery"


def test_it_is_exported() -> None:
    assert headway.Secret is Secret


def test_no_text_of_it_shows_the_value() -> None:
    secret = Secret(VALUE)
    texts = [repr(secret), str(secret), f"{secret}", f"{secret!r:>40}", "{:^30}".format(secret), "%s" % secret]  # noqa: UP031, UP032
    texts += [repr([secret]), repr({"a": secret}), str(ValueError(secret))]
    assert not [text for text in texts if VALUE in text]
    assert str(secret) == HIDDEN
    assert secret.reveal() == VALUE
    assert VALUE not in repr(dir(secret))
    assert not hasattr(secret, "__dict__")


def test_it_does_not_change() -> None:
    secret = Secret(VALUE)
    with pytest.raises(AttributeError):
        secret._hidden = "other"  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        del secret._hidden  # type: ignore[attr-defined]
    assert secret.reveal() == VALUE


@pytest.mark.parametrize("write", [json.dumps, pickle.dumps, msgspec.json.encode, to_json, copy.copy(pickle.dumps)])
def test_nothing_writes_it(write: object) -> None:
    for value in (Secret(VALUE), {"a": [Secret(VALUE)]}):
        with pytest.raises((TypeError, headway.InvalidInput)) as caught:
            write(value)  # type: ignore[operator]
        assert VALUE not in str(caught.value)


def test_copies_are_the_same_object() -> None:
    @dataclasses.dataclass
    class Login:
        token: Secret

    secret = Secret(VALUE)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret
    assert dataclasses.asdict(Login(secret))["token"] is secret


def test_equality_is_of_values_and_of_secrets_only() -> None:
    assert Secret(VALUE) == Secret(VALUE)
    assert hash(Secret(VALUE)) == hash(Secret(VALUE))
    assert Secret(VALUE) != Secret("another value")
    assert Secret(VALUE) != VALUE
    assert len({Secret(VALUE), Secret(VALUE), Secret("b")}) == 2


def test_equality_takes_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    monkeypatch.setattr("hmac.compare_digest", lambda a, b: compared.append((a, b)) or a == b)
    assert Secret("ä" * 8) == Secret("ä" * 8)
    assert len(compared) == 1


def test_pydantic_takes_it_and_hides_it() -> None:
    class Login(pydantic.BaseModel):
        user: str
        token: Secret

    login = Login.model_validate_json(json.dumps({"user": "ann", "token": VALUE}))
    assert login.token.reveal() == VALUE
    assert Login(user="ann", token=Secret(VALUE)).token.reveal() == VALUE
    assert VALUE not in repr(login) + login.model_dump_json() + repr(login.model_dump())
    assert Login.model_json_schema()["properties"]["token"] == {**SECRET_SCHEMA, "title": "Token"}
    with pytest.raises(pydantic.ValidationError):
        Login.model_validate({"user": "ann", "token": 5})


@pytest.mark.parametrize("value", [None, 5, b"bytes", "\ud800", "x" * 70_000])
def test_a_secret_is_text(value: object) -> None:
    with pytest.raises(headway.InvalidInput):
        Secret(value)  # type: ignore[arg-type]


def test_the_digest_is_keyed() -> None:
    import hashlib

    assert keyed_digest(b"a") == keyed_digest(b"a") != keyed_digest(b"b")
    assert keyed_digest(b"a") != hashlib.sha256(b"a").hexdigest()
    assert keyed_digest(b"a") != hashlib.blake2b(b"a", digest_size=32).hexdigest()
