"""Rules of egress: the hosts and addresses that may be reached.

Addresses of the public internet may, all others (this machine, private networks, link-local, multicast, reserved) only
if they are allowed by name or network.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from headway.addresses import host_name
from headway.errors import EgressRefused, InvalidInput, one_line

if TYPE_CHECKING:
    import httpx

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

ENVIRONMENT = "environment"
"""The proxy that stands for those which the environment names."""

MAX_ENTRIES = 1000
MAX_ENTRY_CHARS = 262

_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_GLOBAL_6 = ipaddress.IPv6Network("2000::/3")
_RESERVED: tuple[Network, ...] = tuple(
    map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "100.64.0.0/10", "2001:db8::/32", "3fff::/20"))
)  # Python's releases differ in these
_SERVICES = frozenset({ipaddress.ip_address("168.63.129.16")})  # Azure's, in the midst of public addresses
_NAME = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*):(?P<port>[0-9]{1,5})")


class Entry(NamedTuple):
    """One entry of a list: a network, or the name of a host, ``*.`` before it for all below it; and a port or any."""

    name: str
    network: Network | None
    port: int | None

    @classmethod
    def parse(cls, text: object) -> Entry:
        """Return the entry that ``text`` writes; :class:`InvalidInput` if it writes none."""
        if not isinstance(text, str) or not 0 < len(text) <= MAX_ENTRY_CHARS:
            raise InvalidInput("an egress entry is a host, an address or a network, with :PORT or without")
        found = _PORT.fullmatch(text)
        port = int(found["port"]) if found else None
        host = host_name(found["host"] if found else text)
        if port is not None and not 0 < port < 65536:
            raise InvalidInput(f"'{one_line(text, 80)}' has no port from 1 to 65535")
        try:
            network = ipaddress.ip_network(host)
        except ValueError:
            network = None
        if network is None and (not _NAME.fullmatch(host) or host.replace(".", "").isdigit()):
            raise InvalidInput(f"'{one_line(text, 80)}' is no host, address or network (10.0.0.0/8, *.example.com)")
        return cls(host, network, port)

    def has_host(self, host: str, port: int) -> bool:
        """Return whether this is the entry of a host, given as it is asked for."""
        if self.port not in (None, port):
            return False
        if self.network is not None:
            address = literal(host)
            return address is not None and address in self.network
        return host.endswith(self.name[1:]) if self.name.startswith("*.") else host == self.name

    def has_address(self, address: Address, port: int) -> bool:
        """Return whether this is the entry of an address."""
        return self.network is not None and self.port in (None, port) and address in self.network


@dataclass(frozen=True, slots=True)
class Rules:
    """What may be reached besides public addresses (``allow``), and what alone may be (``only``; None: every host).

    Entries are hosts (``models.lan``, ``*.lan``), addresses and networks (``10.1.0.0/16``), each with ``:PORT`` or
    without. A host that ``allow`` names may have private addresses; link-local addresses, which clouds tell machines'
    credentials at, need an entry of their own address. Raises :class:`InvalidInput` for an entry that is none.
    """

    allow: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None
    _allow: tuple[Entry, ...] = field(init=False, repr=False, compare=False)
    _only: tuple[Entry, ...] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("allow", "only"):
            given = getattr(self, name)
            if given is not None and (isinstance(given, str) or len(given) > MAX_ENTRIES):
                raise InvalidInput(f"{name} is a list of at most {MAX_ENTRIES:,} entries")
            read = None if given is None else tuple(Entry.parse(entry) for entry in given)
            object.__setattr__(self, name, None if given is None else tuple(given))
            object.__setattr__(self, f"_{name}", read)

    def and_host(self, host: str) -> Rules:
        """Return these rules with ``host`` allowed too: one that a person or the configuration named itself.

        Only for an address that is not link-local, or ``localhost``: another name may mean any address tomorrow.
        """
        name = host_name(host)
        address = literal(name)
        local = name == "localhost" if address is None else kind_of(address) != "link-local"
        return Rules((*self.allow, name), self.only) if local else self

    def check_url(self, url: httpx.URL) -> None:
        """Raise :class:`EgressRefused` for an address on the web that may not be asked, whatever it resolves to."""
        host = host_of(url)
        if url.scheme not in ("http", "https") or not host:
            raise EgressRefused("only http:// and https:// with a host may be reached")
        if url.userinfo:
            raise EgressRefused(f"{shown(host)}: an address must not hold a user or a password")
        port = port_of(url)
        if not 0 < port < 65536 or "%" in host:
            raise EgressRefused(f"{shown(host)} is no host that can be reached")
        if self._only is not None and not any(entry.has_host(host, port) for entry in self._only):
            raise EgressRefused(f"{shown(host)}:{port} is not among the hosts that may be reached: [egress] only")
        address = literal(host)
        if address is not None:
            self.check_address(host, port, address)

    def check_address(self, host: str, port: int, address: Address) -> None:
        """Raise :class:`EgressRefused` if ``host``, which has this address, may not be reached at it."""
        kind = kind_of(address)
        if kind is None or any(entry.has_address(address, port) for entry in self._allow):
            return
        if kind != "link-local" and any(entry.has_host(host, port) for entry in self._allow):
            return
        where = shown(host) if literal(host) == address else f"{shown(host)} is {address}, which"
        entry = str(address) if kind == "link-local" else shown(host)
        raise EgressRefused(f"{where} is {kind}: to let it be reached, put '{entry}' into [egress] allow")


def check_proxy(text: object) -> None:
    """Raise :class:`InvalidInput` if ``text`` is neither :data:`ENVIRONMENT` nor an HTTP proxy, without quoting it."""
    try:
        parts = urlsplit(text if isinstance(text, str) else "")
        good = text == ENVIRONMENT or (parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0)
    except ValueError:
        good = False
    if not good:
        raise InvalidInput('a proxy is "environment", or an address as http://HOST:PORT')


def kind_of(address: Address) -> str | None:
    """Return why an address is not one of the public internet, None if it is. Addresses inside of others count."""
    for inner in _inside(address):
        if inner in _SERVICES or inner.is_link_local:
            return "link-local"
        if inner.is_loopback or inner.is_unspecified:
            return "this machine"
        if inner.is_multicast or inner.is_reserved:
            return "no address of one machine"
        if not inner.is_global or inner.is_private or any(inner in network for network in _RESERVED):
            return "private"
        if inner.version == 6 and inner not in _GLOBAL_6:
            return "private"
    return None


def _inside(address: Address) -> Iterator[Address]:
    """Yield an address and the IPv4 addresses that it carries: mapped, compatible, 6to4, Teredo, NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
        return
    carried = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in _NAT64):
        carried.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if address in _COMPATIBLE and int(address) > 1:
        carried.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    found = [one for one in carried if one is not None]
    yield from found
    if not found or address.is_link_local:
        yield address


def literal(host: str) -> Address | None:
    """Return the address that ``host`` is, None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def host_of(url: httpx.URL) -> str:
    """Return a URL's host as it is compared: lower case, punycode, without brackets and final dot."""
    return host_name(url.raw_host.decode("ascii", "replace"))


def port_of(url: httpx.URL) -> int:
    """Return a URL's port, that of its scheme where it names none."""
    return url.port if url.port is not None else (443 if url.scheme == "https" else 80)


def shown(host: str) -> str:
    """Return a host as errors show it."""
    return one_line(host, 100)
