"""``grep_files``: lines by regular expression.

Expressions are RE2's: a match takes time linear in the text, whatever the pattern, so no pattern can make a search
hang; look-around and back-references are the price. Files are read in blocks of whole lines and the time is looked at
between blocks. A block is the smaller the larger the compiled pattern is (its steps are what a byte can cost at worst),
so that a search ends within about half a second of its bound. The search itself lets other threads run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any

from pydantic import Field

from headway.errors import HeadwayError, InvalidInput
from headway.tools.context import ToolContext
from headway.tools.decorator import tool
from headway.tools.files.find_files import SKIPPED, SkipDirs, bounds_of, ending
from headway.tools.files.glob import Glob
from headway.tools.files.read_file import SNIFFED
from headway.tools.files.tree import Bounds, Tree
from headway.tools.files.workspace import Found, Workspace, joined

MAX_MATCHES = 10_000
MAX_SECONDS = 10.0
MAX_FILES = 100_000
MAX_BYTES = 256 * 2**20
MAX_PATTERN = 1000
BLOCK = 128 * 1024
"""Bytes read at a time, and searched of one line; less for a large pattern."""
SHOWN = 400
"""Characters of a line in a match."""
_MEMORY = 2**20  # of a compiled pattern
_MAX_STEPS = 10_000  # of a compiled pattern
_BLOCK_STEPS = 60_000_000  # steps of the pattern x bytes of a block: at worst half a second between looks at the time


def grep_files_tool(workspace: Workspace) -> Callable[..., dict[str, Any]]:
    """Return the tool for ``workspace``."""

    @tool(idempotent=True, category="files")
    def grep_files(
        pattern: Annotated[str, "Regular expression (RE2 syntax: no look-around, no back-references), within a line."],
        path: Annotated[str, "Folder or file to search, relative to the workspace."] = ".",
        glob: Annotated[str, "Search only files whose path below that folder matches, e.g. '*.py'."] = "**",
        ignore_case: bool = False,
        literal: Annotated[bool, "Take the pattern as plain text."] = False,
        max_matches: Annotated[int, Field(ge=1, le=MAX_MATCHES, description="Find at most so many lines.")] = 200,
        skip_dirs: SkipDirs = None,
        *,
        ctx: ToolContext | None = None,
    ) -> dict[str, Any]:
        """Search text files line by line. Binary files are passed over; links are not followed.

        Gives matches (each with path, line from 1 on and text, cut to 400 characters), files_searched, files_matched,
        files_skipped (binary or unreadable), lines_cut (lines so long that they were searched as if they ended after
        128 KiB, less for a very large pattern), unreadable (folders that would not open), truncated and, where
        truncated, stopped_by: results, time, files, bytes, names or depth.
        """
        bounds = bounds_of(ctx, MAX_SECONDS)
        search = Search(compile_pattern(pattern, ignore_case=ignore_case, literal=literal), int(max_matches), bounds)
        unreadable = 0
        if workspace.is_folder(path):
            tree = Tree(workspace, path, Glob(glob), SKIPPED if skip_dirs is None else skip_dirs, bounds)
            search.run(tree, ctx)
            unreadable = tree.unreadable
        else:
            with workspace.file(path) as found:
                search.run([found], ctx)
        return {**search.result(), "unreadable": unreadable, **ending(bounds)}

    return grep_files


def compile_pattern(pattern: str, *, ignore_case: bool, literal: bool) -> Any:
    """Return a compiled RE2 pattern over bytes that never matches a line end; raise ``InvalidInput`` for a bad one."""
    import re2  # type: ignore[import-untyped]

    if not pattern or len(pattern) > MAX_PATTERN:
        raise InvalidInput(f"a pattern has 1 to {MAX_PATTERN} characters")
    if "\n" in pattern:
        raise InvalidInput("a pattern is matched within a line: it cannot hold a line end")
    options = re2.Options()
    options.log_errors = False
    options.never_nl = True
    options.max_mem = _MEMORY
    options.case_sensitive = not ignore_case
    try:
        source = re2.escape(pattern) if literal else pattern
        compiled = re2.compile(f"(?m){source}".encode(), options)
    except UnicodeEncodeError:
        raise InvalidInput("the pattern is not valid text") from None
    except re2.error as error:
        reason = error.args[0] if error.args else "it cannot be compiled"
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise InvalidInput(
            f"the pattern is not a regular expression of RE2: {text.replace('(?m)', '', 1)[:200]}"
        ) from None
    if compiled.programsize > _MAX_STEPS:
        raise InvalidInput("the pattern is too large: repeat less")
    return compiled


class Search:
    """One search: what it looks for, what it has found."""

    def __init__(self, pattern: Any, max_matches: int, bounds: Bounds) -> None:
        self._pattern = pattern
        self._max_matches = max_matches
        self._bounds = bounds
        self._block_bytes = min(BLOCK, max(4096, _BLOCK_STEPS // pattern.programsize))
        self._bytes = 0
        self.matches: list[dict[str, Any]] = []
        self.searched = self.matched = self.skipped = self.lines_cut = 0

    def result(self) -> dict[str, Any]:
        """Return what was found, and in how much."""
        return {
            "matches": self.matches,
            "files_searched": self.searched,
            "files_matched": self.matched,
            "files_skipped": self.skipped,
            "lines_cut": self.lines_cut,
        }

    def run(self, files: Iterable[Found], ctx: ToolContext | None) -> None:
        """Search ``files`` until they or the bounds end."""
        for found in files:
            if self._bounds.over():
                return
            if self.searched >= MAX_FILES:
                self._bounds.stop("files")
                return
            before = len(self.matches)
            try:
                self._file(found)
            except (OSError, HeadwayError):  # gone, not permitted, or no longer a file
                self.skipped += 1
            self.matched += len(self.matches) > before
            if ctx is not None and self.searched % 50 == 0:
                ctx.report_progress(self.searched, message=f"{len(self.matches)} lines found")

    def _file(self, found: Found) -> None:
        path = joined(found.parts)
        descriptor = found.open()
        if descriptor is None:
            self.skipped += 1
            return
        try:
            line = 1
            for block in self._blocks(descriptor):
                if line == 1 and b"\0" in block[:SNIFFED]:
                    self.skipped += 1
                    return
                line = self._block(path, block, line)
                if self._bounds.over():
                    return
        finally:
            os.close(descriptor)
        self.searched += 1

    def _blocks(self, descriptor: int) -> Iterator[bytes]:
        """Yield whole lines, about a block at a time; of a longer line its start, as if it ended there."""
        size = self._block_bytes
        kept, cutting = b"", False
        while chunk := os.read(descriptor, size):
            self._bytes += len(chunk)
            if self._bytes > MAX_BYTES:
                self._bounds.stop("bytes")
                return
            if cutting:  # inside a line whose start has been searched
                end = chunk.find(b"\n")
                if end < 0:
                    continue
                chunk, cutting = chunk[end + 1 :], False
            kept += chunk
            end = kept.rfind(b"\n") + 1
            if end:
                yield kept[:end]
                kept = kept[end:]
            if len(kept) >= size:
                yield kept[:size] + b"\n"
                self.lines_cut += 1
                kept, cutting = b"", True
        if kept:
            yield kept

    def _block(self, path: str, block: bytes, line: int) -> int:
        """Note the lines of ``block`` that match; return the number of the line after it."""
        if b"\r\n" in block:
            block = block.replace(b"\r\n", b"\n")
        position = counted = 0
        while position < len(block) and (match := self._pattern.search(block, position)) is not None:
            if self._bounds.over():
                return line
            start = block.rfind(b"\n", 0, match.start()) + 1
            if start == len(block):  # after the last line end there is no line
                break
            end = block.find(b"\n", start)
            end = len(block) if end < 0 else end
            if len(self.matches) >= self._max_matches:
                self._bounds.stop("results")
                return line
            line += block.count(b"\n", counted, start)
            counted = start
            self.matches.append({"path": path, "line": line, "text": _excerpt(block[start:end], match.start() - start)})
            position = end + 1
        return line + block.count(b"\n", counted)


def _excerpt(line: bytes, at: int) -> str:
    """Return the line as text; of a long one what is around the byte ``at``."""
    text = line.decode("utf-8", "replace")
    if len(text) <= SHOWN:
        return text
    at = len(line[:at].decode("utf-8", "replace"))
    start = max(0, min(at - SHOWN // 4, len(text) - SHOWN + 2))
    cut = text[start : start + SHOWN - 2]
    return ("…" if start else "") + cut + ("…" if start + len(cut) < len(text) else "")
