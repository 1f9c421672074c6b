"""Peers: who is at the other end of a connection, by the kernel's word and not by their own.

On a Unix socket the kernel tells user and process, as they were when the connection was made (``SO_PEERCRED``,
``LOCAL_PEERCRED``); the names are looked up now. A process that has ended meanwhile has no name, and its number may be
another's: the audit is a trace for people, rights never depend on it.
"""

from __future__ import annotations

import pwd
import socket
import struct
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from headway.errors import one_line

MAX_NAME = 64
"""The longest name of a user or a program that is kept, in characters."""

_SOL_LOCAL = 0
_LOCAL_PEERCRED = 1
_LOCAL_PEERPID = 2


def credentials(connection: socket.socket) -> tuple[int, int | None] | None:
    """Return user and process at the other end of a Unix socket; None where the system does not tell."""
    with suppress(OSError, struct.error):
        if hasattr(socket, "SO_PEERCRED"):
            told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII"))
            pid, uid, _ = struct.unpack("iII", told)
            return uid, pid or None  # 0: a process of another namespace
        if sys.platform == "darwin":
            told = connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, 76)
            uid = struct.unpack_from("II", told)[1]
            return uid, connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID) or None
    return None


def peer_of(connection: socket.socket | None) -> dict[str, Any]:
    """Return who is at the other end, as the audit keeps it: ``uid``, ``user``, ``pid``, ``program``, or ``address``.

    What is not known is left out.
    """
    if connection is None:
        return {}
    if connection.family != socket.AF_UNIX:
        with suppress(OSError):
            host, port = connection.getpeername()[:2]
            return {"address": f"[{host}]:{port}" if ":" in host else f"{host}:{port}"}
        return {}
    told = credentials(connection)
    if told is None:
        return {}
    uid, pid = told
    found: dict[str, Any] = {"uid": uid, "user": _user(uid), "pid": pid, "program": _program(pid)}
    return {name: value for name, value in found.items() if value is not None}


def peer_in(scope: Mapping[str, Any]) -> dict[str, Any]:
    """Return who sends the request of an ASGI ``scope``; its address alone where no listener of ours took it."""
    from headway_bridge.security import CONNECTION

    connection = scope.get("state", {}).get(CONNECTION)
    if connection is not None:
        return peer_of(connection.transport.get_extra_info("socket"))
    client = scope.get("client")
    return {"address": f"{client[0]}:{client[1]}"} if client else {}


def _user(uid: int) -> str | None:
    try:
        return one_line(pwd.getpwuid(uid).pw_name, MAX_NAME)
    except KeyError:
        return None


def _program(pid: int | None) -> str | None:
    """Return what a process calls itself, where the system lets us read that."""
    if pid is None:
        return None
    try:
        return one_line(Path(f"/proc/{pid}/comm").read_bytes().decode("utf-8", "replace"), MAX_NAME) or None
    except OSError:
        return None
