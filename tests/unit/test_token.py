"""The token of a home: made once, read only where nobody else can, replaced whole."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from headway.client.token import TokenFile, read_token, stamp_of
from headway.errors import InvalidInput, NotFound, StoreError
from headway.home import Home

TOKEN = "a" * 43


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    home = Home(tmp_path / "home")
    home.prepare()
    return TokenFile(home)


def test_a_token_is_made_once(tokens: TokenFile) -> None:
    with pytest.raises(NotFound, match="there is no token file"):
        tokens.read()
    token = tokens.ensure()
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token)
    assert tokens.ensure() == tokens.read() == token
    assert tokens.path.read_text() == f"{token}\n"
    assert tokens.header_path.read_text() == f"Authorization: Bearer {token}\n"
    for path in (tokens.path, tokens.header_path):
        assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tokens.path.parent.iterdir()) == ["a2a.header", "a2a.token"]
    assert token not in repr(tokens)


def test_of_two_that_make_one_the_first_wins(tokens: TokenFile, monkeypatch: pytest.MonkeyPatch) -> None:
    write = tokens._write

    def slow(path: Path, text: str) -> Path:
        made = write(path, text)
        if path == tokens.path and not path.exists():
            path.write_text("the-first-of-two-tokens\n")
            path.chmod(0o600)
        return made

    monkeypatch.setattr(tokens, "_write", slow)
    assert tokens.ensure() == tokens.read() == read_token(tokens.header_path) == "the-first-of-two-tokens"


def test_rotation_makes_another_one(tokens: TokenFile) -> None:
    old, before = tokens.ensure(), stamp_of(tokens.path)
    new = tokens.rotate()
    assert new != old
    assert stamp_of(tokens.path) != before
    assert tokens.read() == new
    assert read_token(tokens.header_path) == new
    assert len(list(tokens.path.parent.iterdir())) == 2


def test_a_header_that_says_something_else_is_mended(tokens: TokenFile) -> None:
    token = tokens.ensure()
    for text in ("Authorization: Bearer other-token-of-yesterday", "", "x" * 100_000):
        tokens.header_path.write_text(text)
        assert tokens.ensure() == token
        assert read_token(tokens.header_path) == token
    tokens.header_path.chmod(0o644)
    tokens.ensure()
    assert tokens.header_path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o620, 0o601, 0o666])
def test_what_others_may_read_is_not_read(tokens: TokenFile, mode: int) -> None:
    token = tokens.ensure()
    tokens.path.chmod(mode)
    for act in (tokens.read, tokens.ensure):
        with pytest.raises(InvalidInput, match=f"others may read .*{mode:04o}.*headway token --rotate") as caught:
            act()
        assert token not in str(caught.value)
    assert tokens.rotate() != token, "a rotation mends it"
    tokens.read()


def test_a_link_or_a_folder_is_no_token(tokens: TokenFile, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(TOKEN)
    elsewhere.chmod(0o600)
    tokens.path.symlink_to(elsewhere)
    with pytest.raises(InvalidInput, match="cannot read the token file"):
        tokens.ensure()
    tokens.path.unlink()
    tokens.path.mkdir()
    with pytest.raises(InvalidInput, match="is not a file"):
        tokens.read()
    tokens.path.rmdir()
    os.mkfifo(tokens.path, 0o600)
    with pytest.raises(InvalidInput, match="is not a file"):
        tokens.read()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_not_read(tokens: TokenFile) -> None:
    tokens.ensure()
    os.chown(tokens.path, 65534, 65534)
    with pytest.raises(InvalidInput, match="belongs to another user"):
        tokens.read()


@pytest.mark.parametrize(
    "text", ["", "short", "two words of sixteen", "x" * 5000, "naïve-token-of-some-length", "a\nb" * 9]
)
def test_what_is_no_token_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "token"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(InvalidInput, match="does not hold a token") as caught:
        read_token(path)
    assert "naïve" not in str(caught.value)


@pytest.mark.parametrize(
    "text", [TOKEN, f"{TOKEN}\n", f"Authorization: Bearer {TOKEN}\n", f"authorization: bearer {TOKEN}"]
)
def test_a_token_file_may_hold_the_header(tmp_path: Path, text: str) -> None:
    path = tmp_path / "token"
    path.write_text(text)
    path.chmod(0o600)
    assert read_token(path) == TOKEN


def test_a_home_that_takes_no_file_says_so(tmp_path: Path) -> None:
    tokens = TokenFile(Home(tmp_path / "nowhere"))
    for act in (tokens.ensure, tokens.rotate):
        with pytest.raises(StoreError, match="cannot write"):
            act()
