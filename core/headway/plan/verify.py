"""``verify``: what is wrong with a plan, found without running it.

Admission asks :func:`admit`, which is the part of ``verify`` that no state can mend: shape, ids, references, cycles,
tools and their parameters. What depends on state (preconditions, state dependencies) is reported by ``verify`` and
answered at run time by each action's ``failure_behavior``. Both see the same graph, so what passes runs in the order
that ``verify`` shows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from headway.errors import InvalidPlan
from headway.plan.checks import UNKNOWN, check_precondition, check_shape, check_tool
from headway.plan.effects import declared_effects
from headway.plan.evidence import CHECKS, Evidence, evidence_of
from headway.plan.graph import Node, Plan, compile_plan, find_references, writes
from headway.plan.model import ActionProposal, ActionType, FailureBehavior, InvocationMode, ToolSchema

if TYPE_CHECKING:
    from headway.tools.registry import ToolRegistry


class Issue(msgspec.Struct, omit_defaults=True):
    """One finding. ``severity`` is error, warning or info; ``check`` names the check that found it."""

    message: str
    severity: str = "error"
    action_id: str | None = None
    check: str = ""

    @property
    def tier(self) -> str:
        """How the check knows: structural, simulated or heuristic."""
        return CHECKS[self.check][0] if self.check in CHECKS else ""


class VerifyReport(msgspec.Struct):
    """What ``verify`` found.

    ``levels`` lists action ids in order of execution; empty when there is no graph. ``conflicts`` are ``[action,
    action, key]``, two writers of one key without a declared order. ``simulated_state`` is the state afterwards if all
    declared effects land. ``evidence`` says what the answer rests on.
    """

    valid: bool
    issues: list[Issue] = []
    levels: list[list[str]] = []
    conflicts: list[list[str]] = []
    simulated_state: dict[str, Any] = {}
    evidence: Evidence | None = None


def verify(
    proposal: ActionProposal,
    state: Mapping[str, Any] | None = None,
    tools: ToolRegistry | Iterable[str] | None = None,
    max_actions: int | None = None,
    schemas: Iterable[ToolSchema] | None = None,
) -> VerifyReport:
    """Check ``proposal`` against ``state`` (None: empty) and the ``tools`` there are (None: not checked).

    ``tools`` is a registry, or names; ``schemas`` adds parameter schemas to names. ``max_actions`` warns about a
    plan with more. Runs nothing and changes nothing.
    """
    known = {} if state is None else state
    registry = _registry(tools, schemas)
    rests_on = {"tools_known": registry is not None, "bounded": max_actions is not None}
    try:
        plan, issues = admit(proposal, known, registry)
    except InvalidPlan as error:
        found = [issue.check for issue in error.issues]
        return VerifyReport(False, list(error.issues), evidence=evidence_of(None, found, **rests_on))
    if max_actions is not None and len(plan.nodes) > max_actions:
        text = f"excessive actions: {len(plan.nodes)} (limit {max_actions})"
        issues.append(Issue(text, "warning", check="resource_bounds"))
    issues.extend(_repetitions(plan))
    conflicts = _write_conflicts(plan)
    for before, action_id, key in conflicts:
        text = f"write conflict on '{key}' with action {before} (no dependency declared)"
        issues.append(Issue(text, "warning", action_id, "write_conflicts"))
    state_issues, after = _state_issues(plan, known)
    issues.extend(state_issues)
    return VerifyReport(
        valid=not any(issue.severity == "error" for issue in issues),
        issues=issues,
        levels=[[plan.nodes[i].id for i in level] for level in plan.levels],
        conflicts=conflicts,
        simulated_state={key: value for key, value in after.items() if value is not UNKNOWN},
        evidence=evidence_of(plan, [issue.check for issue in issues], **rests_on),
    )


def admit(
    proposal: ActionProposal, state_keys: Collection[str], registry: ToolRegistry | None
) -> tuple[Plan, list[Issue]]:
    """Return the compiled plan and the admission issues, all of them errors; a plan with none may run.

    Raises :class:`InvalidPlan`, with the one issue, when there is no graph to return.
    """
    try:
        plan = compile_plan(proposal, state_keys)
    except InvalidPlan as error:
        error.issues = [Issue(error.message, check="graph")]
        raise
    issues: list[Issue] = []
    for node in plan.nodes:
        problems = check_shape(node)
        if problems:
            issues.extend(Issue(text, action_id=node.id, check="shape") for text in problems)
        elif node.type is ActionType.TOOL_CALL and registry is not None:
            issues.extend(_tool_issues(node, registry))
        if node.action.compensation is not None:
            issues.extend(_compensation_issues(node, plan, registry))
    return plan, issues


def refuse(issues: list[Issue]) -> InvalidPlan:
    """Return the error for a plan that admission refuses because of ``issues``."""
    first = issues[0]
    where = f"action '{first.action_id}': " if first.action_id else ""
    more = f" (and {len(issues) - 1} more)" if len(issues) > 1 else ""
    return InvalidPlan(f"{where}{first.message}{more}", list(issues))


def _tool_issues(node: Node, registry: ToolRegistry) -> list[Issue]:
    if node.references or node.escapes:
        # The values are known at dispatch only; what the tool says of them then is a rejection of this action.
        problems = [] if (node.tool or "") in registry else [f"tool '{node.tool}' is not registered"]
    else:
        problems = check_tool(node, registry, node.action.parameters)
    entry = registry.get(node.tool or "")
    mode = node.action.invocation_mode
    if entry is not None and mode is not InvocationMode.ONE_SHOT and mode.value != entry.mode:
        text = f"tool '{node.tool}' cannot be invoked as {mode.value}"
        return [Issue(text, action_id=node.id, check="invocation_mode")]
    check = "param_schema" if (node.tool or "") in registry else "tool_existence"
    return [Issue(text, action_id=node.id, check=check) for text in problems]


def _compensation_issues(node: Node, plan: Plan, registry: ToolRegistry | None) -> Iterator[Issue]:
    """Yield why an aborted run could not undo ``node`` as its plan says."""
    compensation = node.action.compensation
    assert compensation is not None
    index = {other.id: other.index for other in plan.nodes}
    problems: list[str] = []
    if compensation.type == "action_ref":
        other = index.get(compensation.action_id or "")
        if other is None or plan.nodes[other].type is not ActionType.TOOL_CALL:
            problems = [f"compensation names '{compensation.action_id}', which is no tool call of the plan"]
    elif compensation.type != "tool" or not compensation.tool:
        problems = ["a compensation is {'type': 'tool', 'tool': …} or {'type': 'action_ref', 'action_id': …}"]
    else:
        try:
            dynamic = any(find_references(compensation.parameters, index))
        except KeyError as error:
            problems = [f"compensation refers to '{error.args[0]}', which the plan does not have"]
        else:
            entry = registry.get(compensation.tool) if registry is not None else None
            if registry is not None and entry is None:
                problems = [f"compensation: tool '{compensation.tool}' is not registered"]
            elif entry is not None and not dynamic:
                problems = [f"compensation: {text}" for text in entry.validate(compensation.parameters)]
    for text in problems:
        yield Issue(text, action_id=node.id, check="compensation_resolution")


def _registry(tools: ToolRegistry | Iterable[str] | None, schemas: Iterable[ToolSchema] | None) -> ToolRegistry | None:
    from headway.tools.registry import ToolEntry, ToolRegistry

    if isinstance(tools, ToolRegistry):
        return tools
    if tools is None and schemas is None:
        return None
    registry = ToolRegistry()
    for schema in (*(ToolSchema(name=name) for name in tools or ()), *(schemas or ())):
        registry.register(ToolEntry(schema, call=_never_called, is_async=False))
    return registry


def _never_called(**_: Any) -> None:
    raise AssertionError("verify calls no tools")  # pragma: no cover


def _repetitions(plan: Plan) -> Iterator[Issue]:
    """Yield the tool calls that stand more than once in the plan, the same to the letter."""
    seen: dict[bytes, list[Node]] = {}
    for node in plan.nodes:
        if node.type is ActionType.TOOL_CALL and not node.references:
            key = msgspec.json.encode([node.tool, node.action.parameters], order="sorted")
            seen.setdefault(key, []).append(node)
    for nodes in seen.values():
        if len(nodes) == 2:
            yield Issue(f"duplicate tool call: {nodes[0].tool} (2x)", "warning", nodes[1].id, "loop_detection")
        elif len(nodes) > 2:
            text = f"repeated identical tool call: {nodes[0].tool} ({len(nodes)}x) — likely loop"
            yield Issue(text, "warning", nodes[-1].id, "loop_detection")


def _write_conflicts(plan: Plan) -> list[list[str]]:
    last: dict[str, int] = {}
    found = []
    for node in plan.nodes:
        for key in dict.fromkeys(writes(node.action)):
            before = last.get(key)
            if before is not None and before in node.after:
                found.append([plan.nodes[before].id, node.id, key])
            last[key] = node.index
    return found


def _state_issues(plan: Plan, state: Mapping[str, Any]) -> tuple[list[Issue], dict[str, Any]]:
    """Walk the levels with the effects that the plan declares; return what will not hold, and the state at the end."""
    now: dict[str, Any] = dict(state)
    issues: list[Issue] = []
    for level in plan.levels:
        changes: dict[str, Any] = {}
        for i in level:
            node = plan.nodes[i]
            issues.extend(_unmet(node, now))
            changes.update(declared_effects(node))
        now.update(changes)
    return issues, now


def _unmet(node: Node, state: Mapping[str, Any]) -> Iterable[Issue]:
    action = node.action
    severity = "warning" if action.failure_behavior is FailureBehavior.SKIP else "error"
    for precondition in action.preconditions:
        text = check_precondition(precondition, state)
        if text:
            yield Issue(f"precondition will fail: {text}", severity, node.id, "preconditions")
    for key in node.reads:
        if key not in state:
            text = f"state dependency '{key}' not available at this point"
            yield Issue(text, severity, node.id, "state_dependencies")
