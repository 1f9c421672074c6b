"""Names that are taken for secrets, and those that are not."""

import pytest

from headway.events.event import Event
from headway.events.secrets import REDACTED, looks_secret, redact

FIELDS = ["password", "client_secret", "apiKey", "API_KEY", "x-api-key", "Authorization", "access_token", "token"]
TEXTS = [
    "sk-" + "a1B2" * 8,
    "AKIA" + "ABCD1234EFGH5678",
    "ghp_" + "x" * 36,
    "xoxb-1234567890-abc",
    "curl -H 'Authorization: Bearer " + "abcdefgh" * 3 + "'",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    "postgres://user:hunter2@host/db",
    "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----",
]


@pytest.mark.parametrize("name", FIELDS)
def test_fields_by_name(name: str) -> None:
    data = {"output": [{"headers": {name: "hunter2"}}]}
    assert looks_secret(data) == f"output[0].headers.{name}"
    assert redact(Event("x", data)).data == {"output": [{"headers": {name: REDACTED}}]}
    assert looks_secret({name: ""}) is None
    assert looks_secret({name: 5}) is None  # a count of tokens


@pytest.mark.parametrize("text", TEXTS)
def test_texts_by_their_shape(text: str) -> None:
    data = {"error": f"failed with {text} there"}
    assert looks_secret(data) == "error"
    cleaned = redact(Event("x", data)).data
    assert REDACTED in cleaned["error"]
    assert cleaned["error"].startswith("failed with ")
    assert cleaned["error"].endswith(" there")
    assert looks_secret(cleaned) is None
    assert data["error"].find(text) > 0  # the event itself is as it was


@pytest.mark.parametrize(
    "data",
    [
        {"tokens": 4.5, "next_page_token": "abc", "max_tokens": "100", "secretary": "Ann", "passwords": "none"},
        {"text": "the password is not here, see https://example.org/a:b and mail me@example.org"},
        {"n": None, "list": [1, True, "x"], "nested": {"keys": {"primary_key": "id"}}},
    ],
)
def test_harmless_data_is_left_alone(data: dict[str, object]) -> None:
    assert looks_secret(data) is None
    event = Event("x", data)
    assert redact(event) is event
