"""Faults in the door: its rules, its connections, its redirects."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

DOOR = ("tests/unit/egress/test_door.py",)
RULES = ("tests/unit/egress/test_rules.py",)

ROWS = [
    Mutant(
        "a connection goes to the name and not to the address that was checked",
        "egress/transport.py",
        "return await self._sockets.connect_tcp(str(addresses[-1]), port, timeout, local, options)",
        'return await self._sockets.connect_tcp("localhost", port, timeout, local, options)',
        ("tests/unit/egress/test_one_door.py", *DOOR),
    ),
    Mutant(
        "addresses are not checked",
        "egress/transport.py",
        "                self._rules.check_address(host, port, address)",
        "                pass",
        DOOR,
    ),
    Mutant(
        "an address inside of another is not looked at",
        "egress/rules.py",
        "    found = [one for one in carried if one is not None]",
        "    found: list[Address] = []",
        RULES,
    ),
    Mutant(
        "a name opens what clouds keep at link-local addresses",
        "egress/rules.py",
        'if kind != "link-local" and any(entry.has_host(host, port) for entry in self._allow):',
        "if any(entry.has_host(host, port) for entry in self._allow):",
        RULES,
    ),
    Mutant(
        "keys go to another origin with a redirect",
        "egress/door.py",
        "        headers = _without(headers, set(headers) - _HARMLESS)",
        "        headers = _without(headers, set())",
        DOOR,
    ),
    Mutant(
        "an answer has no bound",
        "egress/transport.py",
        "            if left < 0:",
        "            if left < -(2**60):",
        DOOR,
    ),
    Mutant(
        "a redirect may lead anywhere",
        "egress/transport.py",
        "        self._rules.check_url(request.url)\n",
        "",
        ("tests/unit/egress/test_door.py",),
    ),
]
