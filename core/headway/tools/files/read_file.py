"""``read_file``: the text of a file."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from headway.errors import ToolError
from headway.tools.decorator import tool
from headway.tools.files.paths import shown
from headway.tools.files.workspace import MAX_FILE_BYTES, Workspace

DEFAULT_BYTES = 2**20
SNIFFED = 8192
"""A NUL in so many first bytes makes a file binary."""


def read_file_tool(workspace: Workspace) -> Callable[..., dict[str, Any]]:
    """Return the tool for ``workspace``."""

    @tool(idempotent=True, category="files")
    def read_file(
        path: Annotated[str, "File to read, relative to the workspace."],
        max_bytes: Annotated[int, Field(ge=1, le=MAX_FILE_BYTES, description="Read at most so much.")] = DEFAULT_BYTES,
        offset: Annotated[int, Field(ge=0, le=2**53, description="Byte to start at.")] = 0,
    ) -> dict[str, Any]:
        """Read a text file (UTF-8).

        Gives path, content, offset, bytes (how many were read), size (of the file), truncated and lossy (whether bytes
        that are not UTF-8 were replaced). To continue a truncated file, start at offset + bytes.
        """
        found = workspace.read(path, int(max_bytes), int(offset))
        if b"\0" in found.data[:SNIFFED]:
            raise ToolError(f"'{shown(path)}' is a binary file")
        content, used, lossy = _decode(found.data, ends=not found.truncated)
        return {
            "path": found.path,
            "content": content,
            "offset": found.offset,
            "bytes": used,
            "size": found.size,
            "truncated": found.truncated,
            "lossy": lossy,
        }

    return read_file


def _decode(data: bytes, *, ends: bool) -> tuple[str, int, bool]:
    """Return the text, the bytes it took, and whether some were replaced.

    A character that the end of ``data`` cuts in two is left for the next read, unless it is all there is.
    """
    try:
        text, used = codecs.utf_8_decode(data, "strict", ends)
    except UnicodeDecodeError:
        text, used = codecs.utf_8_decode(data, "replace", ends)
        return (text, used, True) if used else (data.decode("utf-8", "replace"), len(data), True)
    if data and not used:
        return data.decode("utf-8", "replace"), len(data), True
    return text, used, False
