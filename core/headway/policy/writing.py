"""Rules that are written for an operator: one call is approved beforehand from now on."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from headway.errors import HeadwayError, InvalidConfig, InvalidInput
from headway.policy.files import load_policies

APPROVED = "inbox.toml"
"""The file of the policy folder that such rules are written to."""

MAX_RULE = 20_000
"""The longest rule, in characters."""


def approve_rule(tool: str, parameters: Mapping[str, Any]) -> str:
    """Return the TOML of a rule that approves calls of ``tool`` with exactly these ``parameters``.

    Raises :class:`InvalidInput` for parameters that TOML cannot hold, or that are too long for a rule.
    """
    values = ", ".join(f"{_text(key)} = {_value(value)}" for key, value in parameters.items())
    rule = f"[[approve]]\ntool = {_text(tool)}\nparameters = {{ {values} }}\n" if values else _bare(tool)
    if len(rule) > MAX_RULE:
        raise InvalidInput(f"the parameters are too long for a rule: {len(rule):,} characters")
    return rule


def add_rule(folder: Path, rule: str) -> Path:
    """Add a rule to the file :data:`APPROVED` of a policy folder, which is made if need be, and return the file.

    All policies of the folder must be sound, before and after; else nothing is changed. Raises
    :class:`headway.errors.InvalidConfig`.
    """
    try:
        folder.mkdir(exist_ok=True)
        load_policies(folder)
        path = folder / APPROVED
        if path.is_symlink():
            raise InvalidConfig(f"{path} is a link: write the rule by hand")
        before = path.read_text("utf-8") if path.exists() else ""
        _replace(path, f"{before.rstrip()}\n\n{rule}" if before.strip() else rule)
    except OSError as error:
        raise InvalidConfig(f"{folder}: cannot be written: {error.strerror or error}") from None
    try:
        load_policies(folder)
    except HeadwayError:
        if before:
            _replace(path, before)
        else:
            path.unlink()
        raise
    return path


def _replace(path: Path, text: str) -> None:
    """Write a file anew in one step."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    with suppress(FileNotFoundError):
        beside.unlink()
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _bare(tool: str) -> str:
    return f"[[approve]]\ntool = {_text(tool)}\nparameters = {{}}\n"


def _text(value: str) -> str:
    # A JSON text is a TOML one but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        inner = ", ".join(f"{_text(key)} = {_value(item)}" for key, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    raise InvalidInput("the parameters hold null, or a number, that no rule can: write the rule by hand")
