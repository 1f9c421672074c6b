"""Results of MCP tools as outputs of actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headway.errors import ToolError, one_line

if TYPE_CHECKING:
    from mcp.types import CallToolResult


def output_of(tool: str, result: CallToolResult) -> Any:
    """Return the output: the structured content if there is any, texts joined by line breaks, or all of the content.

    Raises ``ToolError`` with the server's own words, on one line, if the call failed.
    """
    texts = [block.text for block in result.content if block.type == "text"]
    if result.is_error is not False:
        said = one_line(" ".join(texts))
        raise ToolError(said or f"tool '{tool}' failed and did not say why")
    if result.structured_content is not None:
        return result.structured_content
    if len(texts) == len(result.content):
        return "\n".join(texts)
    return {"content": [block.model_dump(mode="json", by_alias=True, exclude_none=True) for block in result.content]}
