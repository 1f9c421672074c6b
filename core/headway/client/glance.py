"""One look at the daemon of a home: its status, asked over the socket without an HTTP library or an event loop.

``headway status`` stands in prompts and scripts: it should cost little more than its interpreter.
"""

from __future__ import annotations

import json
import socket
from typing import Any

from headway.errors import HeadwayError, NoAnswer, StoreError, Unavailable
from headway.home import Home, check_private

_PREFIX = "/operator/v1"
_MOST = 1024 * 1024


def glance(home: Home, *, timeout: float = 30.0) -> dict[str, Any]:
    """Return the answer of ``GET status`` as it came: the fields of :class:`headway.client.DaemonStatus`.

    Raises what :meth:`headway.client.OperatorClient.status` raises.
    """
    head, body = _asked(home, timeout)
    if head.split(" ")[1:2] != ["200"]:
        raise _refused(head, body)
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict) or "pid" not in found:
        raise Unavailable("what answers there is not a Headway daemon")
    return found


def _asked(home: Home, timeout: float) -> tuple[str, bytes]:
    """Return the first line and the body of the answer."""
    path = home.socket
    if path.parent != home.path:
        _check_folder(home)
    request = f"GET {_PREFIX}/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    received = bytearray()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as plug:
        plug.settimeout(timeout)
        try:
            plug.connect(str(path))
        except OSError:
            raise Unavailable(f"no daemon answers at {home}; start one with: headway serve") from None
        try:
            plug.sendall(request.encode())
            while (chunk := plug.recv(65536)) and len(received) <= _MOST:
                received += chunk
        except TimeoutError:
            raise NoAnswer(f"the daemon at {home} did not answer in time") from None
        except OSError:
            received.clear()
    head, found, body = bytes(received).partition(b"\r\n\r\n")
    if not found:
        raise Unavailable(f"the daemon at {home} broke off its answer: it may be going away")
    return head.split(b"\r\n", 1)[0].decode("latin-1"), body


def _check_folder(home: Home) -> None:
    """Refuse a socket in a shared folder that somebody else could have made."""
    try:
        check_private(home.socket.parent)
    except FileNotFoundError:
        return
    except StoreError as error:
        raise Unavailable(error.message) from None


def _refused(head: str, body: bytes) -> HeadwayError:
    from headway.client.failures import error_of

    code = head.split(" ")[1:2]
    return error_of(int(code[0]) if code and code[0].isdigit() else 500, body)
