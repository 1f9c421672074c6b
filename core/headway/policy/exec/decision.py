"""``Decision``: what the exec policy says of a call, and why."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

import msgspec

from headway.policy.exec.asking import Question
from headway.policy.exec.rule import Action
from headway.policy.risk import Tier


class Verdict(StrEnum):
    """The answer: the call may run, somebody must be asked, or it may not."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


class Amendment(msgspec.Struct, frozen=True):
    """A rule that would have allowed the call: an offer to who is asked. It never has to do with the network."""

    tool: str
    command: str

    def toml(self) -> str:
        """Return it as a table of a policy file."""
        lines = ("[[exec]]", f"tool = {json.dumps(self.tool)}", f"command = {json.dumps(self.command)}")
        return "\n".join((*lines, 'action = "allow"', ""))


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """The verdict on one call.

    ``reason`` is one line. ``rule`` names the rule that decided, if one did, and ``action`` what that said; ``command``
    is the command it was about. ``question`` is the kind of question where somebody is to be asked. ``needs_sandbox``:
    it may run in a sandbox only. ``repeats_outside``: what fails there may be asked for again outside. ``amendments``
    are rules that would allow it. ``tier`` is how much it can do. ``binding`` is the hash of tool, arguments and
    folder that an approval is bound to; empty where there is nothing to ask.
    """

    verdict: Verdict
    reason: str
    rule: str | None = None
    action: Action | None = None
    command: str = ""
    question: Question | None = None
    needs_sandbox: bool = False
    repeats_outside: bool = False
    amendments: tuple[Amendment, ...] = ()
    tier: Tier = Tier.FULL_ACCESS
    binding: str = ""

    def detail(self) -> dict[str, Any]:
        """Return what a question tells beside its reason, as JSON: tier, rule, kind, and the rules to offer."""
        offers = [{"tool": offer.tool, "command": offer.command} for offer in self.amendments]
        return {"tier": self.tier.value, "rule": self.rule, "question": self.question, "amendments": offers}
