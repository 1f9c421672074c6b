"""Valid calls of what knows models and MCP servers by name."""

from __future__ import annotations

from typing import Any

from headway.inference import ChatRequest, Message, ModelInfo, ModelRegistry, RegisteredProvider, Reply, ToolOffer
from headway.inference.answer import Completion
from headway.inference.request import InferRequest
from headway.testing import ScriptedProvider, VirtualClock
from headway.tools import McpServer, McpServers, McpStartup
from tests.unit.bad_input.kit import Made, New
from tests.unit.bad_input.plans import registry

ASKED = Made(InferRequest, prompt="why")
MESSAGES = [Made(Message, role="user", text="why")]
REQUEST = New(lambda _: ChatRequest.of("why"))
PROVIDER = Made(
    RegisteredProvider,
    name="more",
    provider=New(lambda _: ScriptedProvider(default="yes")),
    models=(ModelInfo("large"),),
    default="large",
    open=False,
    vendor="v",
)


def known(_: Any = None) -> ModelRegistry:
    """Return a registry with one scripted model."""
    script = ScriptedProvider(default="yes")
    return ModelRegistry([RegisteredProvider("script", script, (ModelInfo("small"),), "small")], default="script/small")


def servers(rig: Any) -> McpServers:
    """Return one server, that is switched off."""
    return McpServers([McpServer(name="off", command=["true"], enabled=False)], registry(rig))


CALLS: dict[str, dict[str, Any]] = {
    "ChatRequest.asking": {"request": ASKED},
    "ChatRequest.of": {
        "messages": MESSAGES,
        "system": "be brief",
        "tools": [Made(ToolOffer, name="t", description="d", parameters={"type": "object"})],
        "model": "small",
        "max_tokens": 10,
        "temperature": 0.5,
        "stop": ["."],
        "seed": 1,
    },
    "ChatRequest.tokens": {},
    "HttpProvider.chat": {"request": REQUEST},
    "HttpProvider.stream": {"request": REQUEST},
    "HttpProvider.lacks_key": {},
    "LocalProvider.chat": {"request": REQUEST},
    "LocalProvider.stream": {"request": REQUEST},
    "LocalProvider.lacks_key": {},
    "ModelRegistry": {
        "providers": [PROVIDER],
        "aliases": {"fast": "more/large"},
        "default": "fast",
        "failover": ["more/large"],
        "configured": "more/large",
    },
    "ModelRegistry.aclose": {},
    "ModelRegistry.chat": {"request": REQUEST, "resolution": New(lambda _: known().resolve())},
    "ModelRegistry.stream": {"request": REQUEST, "resolution": New(lambda _: known().resolve())},
    "ModelRegistry.provider": {"name": "script"},
    "ModelRegistry.provider_default": {},
    "ModelRegistry.register": {"provider": PROVIDER},
    "ModelRegistry.resolve": {"model": "small", "hint": "script"},
    "ModelRegistry.routed": {},
    "RegisteredProvider.model": {"wanted": "small"},
    "Reply.completion": {},
    "Reply.message": {},
    "Reply.of": {"completion": New(lambda _: Completion("yes"))},
    "McpServer": {
        "name": "notes",
        "command": ["notes", "--stdio"],
        "env": {"A": "b"},
        "cwd": None,
        "readable": [],
        "network": False,
        "writes_files": False,
        "enabled": True,
        "allow": ["a*"],
        "deny": ["b"],
        "permission": "allow",
        "startup_secs": 1.0,
        "call_secs": 1.0,
        "max_message_bytes": 100_000,
    },
    "McpServers": {
        "servers": [New(lambda _: McpServer(name="off", command=["true"], enabled=False))],
        "registry": New(registry),
        "sandbox": None,
        "door": None,
        "clock": New(lambda _: VirtualClock()),
        "resolve": New(lambda _: str),
        "elicit": New(lambda _: None),
        "on_update": New(lambda _: print),
        "on_complete": New(lambda _: print),
    },
    "McpServers.aclose": {},
    "McpServers.choose": {"server": "off", "allow": ["a"], "deny": ["b"]},
    "McpServers.reports": {},
    "McpServers.start": {},
    "McpStartup.data": {},
}
"""By name: the arguments of a call that is valid."""

MORE: list[tuple[str, dict[str, Any]]] = [
    ("McpServer", {"name": "far", "url": "https://example.com/mcp", "headers": {"A": "b"}}),
]

SUBJECTS: dict[str, Any] = {
    "ChatRequest": lambda _: ChatRequest.of("why"),
    "ModelRegistry": known,
    "RegisteredProvider": lambda _: known().provider("script"),
    "Reply": lambda _: Reply("yes"),
    "McpServers": servers,
    "McpStartup": lambda _: McpStartup([], [], []),
}
