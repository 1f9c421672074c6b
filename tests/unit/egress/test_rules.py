"""Rules of egress: the addresses that may be reached, and how entries are written."""

from __future__ import annotations

import ipaddress
from typing import Any

import httpx
import pytest

from headway.egress.rules import Entry, Rules, kind_of
from headway.errors import EgressRefused, InvalidInput

PUBLIC = ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "93.184.216.34"]

REFUSED = {
    "127.0.0.1": "this machine",
    "127.8.9.1": "this machine",
    "0.0.0.0": "this machine",  # noqa: S104 - nothing is bound
    "::": "this machine",
    "::1": "this machine",
    "10.0.0.1": "private",
    "172.16.5.4": "private",
    "192.168.1.1": "private",
    "100.64.0.1": "private",
    "100.100.100.200": "private",
    "192.0.0.192": "private",
    "198.18.0.1": "private",
    "fd00:ec2::254": "private",
    "fc00::1": "private",
    "169.254.169.254": "link-local",
    "169.254.170.2": "link-local",
    "168.63.129.16": "link-local",
    "fe80::1": "link-local",
    "224.0.0.1": "no address of one machine",
    "ff02::1": "no address of one machine",
    "255.255.255.255": "no address of one machine",
    "240.0.0.1": "no address of one machine",
    "::ffff:127.0.0.1": "this machine",
    "::ffff:169.254.169.254": "link-local",
    "::127.0.0.1": "this machine",
    "64:ff9b::7f00:1": "this machine",
    "64:ff9b::a9fe:a9fe": "link-local",
    "2002:7f00:1::": "this machine",
    "2002:a9fe:a9fe::1": "link-local",
}


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_reached(address: str) -> None:
    assert kind_of(ipaddress.ip_address(address)) is None
    Rules().check_address("example.com", 443, ipaddress.ip_address(address))


@pytest.mark.parametrize(("address", "kind"), REFUSED.items())
def test_other_addresses_may_not(address: str, kind: str) -> None:
    parsed = ipaddress.ip_address(address)
    assert kind_of(parsed) == kind
    with pytest.raises(EgressRefused, match=kind) as caught:
        Rules().check_address("example.com", 443, parsed)
    assert str(caught.value).startswith(f"example.com is {parsed}, which is {kind}")
    assert "[egress] allow" in str(caught.value)
    Rules(allow=(address,)).check_address("example.com", 443, parsed)


@pytest.mark.parametrize(
    ("entry", "host", "port", "address", "good"),
    [
        ("models.lan", "models.lan", 80, "10.0.0.1", True),
        ("models.lan", "other.lan", 80, "10.0.0.1", False),
        ("models.lan:8000", "models.lan", 8000, "10.0.0.1", True),
        ("models.lan:8000", "models.lan", 80, "10.0.0.1", False),
        ("*.lan", "models.lan", 80, "10.0.0.1", True),
        ("*.lan", "lan", 80, "10.0.0.1", False),
        ("*.lan", "models.wlan", 80, "10.0.0.1", False),
        ("Models.LAN.", "models.lan", 80, "10.0.0.1", True),
        ("10.0.0.0/8", "anything", 80, "10.9.9.9", True),
        ("10.0.0.0/8", "anything", 80, "192.168.0.1", False),
        ("10.0.0.1:443", "anything", 80, "10.0.0.1", False),
        ("[::1]:443", "anything", 443, "::1", True),
        ("::1", "anything", 443, "::1", True),
        ("fd00::/8", "anything", 443, "fd12::1", True),
        ("models.lan", "models.lan", 80, "169.254.169.254", False),  # no name opens what clouds keep there
        ("169.254.169.254", "models.lan", 80, "169.254.169.254", True),
    ],
)
def test_what_is_allowed(entry: str, host: str, port: int, address: str, good: bool) -> None:
    rules, parsed = Rules(allow=(entry,)), ipaddress.ip_address(address)
    if good:
        rules.check_address(host, port, parsed)
    else:
        with pytest.raises(EgressRefused):
            rules.check_address(host, port, parsed)


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://api.example.com/v1", True),
        ("https://API.example.COM./v1", True),
        ("https://example.com/", False),
        ("https://api.example.com.evil.test/", False),
        ("https://evil.test/api.example.com", False),
        ("https://other.test:8443/", True),
        ("https://other.test/", False),
    ],
)
def test_only_these_hosts(url: str, good: bool) -> None:
    rules = Rules(only=("*.example.com", "other.test:8443"))
    if good:
        rules.check_url(httpx.URL(url))
    else:
        with pytest.raises(EgressRefused, match=r"\[egress\] only"):
            rules.check_url(httpx.URL(url))


@pytest.mark.parametrize(
    "url",
    ["ftp://example.com/", "file:///etc/passwd", "https:///x", "https://u:p@example.com/", "http://127.0.0.1/",
     "http://[::1]/", "http://[::ffff:10.0.0.1]/", "http://169.254.169.254/latest/meta-data", "//example.com/"],
)  # fmt: skip
def test_addresses_on_the_web_that_are_not_asked(url: str) -> None:
    with pytest.raises(EgressRefused) as caught:
        Rules().check_url(httpx.URL(url))
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "address", "good"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("localhost", "::1", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("models.lan", "10.1.2.3", False),
        ("169.254.169.254", "169.254.169.254", False),
    ],
)
def test_a_host_that_was_named(host: str, address: str, good: bool) -> None:
    rules, parsed = Rules().and_host(host), ipaddress.ip_address(address)
    if good:
        rules.check_address(host, 80, parsed)
    else:
        with pytest.raises(EgressRefused):
            rules.check_address(host, 80, parsed)


@pytest.mark.parametrize(
    "entry",
    ["", "a b", "http://x", "10.0.0.0/40", "10.0.0.1/8", "x:0", "x:70000", "*", "*.", "a.*.b", "-x", "x/y", "999", 5,
     None, "x" * 300, "é.example", "1.2.3"],
)  # fmt: skip
def test_an_entry_that_is_none_is_one_line(entry: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        Entry.parse(entry)
    assert "\n" not in str(caught.value)
    with pytest.raises(InvalidInput):
        Rules(allow=(entry,))


def test_a_list_is_a_list() -> None:
    with pytest.raises(InvalidInput, match="a list"):
        Rules(allow="localhost")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="a list"):
        Rules(only=("x",) * 1001)
