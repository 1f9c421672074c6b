"""From a trajectory to skills.

A success teaches the plan's shape: its tools, their order and what needs what. A failure teaches a pitfall: which tool
failed with which class of error. Names come from what is taught, so the same lesson twice is one skill.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from headway.errors import one_line
from headway.events import kinds
from headway.events.fold.values import sequence, text, text_or_none
from headway.learning.skill import LONGEST_CODE, DistilledSkill, slug
from headway.learning.trajectory import Trajectory, plain_trajectory

MOST_PITFALLS = 20
"""The most pitfalls of one run that are kept."""
TEACHING = frozenset({"tool_error", "timeout", "validation", "precondition", "policy_denied", "capability"})
"""The error codes that teach something of a tool; a cancel, a kill or an abort does not."""

_FAILED = frozenset({kinds.ACTION_FAILED, kinds.ACTION_REJECTED, kinds.ACTION_SKIPPED})
_NAMED_TOOLS = 3
_TOLD_TOOLS = 8


class Lesson(msgspec.Struct, frozen=True):
    """The lessons of a run. ``fallback`` says why the deterministic distiller did it, where another was asked."""

    skills: list[DistilledSkill]
    fallback: str | None = None


class Improvement(msgspec.Struct, frozen=True):
    """A better version of a skill, or None if nobody knows one."""

    skill: DistilledSkill | None
    fallback: str | None = None


class Distiller(Protocol):
    """A maker of skills out of trajectories, and of better skills out of weak ones."""

    async def distill(self, trajectory: Trajectory, known: Collection[str] = ()) -> Lesson:
        """Return what the run teaches; skills whose names are ``known`` will only be counted."""

    async def improve(self, skill: DistilledSkill, pitfalls: Sequence[DistilledSkill]) -> Improvement:
        """Return a better version of ``skill``; ``pitfalls`` are those of its tools."""


class DeterministicDistiller:
    """The default: no model, the same skills for the same trajectories."""

    async def distill(self, trajectory: Trajectory, known: Collection[str] = ()) -> Lesson:
        """Return the plan's shape of a run that succeeded, the pitfalls of one whose first plan did not."""
        return Lesson(lessons_of(trajectory))

    async def improve(self, skill: DistilledSkill, pitfalls: Sequence[DistilledSkill]) -> Improvement:
        """Return the skill with guards against pitfalls that it does not guard against yet; None if there are none."""
        return Improvement(guarded(skill, pitfalls))


def lessons_of(trajectory: Trajectory) -> list[DistilledSkill]:
    """Return the skills that a trajectory teaches, without a record."""
    trajectory = plain_trajectory(trajectory)
    found: list[DistilledSkill] = []
    if trajectory.succeeded:
        plan = plan_skill(trajectory)
        found += [plan] if plan is not None else []
    if trajectory.outcome != "success":
        found += pitfalls_of(trajectory)
    return found


def plan_skill(trajectory: Trajectory) -> DistilledSkill | None:
    """Return the skill that holds the plan's shape; None for a plan without tools, or too large to be one."""
    shape = [_step(entry) for entry in trajectory.plan]
    tools = list(dict.fromkeys(step["tool"] for step in shape if "tool" in step))
    code = _code({"actions": shape})
    if not tools or len(code) > LONGEST_CODE:
        return None
    told = ", ".join(_word(tool) for tool in tools[:_TOLD_TOOLS]) + (", …" if len(tools) > _TOLD_TOOLS else "")
    steps = f"{len(shape)} action{'s' if len(shape) > 1 else ''}"
    return DistilledSkill(
        name="-".join(["plan", *(slug(tool) for tool in tools[:_NAMED_TOOLS]), _mark(code)]),
        description=f"A plan of {steps} that went through: {told}.",
        when_to_apply=f"When a task of the domain {trajectory.domain} calls for {told}.",
        domain=trajectory.domain,
        trigger=_line(f"tools: {told}"),
        code=code,
    )


def pitfalls_of(trajectory: Trajectory) -> list[DistilledSkill]:
    """Return a pitfall for each tool and class of error that ended an action of the run."""
    found: dict[str, DistilledSkill] = {}
    for event in trajectory.events:
        code = text_or_none(event.data.get("error_code"))
        if event.kind in _FAILED and event.tool is not None and code in TEACHING:
            skill = _pitfall(event.tool, text(event.data.get("error_class")) or code or "error", code or "", trajectory)
            found.setdefault(skill.name, skill)
            if len(found) == MOST_PITFALLS:
                break
    return list(found.values())


