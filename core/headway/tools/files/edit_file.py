"""``edit_file``: one piece of text for another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from headway.errors import InvalidInput, ToolError
from headway.tools.decorator import tool
from headway.tools.files.paths import shown
from headway.tools.files.workspace import MAX_FILE_BYTES, Workspace
from headway.tools.files.write_file import encoded


def edit_file_tool(workspace: Workspace) -> Callable[..., dict[str, Any]]:
    """Return the tool for ``workspace``."""

    @tool(category="files", writes_files=True)
    def edit_file(
        path: Annotated[str, "File to change, relative to the workspace."],
        old: Annotated[str, Field(min_length=1, description="Text to replace, exactly as it stands in the file.")],
        new: Annotated[str, "Text to put there."],
        replace_all: Annotated[bool, "Replace every occurrence; without it there must be exactly one."] = False,
    ) -> dict[str, Any]:
        """Replace text in a file, in one step. Line ends and all other bytes stay as they are.

        Gives path, replacements (how many) and bytes (the file's size now).
        """
        before, after, count = encoded(old), encoded(new), 0

        def change(data: bytes) -> bytes:
            nonlocal count
            count = occurrences(data, before, shown(path), every=replace_all)
            if len(data) + count * (len(after) - len(before)) > MAX_FILE_BYTES:
                raise InvalidInput(f"the change would make '{shown(path)}' larger than {MAX_FILE_BYTES} bytes")
            return data.replace(before, after)

        written = workspace.edit(path, change)
        return {"path": written.path, "replacements": count, "bytes": written.size}

    return edit_file


def occurrences(data: bytes, old: bytes, path: str, *, every: bool) -> int:
    """Return how many times ``old`` will be replaced; raise ``ToolError`` if it is not there, or not only once."""
    if not old:
        raise InvalidInput("the text to replace is empty")
    first = data.find(old)
    if first < 0:
        raise ToolError(f"the text to replace is not in '{path}'")
    # From the next byte on, not from the end of the first: "aa" stands in "aaa" twice.
    if not every and data.find(old, first + 1) >= 0:
        raise ToolError(f"the text to replace is in '{path}' more than once: give more of it, or replace_all")
    return data.count(old) if every else 1
