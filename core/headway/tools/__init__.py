"""Tools: what actions call.

A tool is a Python function, an async generator of chunks, work behind a handle, or a program. Registered, it is
a :class:`~headway.tools.registry.ToolEntry`: its name, its JSON Schema and how to call it. The names below are imported
on first use; none of the modules imports pydantic before a function is registered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway._lazy import attach

if TYPE_CHECKING:
    from headway.tools.basics import register_agent_basics
    from headway.tools.context import ToolContext, ToolResult
    from headway.tools.decorator import entry_of, tool
    from headway.tools.executor import ContextualExecutor, ToolExecutor
    from headway.tools.files.workspace import Workspace
    from headway.tools.inference import inference_tools
    from headway.tools.loader import load_tool_files
    from headway.tools.longrun import LongRunning, Poll, long_running
    from headway.tools.mcp.report import McpServerStatus, McpStartup
    from headway.tools.mcp.servers import McpServers
    from headway.tools.mcp.settings import McpServer
    from headway.tools.process.shell import register_shell, shell_tool
    from headway.tools.process.subprocess import Restart, SubprocessTool
    from headway.tools.registry import ToolEntry, ToolRegistry
    from headway.tools.sandbox import Sandbox, SandboxState

_HOME = {
    "ContextualExecutor": "executor",
    "LongRunning": "longrun",
    "McpServer": "mcp.settings",
    "McpServerStatus": "mcp.report",
    "McpServers": "mcp.servers",
    "McpStartup": "mcp.report",
    "Poll": "longrun",
    "Restart": "process.subprocess",
    "Sandbox": "sandbox",
    "SandboxState": "sandbox",
    "SubprocessTool": "process.subprocess",
    "ToolContext": "context",
    "ToolEntry": "registry",
    "ToolExecutor": "executor",
    "ToolRegistry": "registry",
    "ToolResult": "context",
    "Workspace": "files.workspace",
    "entry_of": "decorator",
    "inference_tools": "inference",
    "load_tool_files": "loader",
    "long_running": "longrun",
    "register_agent_basics": "basics",
    "register_shell": "process.shell",
    "shell_tool": "process.shell",
    "tool": "decorator",
}

__all__ = [
    "ContextualExecutor",
    "LongRunning",
    "McpServer",
    "McpServerStatus",
    "McpServers",
    "McpStartup",
    "Poll",
    "Restart",
    "Sandbox",
    "SandboxState",
    "SubprocessTool",
    "ToolContext",
    "ToolEntry",
    "ToolExecutor",
    "ToolRegistry",
    "ToolResult",
    "Workspace",
    "entry_of",
    "inference_tools",
    "load_tool_files",
    "long_running",
    "register_agent_basics",
    "register_shell",
    "shell_tool",
    "tool",
]

__getattr__, __dir__ = attach(__name__, _HOME)