def _pitfall(tool: str, error_class: str, error_code: str, trajectory: Trajectory) -> DistilledSkill:
    code = _code({"tool": tool, "error_class": error_class, "error_code": error_code})
    name, error = _word(tool), _word(error_class)
    return DistilledSkill(
        name=f"pitfall-{slug(tool)}-{slug(error_class)}-{_mark(code)}",
        description=f"Tool {name} has failed with {error} ({_word(error_code)}).",
        when_to_apply=f"Before a plan calls {name}: {ADVICE.get(error_code, ADVICE['tool_error'])}",
        source="failure",
        domain=trajectory.domain,
        trigger=_line(f"tool: {name} error: {error}"),
        code=code,
    )


ADVICE = {
    "tool_error": "let the action retry, or let the plan go on without it (failure_behavior retry or skip).",
    "timeout": "give the action more time (timeout_ms), or less to do.",
    "validation": "check its parameters against the tool's schema.",
    "precondition": "make sure that what it requires of the state is there.",
    "policy_denied": "ask for leave, or take another tool: a policy denies it.",
    "capability": "take another tool: the run may not use it.",
}
"""Advice on a class of failure, by error code."""


def guarded(skill: DistilledSkill, pitfalls: Sequence[DistilledSkill]) -> DistilledSkill | None:
    """Return ``skill`` with a guard for each pitfall that it has none for; None if none is new or there is no room."""
    code = decoded(skill.code)
    guards = [guard for guard in sequence(code.get("guards")) if isinstance(guard, dict)]
    had = {(guard.get("tool"), guard.get("error_class")) for guard in guards}
    new = [
        {**fact, "advice": ADVICE.get(fact.get("error_code", ""), ADVICE["tool_error"])}
        for fact in (_strings(decoded(pitfall.code)) for pitfall in pitfalls)
        if (fact.get("tool"), fact.get("error_class")) not in had
    ]
    if not new or not code:
        return None
    better = _code({**code, "guards": [*guards, *new]})
    told = "; ".join(dict.fromkeys(f"{_word(g.get('tool', ''))}: {_word(g.get('error_class', ''))}" for g in new))
    when = f"{skill.when_to_apply} Guard against {told}."
    if len(better) > LONGEST_CODE or len(when) > 4096:
        return None
    return msgspec.structs.replace(skill, code=better, when_to_apply=when)


def tools_of(skill: DistilledSkill) -> set[str]:
    """Return the tools that a skill is about; none for code that is not ours."""
    code = decoded(skill.code)
    steps = [code, *(step for step in sequence(code.get("actions")) if isinstance(step, dict))]
    return {tool for step in steps if isinstance(tool := step.get("tool"), str)}


def decoded(code: str) -> dict[str, Any]:
    """Return the JSON object that a skill's code is; empty for any other text."""
    try:
        value = msgspec.json.decode(code)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return {}
    return value if isinstance(value, dict) else {}


def _step(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return one action of a shape: no id, which differs from run to run."""
    step = {name: text(entry[name]) for name in ("type", "tool") if isinstance(entry.get(name), str)}
    if step.get("type") == "tool_call":
        del step["type"]
    places = {name: [n for n in sequence(entry.get(name)) if type(n) is int] for name in ("needs", "after")}
    return {**step, **{name: found for name, found in places.items() if found}}


def _strings(value: Mapping[str, Any]) -> dict[str, str]:
    return {name: item for name in ("tool", "error_class", "error_code") if isinstance(item := value.get(name), str)}


def _code(value: Mapping[str, Any]) -> str:
    """Return JSON of one line an entry; control characters in names are escaped, so the text is plain."""
    return "".join(c if c.isprintable() else _escaped(c) for c in msgspec.json.encode(value).decode())


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[n]:02x}{units[n + 1]:02x}" for n in range(0, len(units), 2))


def _mark(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()[:10]


def _word(value: str) -> str:
    return one_line(value, 80)


def _line(value: str) -> str:
    return one_line(value, 1000)
