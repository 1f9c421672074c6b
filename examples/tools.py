"""Tools of the examples: plain functions, read by Headway because headway.toml names this file."""

import hashlib
import json
from collections import Counter
from pathlib import PurePosixPath
from typing import Any

import headway
from headway.tools import Workspace

BLOCK = 1024 * 1024


@headway.tool(idempotent=True)
def tally(files: list[str], leave_out: list[str] | None = None, parts: int = 1) -> dict[str, Any]:
    """Count files by suffix and deal them out into parts of equal number.

    Gives files (those counted), count, suffixes (the ten most frequent, "-" for none) and parts (lists of files).
    """
    kept = [name for name in files if name not in (leave_out or ())]
    suffixes = Counter(PurePosixPath(name).suffix or "-" for name in kept)
    ranked = sorted(suffixes.items(), key=lambda item: (-item[1], item[0]))
    return {
        "files": kept,
        "count": len(kept),
        "suffixes": dict(ranked[:10]),
        "parts": [kept[start::parts] for start in range(parts)],
    }


@headway.tool(idempotent=True)
def checksum(files: list[str], ctx: headway.ToolContext) -> dict[str, Any]:
    """Read files of the workspace and sum them up, telling how far it has come.

    Gives files (how many were given), bytes, lines, unreadable (names) and sums (SHA-256 of each file by name).
    """
    if ctx.workspace is None:
        raise headway.TerminalToolError("there is no workspace to read from")
    workspace = Workspace(ctx.workspace)
    sums: dict[str, str] = {}
    unreadable = []
    size = lines = 0
    for number, name in enumerate(files, 1):
        if ctx.cancel.is_cancelled():
            raise headway.ToolError(f"stopped after {number - 1} of {len(files)} files: {ctx.cancel.reason}")
        try:
            digest, file_size, file_lines = _read(workspace, name)
        except headway.HeadwayError:
            unreadable.append(name)
        else:
            sums[name] = digest
            size += file_size
            lines += file_lines
        ctx.report_progress(number, len(files), name)
    return {"files": len(files), "bytes": size, "lines": lines, "unreadable": unreadable, "sums": sums}


def _read(workspace: Workspace, name: str) -> tuple[str, int, int]:
    digest = hashlib.sha256()
    offset = lines = 0
    while True:
        block = workspace.read(name, BLOCK, offset)
        digest.update(block.data)
        offset += len(block.data)
        lines += block.data.count(b"\n")
        if not block.truncated or not block.data:
            return digest.hexdigest(), offset, lines


@headway.tool(idempotent=True)
def combine(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Add up what checksum gave for each part; digest is one SHA-256 over all files, whatever the parts were."""
    sums = {name: value for part in parts for name, value in part["sums"].items()}
    listed = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
    return {
        "files": sum(part["files"] for part in parts),
        "bytes": sum(part["bytes"] for part in parts),
        "lines": sum(part["lines"] for part in parts),
        "unreadable": sorted(name for part in parts for name in part["unreadable"]),
        "digest": hashlib.sha256(listed.encode()).hexdigest(),
    }


@headway.tool(idempotent=True)
def count_items(items: list[Any]) -> int:
    """Count the items of a list."""
    return len(items)


@headway.tool(idempotent=True)
def count_words(text: str) -> int:
    """Count the words of a text."""
    return len(text.split())


@headway.tool(idempotent=True)
def fill(template: str, values: dict[str, Any]) -> str:
    """Put values into a text: {name} stands for the value of that name. For expressions and sentences."""
    return template.format_map({name: _shown(value) for name, value in values.items()})


@headway.tool(idempotent=True)
def render_report(
    title: str, sections: list[dict[str, Any]], keys: list[str] | None = None, *, ctx: headway.ToolContext
) -> str:
    """Write a report in Markdown.

    A section has a heading and facts (a table), places (lines that a search found, told by file and line, never by
    their text), names (a list) or text. Keys of the state that there are go into the last section.
    """
    lines = [f"# {title}", ""]
    for section in sections:
        lines += [f"## {section['heading']}", "", *_body(section), ""]
    known = {key: ctx.state[key] for key in keys or () if key in ctx.state}
    if known:
        lines += ["## State", "", *_table(known), ""]
    return "\n".join(lines)


def _body(section: dict[str, Any]) -> list[str]:
    if "facts" in section:
        return _table(section["facts"])
    if "places" in section:
        return [f"- {place['path']}:{place['line']}" for place in section["places"]] or ["none"]
    if "names" in section:
        return [f"- {name}" for name in section["names"]] or ["none"]
    return [str(section.get("text", ""))]


def _table(facts: dict[str, Any]) -> list[str]:
    rows = [f"| {name} | {_shown(value)} |" for name, value in facts.items()]
    return ["| what | value |", "|---|---|", *rows] if rows else ["none"]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
