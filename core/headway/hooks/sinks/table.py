"""The table of sinks: one row a sink."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from headway.hooks.post import Post
from headway.hooks.program import Program
from headway.hooks.sinks.command import CommandSink
from headway.hooks.sinks.jsonl import JsonlSink
from headway.hooks.sinks.socket import SocketSink
from headway.hooks.sinks.stdout import StdoutSink
from headway.hooks.sinks.webhook import WebhookSink

if TYPE_CHECKING:
    from headway.config.hooks import HookConfig
    from headway.hooks.sinks.sink import Around, Sink


def _jsonl(name: str, config: HookConfig, around: Around) -> Sink:
    assert config.path is not None
    return JsonlSink(config.path)


def _webhook(name: str, config: HookConfig, around: Around) -> Sink:
    return WebhookSink(Post.of(name, config, around), config.timeout_secs)


def _socket(name: str, config: HookConfig, around: Around) -> Sink:
    assert config.path is not None
    return SocketSink(config.path)


SINKS: dict[str, Callable[[str, HookConfig, Around], Sink]] = {
    "stdout": lambda name, config, around: StdoutSink(),
    "jsonl": _jsonl,
    "webhook": _webhook,
    "socket": _socket,
    "command": lambda name, config, around: CommandSink(Program.of(name, config, around)),
}
"""What makes the sink of ``[hooks.NAME]``, by its kind."""
