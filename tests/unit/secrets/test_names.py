"""Names that secrets go by, and what is masked."""

import pytest

from headway.secrets import REDACTED, mask, secret_name
from headway.secrets.names import literal, secret_texts

SECRET = [
    "password", "PASSWORD", "db_password", "dbPassword", "passwd", "pwd", "passphrase", "api_key", "apiKey",
    "x-api-key", "APIKEY", "Authorization", "proxy-authorization", "token", "access_token", "X-Auth-Token", "csrfToken",
    "id_token", "client_secret", "secret", "private_key", "aws_secret_access_key", "cookie", "Set-Cookie",
    "session_key", "jwt", "GITHUB_TOKEN", "connection_string", "credentials", "smtp.password",
]  # fmt: skip
HARMLESS = [
    "tokens", "max_tokens", "input_tokens", "token_count", "next_page_token", "continuationToken", "stop_token", "key",
    "primary_key", "keys", "secretary", "password_policy", "passenger", "compass", "author", "cookie_count", "", "42",
    "tokenizer", "secret_name", "passage", "bypass_cache",
]  # fmt: skip


@pytest.mark.parametrize("name", SECRET)
def test_secret_names(name: str) -> None:
    assert secret_name(name)


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_names(name: str) -> None:
    assert not secret_name(name)
    assert not secret_name(7)


@pytest.mark.parametrize("value", ["", REDACTED, "secret://DB", "«secret:DB»", "$login.output.token", 5, None, ["a"]])
def test_what_is_no_literal(value: object) -> None:
    assert not literal(value)
    data = {"password": value} if not isinstance(value, list) else {"a": value}
    assert mask(data) is data


def test_masks() -> None:
    data = {"user": "ann", "headers": [{"Cookie": "a=b"}], "password": ["one", "secret://x"], "n": {"token": "t"}}
    shown = {
        "user": "ann",
        "headers": [{"Cookie": REDACTED}],
        "password": [REDACTED, "secret://x"],
        "n": {"token": REDACTED},
    }
    assert mask(data) == shown
    assert list(secret_texts(data)) == ["headers[0].Cookie", "password", "n.token"]
    assert mask(shown) is shown
    assert mask("curl https://ann:pw@host") == f"curl https://{REDACTED}@host"
