"""Valid calls of what makes tools, and of providers of inference."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import headway
from headway import ToolSchema
from headway.inference import HttpProvider, LocalProvider
from headway.inference.answer import Completion, Metered, Prices
from headway.inference.request import InferRequest
from headway.testing import ScriptedProvider, VirtualClock
from headway.tools import ToolRegistry
from headway.tools.files.workspace import Workspace
from tests.unit.bad_input.kit import Made, New
from tests.unit.bad_input.plans import SCHEMA, registry
from tests.unit.bad_input.runtime import ENTRY, program


class Told:
    """Somebody who follows a registry."""

    def tell(self, name: str, entry: headway.tools.ToolEntry | None) -> None:
        """Take note."""


def answering(context: Any, request: Any) -> Future[Any]:
    """Answer a question immediately."""
    future: Future[Any] = Future()
    future.set_result("me")
    return future


class Slow:
    """Work behind a handle."""

    async def start(self, params: dict[str, Any]) -> Any:
        """Start."""

    async def poll(self, handle: Any) -> headway.tools.Poll:
        """Say that it is done."""
        return headway.tools.Poll("succeeded")

    async def cancel(self, handle: Any) -> None:
        """Stop."""


class CannedHttp(HttpProvider):
    """Answers without a service, so that only the door is tried."""

    async def _infer(self, request: InferRequest) -> Completion:
        return Completion("yes")

    async def _embed(self, texts: list[str]) -> Metered[list[float]]:
        return Metered([[1.0] for _ in texts])


class CannedLocal(LocalProvider):
    """Answers without a model, so that only the door is tried."""

    def lacks(self, part: Any) -> str | None:
        """Return what the class says of the name; it lacks nothing."""
        super().lacks(part)
        return None

    _infer = CannedHttp._infer
    _embed = CannedHttp._embed


INFER: dict[str, Any] = {
    "prompt": "why",
    "system": "be brief",
    "max_tokens": 5,
    "temperature": 0.5,
    "stop": ["."],
    "seed": 1,
}
EMBED = {"texts": ["a", "b"]}
CLASSIFY = {"text": "a", "labels": ["x", "y"]}
OPTIONS: dict[str, Any] = {
    "name": "t",
    "description": "d",
    "parameters": SCHEMA,
    "returns": {"type": "object"},
    "idempotent": True,
    "cache_ttl_secs": 5,
    "rate_limit": New(lambda _: (1, 1.0)),
    "permission": "allow",
    "category": "general",
    "writes_files": False,
    "estimate": {"tokens": 1},
    "shared": True,
}

CALLS: dict[str, dict[str, Any]] = {
    "tool": OPTIONS,
    "ToolSchema": {"name": "t"},
    "ToolEntry": ENTRY,
    "ToolEntry.output_problem": {"output": {"a": [1]}},
    "ToolEntry.refuse_broken_schemas": {},
    "ToolEntry.validate": {"params": {"x": 1}, "quote": True},
    "ToolRegistry": {},
    "ToolRegistry.aclose": {},
    "ToolRegistry.allowed_schemas": {},
    "ToolRegistry.by_category": {"category": "general"},
    "ToolRegistry.by_source": {"source": "user_defined"},
    "ToolRegistry.contains": {"name": "echo"},
    "ToolRegistry.entries": {},
    "ToolRegistry.get": {"name": "echo"},
    "ToolRegistry.names": {},
    "ToolRegistry.on_change": {"callback": New(lambda _: Told().tell)},
    "ToolRegistry.register": {"entry": Made(headway.tools.ToolEntry, **ENTRY)},
    "ToolRegistry.remove": {"name": "echo"},
    "ToolRegistry.schemas": {},
    "ToolRegistry.to_schema_map": {},
    "ToolRegistry.validate": {"name": "echo", "params": {"x": 1}},
    "ToolContext": {
        "job_id": "j",
        "action_id": "a",
        "attempt": 1,
        "idempotency_key": "k",
        "deadline": 1.0,
        "state": {"k": 1},
        "workspace": None,
        "clock": New(lambda _: VirtualClock()),
    },
    "ToolContext.ask": {"schema": {"type": "string"}, "prompt": "who?", "default": "me", "expires_secs": 60.0},
    "ToolContext.ask_and_wait": {"schema": {"type": "string"}, "prompt": "who?", "default": "me", "expires_secs": 60.0},
    "ToolContext.authorize": {"prompt": "sign in", "url": "https://example.org", "expires_secs": 60.0},
    "ToolContext.emit_chunk": {"chunk": {"a": [1]}},
    "ToolContext.remaining": {},
    "ToolContext.report_progress": {"current": 1.0, "total": 2.0, "message": "half"},
    "ToolResult": {"output": 1, "effects": {"k": 1}, "artifacts": [{}], "usage": {"tokens": 1}, "cost": 1},
    "Poll": {
        "status": "running",
        "result": None,
        "error": None,
        "current": 1.0,
        "total": 2.0,
        "message": "m",
        "chunks": [],
        "terminal": False,
    },
    "long_running": {
        "tool": New(lambda _: Slow()),
        "name": "slow",
        "description": "d",
        "parameters": SCHEMA,
        "returns": {"type": "object"},
        "idempotent": False,
        "poll_secs": 1.0,
        "source": "user_defined",
        "permission": "allow",
        "category": "general",
        "writes_files": False,
        "estimate": {"tokens": 1},
    },
    "register_shell": {
        "registry": New(lambda _: ToolRegistry()),
        "workspace": New(lambda rig: Workspace(rig.folder)),
        "allow": ["ls"],
        "timeout_s": 5.0,
        "max_output_bytes": 100,
        "env": ["LC_ALL=C"],
        "permission": "allow",
        "network": False,
        "readable": ["/usr/share"],
    },
    "Restart": {"backoff_s": 0.1, "cap_s": 5.0},
    "Restart.delay": {"crashes": 3},
    "SubprocessTool": {
        "command": ["true"],
        "name": "t",
        "schema": SCHEMA,
        "description": "d",
        "cwd": New(lambda rig: str(rig.folder)),
        "env": ["A=b"],
        "timeout": 1.0,
        "max_output_bytes": 100,
        "restart": Made(headway.tools.Restart),
        "method": "m",
        "permission": "allow",
        "category": "subprocess",
        "writes_files": True,
        "clock": New(lambda _: VirtualClock()),
        "estimate": {"tokens": 1},
        "network": False,
        "readable": ["/usr/share"],
    },
    "SubprocessTool.entry": {"name": "other"},
    "SubprocessTool.statistics": {},
    "SubprocessTool.stderr": {},
    "SubprocessTool.aclose": {},
    "inference_tools": {"provider": New(lambda _: ScriptedProvider(default="yes"))},
    "HttpProvider": {
        "base_url": "http://127.0.0.1:9/v1",
        "model": "m",
        "embedding_model": "e",
        "api_key_env": "NO_SUCH_KEY",
        "classify_by": "vectors",
        "prices": {"m": Made(Prices, input=1, output=1)},
        "timeout": 1.0,
        "connect_timeout": 1.0,
        "retries": 0,
        "max_wait": 1.0,
        "max_response_bytes": 1000,
        "max_concurrency": 1,
        "length_field": "max_tokens",
        "dialect": "openai",
        "door": None,
        "key": None,
        "clock": New(lambda _: VirtualClock()),
    },
    "HttpProvider.aclose": {},
    "HttpProvider.lacks": {"part": "infer"},
    "HttpProvider.lacks_key": {},
    "HttpProvider.infer": INFER,
    "HttpProvider.embed": EMBED,
    "HttpProvider.classify": CLASSIFY,
    "LocalProvider": {
        "model": New(lambda rig: model_file(rig)),
        "context": 4096,
        "threads": 1,
        "max_concurrency": 1,
    },
    "LocalProvider.aclose": {},
    "LocalProvider.lacks": {"part": "infer"},
    "LocalProvider.lacks_key": {},
    "LocalProvider.infer": INFER,
    "LocalProvider.embed": EMBED,
    "LocalProvider.classify": CLASSIFY,
}
"""By name: the arguments of a call that is valid."""

MORE: list[tuple[str, dict[str, Any]]] = [
    ("tool", {"*function": New(lambda _: registry)}),
    ("SubprocessTool", {"command": ["true"], "name": "t", "schema": Made(ToolSchema, name="t", parameters=SCHEMA)}),
]


def model_file(rig: Any) -> str:
    """Return the name of a file that could be a model."""
    path = rig.folder / "model.gguf"
    path.touch()
    return str(path)


SUBJECTS: dict[str, Any] = {
    "ToolEntry": lambda _: headway.tools.ToolEntry(
        ToolSchema(name="t", parameters=SCHEMA, returns={"type": "object"}), call=dict, is_async=False
    ),
    "ToolRegistry": registry,
    "ToolContext": lambda _: headway.ToolContext(
        deadline=1.0, progress=lambda *_: None, chunks=lambda *_: None, ask=answering
    ),
    "Restart": lambda _: headway.tools.Restart(),
    "SubprocessTool": program,
    "HttpProvider": lambda _: CannedHttp("http://127.0.0.1:9/v1", model="m", embedding_model="e"),
    "LocalProvider": lambda _: CannedLocal(),
}
