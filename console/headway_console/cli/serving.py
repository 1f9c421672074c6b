"""What a daemon that begins to serve tells about its A2A endpoint: how to call it, and what to beware of."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from headway.addresses import is_loopback

if TYPE_CHECKING:
    from headway.config import Config


def example(url: str, header: str, config: Config) -> str:
    """Return a curl command that works as it stands: it starts the first workflow that remote agents may start."""
    text = next(iter(config.a2a.workflows), "hello")
    message = {"messageId": "1", "role": "ROLE_USER", "parts": [{"text": text}]}
    body = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": message}}
    words = ["curl", "-s", url]
    if header:
        words += ["-H", f"@{header}"]
    words += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
    return shlex.join(words)


def warnings(url: str, auth: str) -> list[str]:
    """Return what whoever serves at ``url`` should know, a line each."""
    if auth == "none":
        return ['[a2a] auth is "none": every user and every program of this machine may call the agent']
    if auth == "token" and url and not is_loopback(urlsplit(url).hostname or ""):
        return ["the token is sent in clear here: serve A2A beyond this machine behind a proxy with TLS only"]
    return []
