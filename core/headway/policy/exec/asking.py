"""When a person is asked: ``AskForApproval``, and the words of other programs that come to one of its values.

No value means "allow everything": what no rule allows runs in the sandbox, is asked for, or is denied.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from headway.arguments import expect, nearest, shown_value
from headway.errors import InvalidInput

Question = Literal["sandbox_approval", "rules", "mcp_elicitations"]
"""The kinds of question: to run outside of the sandbox; as a rule asks, or none allows; of an MCP server."""


class AskForApproval(StrEnum):
    """What becomes of a command that no rule denies, asks for or allows.

    ================  =================================================================================
    unless_trusted    asked for; rules of the layer ``builtin`` allow programs that only read
    on_failure        runs in the sandbox, and is asked for if it is to be repeated outside; without one, asked for
    on_request        asked for; the layer ``builtin`` allows nothing
    reject            as on_request, but some questions are answered with no (:class:`Reject`); bare, all are
    never             runs in the sandbox; without one, denied. Nobody is asked: what would be asked is denied
    ================  =================================================================================
    """

    UNLESS_TRUSTED = "unless_trusted"
    ON_FAILURE = "on_failure"
    ON_REQUEST = "on_request"
    REJECT = "reject"
    NEVER = "never"


class Reject(msgspec.Struct, frozen=True):
    """The questions that ``reject`` answers with no; the others are asked."""

    sandbox_approval: bool = False
    rules: bool = False
    mcp_elicitations: bool = False

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            expect(getattr(self, name), bool, f"reject.{name}")


class ApprovalMode(StrEnum):
    """The postures of user interfaces. ``bypass`` asks too: a word in a configuration shall not remove questions."""

    SUGGEST = "suggest"
    AUTO = "auto"
    BYPASS = "bypass"
    NEVER = "never"

    @property
    def approval(self) -> AskForApproval:
        """The value that it comes to."""
        return _POSTURES[self]


_POSTURES = {
    ApprovalMode.SUGGEST: AskForApproval.ON_REQUEST,
    ApprovalMode.AUTO: AskForApproval.UNLESS_TRUSTED,
    ApprovalMode.BYPASS: AskForApproval.UNLESS_TRUSTED,
    ApprovalMode.NEVER: AskForApproval.NEVER,
}

_MODES = frozenset(mode.value for mode in AskForApproval)
_NAMES = frozenset(mode.value for mode in ApprovalMode)
_ALIASES = {
    "ask": ApprovalMode.SUGGEST,
    "auto_review": ApprovalMode.AUTO,
    "deny": ApprovalMode.NEVER,
    "full_access": ApprovalMode.BYPASS,
    "yolo": ApprovalMode.BYPASS,
}


class Approval(msgspec.Struct, frozen=True):
    """A value with what it rejects."""

    mode: AskForApproval = AskForApproval.ON_FAILURE
    reject: Reject = Reject()

    def refuses(self, question: Question) -> bool:
        """Return whether nobody may be asked such a question, so that the answer is no."""
        if self.mode is AskForApproval.NEVER:
            return True
        return self.mode is AskForApproval.REJECT and bool(getattr(self.reject, question))

    def __str__(self) -> str:
        if self.mode is not AskForApproval.REJECT:
            return self.mode.value
        on = [name for name in self.reject.__struct_fields__ if getattr(self.reject, name)]
        return f"reject ({', '.join(on) or 'nothing'})"


def approval_of(value: object) -> Approval:
    """Return ``value`` as an approval: one, a value or its name, a posture or an alias of one, or ``{"reject": {…}}``.

    ``-`` and ``_`` and upper and lower case are alike. Raises ``InvalidInput`` for anything else: no unknown word comes
    to mean a mode.
    """
    if isinstance(value, Approval):
        return value
    if isinstance(value, Reject):
        return Approval(AskForApproval.REJECT, value)
    if isinstance(value, dict):
        if list(value) != ["reject"]:
            raise InvalidInput('an approval as a table is {"reject": {"rules": true, …}}')
        return Approval(AskForApproval.REJECT, _reject(value["reject"]))
    if isinstance(value, str):
        name = value.strip().lower().replace("-", "_")
        if name in _MODES:
            return Approval(AskForApproval(name), Reject(True, True, True) if name == "reject" else Reject())
        posture = ApprovalMode(name) if name in _NAMES else _ALIASES.get(name)
        if posture is not None:
            return Approval(posture.approval)
    known = sorted({*_MODES, *_NAMES, *_ALIASES})
    near = nearest(value, known, cutoff=0.5) if isinstance(value, str) else None
    hint = f"did you mean {near}?" if near is not None else f"there are {', '.join(known)}"
    raise InvalidInput(f"{shown_value(value)} is no approval mode; {hint}")


def _reject(value: object) -> Reject:
    fields = Reject.__struct_fields__
    if not isinstance(value, dict):
        raise InvalidInput(f"reject is a table of {', '.join(fields)}")
    for name in value:
        if name not in fields:
            near = nearest(str(name), fields, cutoff=0.4)
            raise InvalidInput(f"reject has no {shown_value(name)}; did you mean {near or fields[0]}?")
    return Reject(**value)
