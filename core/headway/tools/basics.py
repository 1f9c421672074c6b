"""The seven agent basics: six tools on the workspace's files, and a calculator.

| tool | does | changes files |
|---|---|---|
| ``read_file`` | text of a file | no |
| ``write_file`` | a file's whole content, in one step | yes |
| ``edit_file`` | one piece of text for another | yes |
| ``list_dir`` | what is in a folder | no |
| ``find_files`` | files by name | no |
| ``grep_files`` | lines by regular expression | no |
| ``calculate`` | arithmetic | no |

Those that change nothing are idempotent. Every one is bounded in time and size and says so when a bound cut its result
(``truncated: true``). Files are text in UTF-8.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from headway.errors import InvalidInput, NotFound, ToolError
from headway.tools.calculate import calculate
from headway.tools.decorator import entry_of
from headway.tools.estimate import FREE
from headway.tools.files.edit_file import edit_file_tool
from headway.tools.files.find_files import find_files_tool
from headway.tools.files.grep_files import grep_files_tool
from headway.tools.files.list_dir import list_dir_tool
from headway.tools.files.read_file import read_file_tool
from headway.tools.files.workspace import Workspace
from headway.tools.files.write_file import write_file_tool
from headway.tools.registry import ToolRegistry

_MAKERS = (
    read_file_tool,
    write_file_tool,
    edit_file_tool,
    list_dir_tool,
    find_files_tool,
    grep_files_tool,
)

__all__ = ["calculate", "register_agent_basics"]


def register_agent_basics(registry: ToolRegistry, workspace: Workspace) -> list[str]:
    """Register the seven basics, confined to ``workspace``; return their names. They replace tools of those names."""
    functions: list[Callable[..., Any]] = [*(make(workspace) for make in _MAKERS), calculate]
    entries = [entry_of(function, source="builtin") for function in functions]
    for entry in entries:
        if "path" in entry.schema.parameters["properties"]:
            entry.check = partial(_stays_inside, workspace, changes=entry.writes_files)
        entry.estimate = FREE
        registry.register(entry)
    return [entry.schema.name for entry in entries]


def _stays_inside(workspace: Workspace, params: dict[str, Any], *, changes: bool) -> list[str]:
    """Refuse a path that is closed before anything runs. The tool's own opening is what holds against races."""
    try:
        (workspace.check_change if changes else workspace.resolve)(params.get("path", "."))
    except InvalidInput as error:
        return [error.message]
    except (NotFound, ToolError):  # what is there now says nothing of what will be when the action's turn comes
        return []
    return []
