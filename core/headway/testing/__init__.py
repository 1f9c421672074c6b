"""Helpers for tests of Headway and of what is built on it.

A virtual clock, fake tools, a fake dispatcher, made-up event streams and a scripted model.
``pytest_plugins = "headway.testing.plugin"`` brings the fixtures ``virtual_clock``, ``runtime``, ``engine``. The names
below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway._lazy import attach

if TYPE_CHECKING:
    from headway.testing.clock import VirtualClock, settle
    from headway.testing.dispatcher import Answer, FakeDispatcher
    from headway.testing.inference import InferenceCall, ScriptedProvider
    from headway.testing.streams import event_stream
    from headway.testing.tools import FakeTool, ToolCall

_HOME = {
    "Answer": "dispatcher",
    "FakeDispatcher": "dispatcher",
    "FakeTool": "tools",
    "InferenceCall": "inference",
    "ScriptedProvider": "inference",
    "ToolCall": "tools",
    "VirtualClock": "clock",
    "event_stream": "streams",
    "settle": "clock",
}

__all__ = [
    "Answer",
    "FakeDispatcher",
    "FakeTool",
    "InferenceCall",
    "ScriptedProvider",
    "ToolCall",
    "VirtualClock",
    "event_stream",
    "settle",
]

__getattr__, __dir__ = attach(__name__, _HOME)
