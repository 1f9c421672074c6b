"""``write_file``: a file's whole content."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from headway.errors import InvalidInput
from headway.tools.decorator import tool
from headway.tools.files.workspace import Workspace


def write_file_tool(workspace: Workspace) -> Callable[..., dict[str, Any]]:
    """Return the tool for ``workspace``."""

    @tool(category="files", writes_files=True)
    def write_file(
        path: Annotated[str, "File to write, relative to the workspace; folders before it are made."],
        content: Annotated[str, "The whole new content, at most 16 MiB as UTF-8."],
    ) -> dict[str, Any]:
        """Write a text file (UTF-8), replacing what it held in one step; it keeps its permissions.

        Gives path, bytes (its size now) and created (whether there was no such file).
        """
        written = workspace.write(path, encoded(content))
        return {"path": written.path, "bytes": written.size, "created": written.created}

    return write_file


def encoded(text: str) -> bytes:
    """Return ``text`` as UTF-8. Raises ``InvalidInput`` for half a surrogate pair: JSON can hold one, a file cannot."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"character {error.start} of the text is half a surrogate pair") from None
