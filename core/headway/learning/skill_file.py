"""A skill as a file for people: markdown, TOML front matter, and a SHA-256 over all the rest.

::

    +++
    format = "headway-skill"
    version = 1
    name = "plan-fetch-parse-1f3a…"
    …
    sha256 = "…"
    +++

    ```json
    the skill's code
    ```

The hash tells of damage and of edits, not of who wrote the file. What a file says is data: nothing of it is run.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from typing import Any

import msgspec

from headway.errors import InvalidInput, one_line
from headway.learning.skill import DistilledSkill

FORMAT = "headway-skill"
VERSION = 1
LONGEST_FILE = 512 * 1024
"""The longest file read, in bytes: more than the largest skill fills, all of it in characters of four bytes."""

_FENCE = re.compile(r"\n(`{3,})(?:json)?\n(.*)\n\1\n", re.DOTALL)
_HASH = re.compile(r'(?m)^sha256 = "([0-9a-f]{64})"\n\Z')


def export_skill(skill: DistilledSkill) -> str:
    """Return the text of a skill's file."""
    if not isinstance(skill, DistilledSkill):
        raise InvalidInput(f"only a DistilledSkill can be exported, not {type(skill).__name__}")
    fields = msgspec.structs.asdict(skill)
    code = fields.pop("code")
    head = f'format = "{FORMAT}"\nversion = {VERSION}\n'
    head += "".join(f"{name} = {_toml(value)}\n" for name, value in fields.items())
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", code)), default=0))
    body = f"\n{fence}json\n{code}\n{fence}\n"
    return f'+++\n{head}sha256 = "{_hash(head, body)}"\n+++\n{body}'


def import_skill(text: str | bytes) -> DistilledSkill:
    """Return the skill of a file. Raises :class:`InvalidInput`, in one line, for all that is not a sound file."""
    head, body = _parts(_decoded(text))
    found = _HASH.search(head)
    if found is None:
        raise InvalidInput("not a skill file: its front matter does not end with a sha256")
    head = head[: found.start()]
    if _hash(head, body) != found.group(1):
        raise InvalidInput("the skill file was changed or damaged: its sha256 does not match")
    fields = _fields(head)
    match = _FENCE.fullmatch(body)
    if match is None:
        raise InvalidInput("not a skill file: after the front matter comes one fenced block, and nothing else")
    try:
        return msgspec.convert({**fields, "code": match.group(2)}, DistilledSkill)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"not a skill file: {one_line(str(error), 200)}") from None


def _decoded(text: str | bytes) -> str:
    if not isinstance(text, str | bytes):
        raise InvalidInput(f"a skill file is text, not {type(text).__name__}")
    if len(text) > LONGEST_FILE:
        raise InvalidInput(f"the skill file is longer than {LONGEST_FILE:,} bytes")
    try:
        return text.decode() if isinstance(text, bytes) else text.encode().decode()
    except UnicodeError:
        raise InvalidInput("not a skill file: it is not UTF-8") from None


def _parts(text: str) -> tuple[str, str]:
    """Return front matter and body. No value of the front matter holds a line break, so the first bare +++ ends it."""
    start, found, rest = text.partition("+++\n")
    head, end, body = rest.partition("\n+++\n")
    if start or not found or not end:
        raise InvalidInput("not a skill file: it has no front matter between lines of +++")
    return head + "\n", body


def _fields(head: str) -> dict[str, Any]:
    try:
        fields = tomllib.loads(head)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise InvalidInput(f"not a skill file: {one_line(str(error), 200)}") from None
    if fields.pop("format", None) != FORMAT:
        raise InvalidInput("not a skill file: its format is another")
    version = fields.pop("version", None)
    if version != VERSION:
        raise InvalidInput(f"the skill file has version {one_line(str(version), 20)}, this Headway reads {VERSION}")
    unknown = sorted(set(fields) - (set(DistilledSkill.__struct_fields__) - {"code"}))
    if unknown:
        raise InvalidInput(f"not a skill file: unknown field {one_line(unknown[0], 60)!r}")
    return fields


def _toml(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")  # else JSON's escapes are TOML's


def _hash(head: str, body: str) -> str:
    return hashlib.sha256(f"{head}+++\n{body}".encode()).hexdigest()
