"""[egress] of headway.toml: read, refused in one line, and part of what needs trust."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from headway.config import load_config
from headway.errors import EgressRefused, InvalidConfig, NotTrusted
from headway.provision import door_of


def write(folder: Path, text: str) -> Path:
    file = folder / "headway.toml"
    file.write_text(text)
    return file


def test_the_door_is_the_one_that_the_file_describes(tmp_path: Path) -> None:
    file = write(
        tmp_path, '[egress]\nallow = ["127.0.0.1:9"]\nonly = ["127.0.0.1", "a.test"]\nproxy = "http://p.test:1"\n'
    )
    door = door_of(load_config(file, trusted=True))
    door.rules.check_url(httpx.URL("http://127.0.0.1:9/"))
    with pytest.raises(EgressRefused, match="this machine"):
        door.rules.check_url(httpx.URL("http://127.0.0.1:10/"))
    with pytest.raises(EgressRefused, match="only"):
        door.rules.check_url(httpx.URL("http://b.test/"))
    assert door.proxy_for(httpx.URL("http://a.test")) == httpx.URL("http://p.test:1")


def test_without_a_section_public_addresses_may_be_reached(tmp_path: Path) -> None:
    door = door_of(load_config(write(tmp_path, "")))
    door.rules.check_url(httpx.URL("https://1.1.1.1/"))
    with pytest.raises(EgressRefused):
        door.rules.check_url(httpx.URL("http://127.0.0.1/"))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('allow = ["http://x"]', "is no host, address or network"),
        ('only = ["10.0.0.0/99"]', "is no host, address or network"),
        ('proxy = "socks5://x"', "a proxy is"),
        ('proxy = "http://user:hunter2@x"', "must not hold a user or a password"),
        ("allow = 5", "list"),
    ],
)
def test_what_makes_no_sense_is_one_line(tmp_path: Path, line: str, why: str) -> None:
    with pytest.raises(InvalidConfig, match=why) as caught:
        load_config(write(tmp_path, f"[egress]\n{line}\n"))
    assert "headway.toml:2" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("line", ['allow = ["10.0.0.0/8"]', 'proxy = "http://p.test:1"'])
def test_what_opens_more_needs_trust(tmp_path: Path, line: str) -> None:
    config = load_config(write(tmp_path, f"[egress]\n{line}\n"), trusted=False)
    with pytest.raises(NotTrusted, match=rf"egress\.{line.split()[0]}"):
        config.require_trust()
    left = config.without_code().egress
    assert (left.allow, left.proxy) == ([], None)


def test_what_closes_needs_none(tmp_path: Path) -> None:
    load_config(write(tmp_path, '[egress]\nonly = ["a.test"]\n'), trusted=False).require_trust()
