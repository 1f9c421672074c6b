"""``find_files``: files by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from headway.tools.context import ToolContext
from headway.tools.decorator import tool
from headway.tools.files.glob import Glob
from headway.tools.files.tree import Bounds, Tree
from headway.tools.files.workspace import Workspace, joined

MAX_RESULTS = 10_000
MAX_SECONDS = 10.0
SKIPPED = (".git",)
"""Folders that a search does not enter unless told."""

SkipDirs = Annotated[list[str] | None, 'Names of folders not to enter; [".git"] without it.']


def find_files_tool(workspace: Workspace) -> Callable[..., dict[str, Any]]:
    """Return the tool for ``workspace``."""

    @tool(idempotent=True, category="files")
    def find_files(
        pattern: Annotated[str, "Glob below path: * ? [a-z] within a name, ** for any folders; '*.py' is '**/*.py'."],
        path: Annotated[str, "Folder to search, relative to the workspace."] = ".",
        max_results: Annotated[int, Field(ge=1, le=MAX_RESULTS, description="Find at most so many.")] = 1000,
        skip_dirs: SkipDirs = None,
        *,
        ctx: ToolContext | None = None,
    ) -> dict[str, Any]:
        """Find files by name, in sorted order. Links are neither followed nor listed.

        Gives files (paths relative to the workspace), truncated, unreadable (folders that would not open) and, where
        truncated, stopped_by: results, time, names or depth.
        """
        bounds = bounds_of(ctx, MAX_SECONDS)
        tree = Tree(workspace, path, Glob(pattern), SKIPPED if skip_dirs is None else skip_dirs, bounds)
        files: list[str] = []
        if ctx is not None:
            tree.on_folder = lambda seen: ctx.report_progress(seen, message=f"{len(files)} files found")
        for found in tree:
            if len(files) >= max_results:
                bounds.stop("results")
                break
            files.append(joined(found.parts))
        return {"files": files, "unreadable": tree.unreadable, **ending(bounds)}

    return find_files


def bounds_of(ctx: ToolContext | None, seconds: float) -> Bounds:
    """Return the bounds of a search of at most ``seconds``, less if the call's deadline comes earlier."""
    context = ctx or ToolContext()
    left = context.remaining()
    return Bounds(context.clock, context.clock.now() + (seconds if left is None else min(seconds, left)))


def ending(bounds: Bounds) -> dict[str, Any]:
    """Return how a search ended, for its result."""
    if bounds.stopped_by is None:
        return {"truncated": False}
    return {"truncated": True, "stopped_by": bounds.stopped_by}
