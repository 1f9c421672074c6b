"""The MCP endpoint: workflows and tools of a project as the tools of an MCP server."""
