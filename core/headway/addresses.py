"""Addresses of hosts, and which of them are this machine."""

from __future__ import annotations

import ipaddress


def host_name(host: str) -> str:
    """Return a host's name or address in lower case, without the brackets of IPv6 and a final dot."""
    return host.strip().lower().removeprefix("[").removesuffix("]").rstrip(".")


def is_loopback(host: str) -> bool:
    """Return whether ``host`` is ``localhost`` or an address of the loopback network."""
    name = host_name(host)
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
