"""Faults in the configuration."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

ROWS = [
    Mutant(
        "the program of an MCP server is no control file",
        "config/control.py",
        "            files += programs\n",
        "",
        ("tests/unit/test_config_mcp.py",),
    ),
    Mutant(
        "MCP servers of a project that is not trusted are started",
        "config/model.py",
        """        found += [f"mcp.servers.{name}" for name in self.mcp.started]\n""",
        "",
        ("tests/unit/test_config_mcp.py",),
    ),
]
