"""Verdicts: what a hook says of a call before it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from headway.errors import HeadwayError, one_line
from headway.jsonvalue import MAX_VALUE_BYTES, copy_json, encode_json

ALLOW, DENY, ASK, EDIT = "allow", "deny", "ask", "edit"
VERDICTS = (ALLOW, DENY, ASK, EDIT)

MAX_REASON = 500


class JudgedCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call as hooks see it: the tool, its parameters with all references filled in, and where it comes from.

    Secrets are references. ``compensates`` says that it undoes the action. ``workspace`` is the folder of file tools.
    """

    tool: str
    parameters: dict[str, Any]
    job_id: str
    action_id: str
    scope: str = ""
    principal: str | None = None
    workspace: str = ""
    compensates: bool = False


class Verdict(msgspec.Struct, frozen=True):
    """A verdict: ``allow``, ``deny``, ``ask`` (a person) or ``edit``, which has the new ``parameters``, all of them."""

    verdict: str
    reason: str = ""
    parameters: dict[str, Any] | None = None


class NoVerdict(Exception):
    """What came is no verdict; the text says why, in one line."""


def read_verdict(value: object) -> Verdict:
    """Return a verdict as a hook gives it: itself, ``{"verdict": …, "reason"?, "parameters"?}``, or true or false.

    Raises :class:`NoVerdict` for anything else, what has an unknown member too.
    """
    if isinstance(value, bool):
        return Verdict(ALLOW if value else DENY)
    if isinstance(value, Verdict):
        given: Mapping[Any, Any] = {
            name: found for name in Verdict.__struct_fields__ if (found := getattr(value, name)) is not None
        }
    elif isinstance(value, dict):
        given = value
    else:
        raise NoVerdict(f"a verdict is an object, not {type(value).__name__}")
    if unknown := [name for name in given if name not in Verdict.__struct_fields__]:
        raise NoVerdict(f"a verdict has no '{one_line(str(unknown[0]), 80)}'")
    verdict, reason, parameters = given.get("verdict"), given.get("reason", ""), given.get("parameters")
    if verdict not in VERDICTS:
        raise NoVerdict(f"a verdict is one of {', '.join(VERDICTS)}")
    if not isinstance(reason, str):
        raise NoVerdict("the reason of a verdict is a text")
    if (verdict == EDIT) != ("parameters" in given):
        raise NoVerdict("parameters belong to the verdict edit, and to no other")
    return Verdict(verdict, one_line(reason, MAX_REASON), _copied(parameters) if verdict == EDIT else None)


def _copied(parameters: object) -> dict[str, Any]:
    """Return parameters that are the call's own; :class:`NoVerdict` for what is no JSON object, or too large."""
    if not isinstance(parameters, dict):
        raise NoVerdict("the parameters of a call are an object")
    try:
        size = len(encode_json(parameters))
        copied: dict[str, Any] = copy_json(parameters)
    except (HeadwayError, RecursionError):
        raise NoVerdict("the parameters are not JSON") from None
    if size > MAX_VALUE_BYTES:
        raise NoVerdict(f"the parameters are more than {MAX_VALUE_BYTES:,} bytes")
    return copied
