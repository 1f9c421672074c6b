"""Tools of MCP servers: programs that speak the Model Context Protocol, through its official SDK.

Each server has one connection that is started, watched and made anew by :class:`~headway.tools.mcp.server.Server`;
:class:`~headway.tools.mcp.servers.McpServers` starts all of them concurrently and keeps a registry up to date. The SDK
is imported with the first connection, not before.
"""
