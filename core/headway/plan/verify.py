"""``verify``: what is wrong with a plan, found without running it.

Admission asks :func:`admit`, which is the part of ``verify`` that no state can mend: shape, ids, references, cycles,
tools and their parameters. What depends on state (preconditions, state dependencies) is reported by ``verify`` and
answered at run time by each action's ``failure_behavior``. Both see the same graph, so what passes runs in the order
that ``verify`` shows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from headway.arguments import expect
from headway.errors import InvalidPlan, as_line
from headway.model import Record
from headway.numbers import whole_number
from headway.plan.checks import (
    UNKNOWN,
    check_assertion,
    check_compensation,
    check_precondition,
    check_references,
    check_shape,
    check_tool,
    declared_effects,
)
from headway.plan.evidence import CHECKS, Evidence, evidence_of
from headway.plan.format import ActionProposal, ActionType, FailureBehavior, InvocationMode
from headway.plan.graph import Graph, Node, compile_plan, indirect
from headway.plan.parse import Compat, PlanLike, as_proposal, as_state
from headway.plan.references import readings_of, value_at
from headway.plan.secret_checks import literals, secret_findings
from headway.plan.toolset import is_tool, registry_of
from headway.secrets.vault import Vault
from headway.tools.schema import ToolSchema

if TYPE_CHECKING:
    from headway.tools.registry import ToolEntry, ToolRegistry


_TOOL_CALL = ActionType.TOOL_CALL
_ASSERTION = ActionType.ASSERTION
_ONE_SHOT = InvocationMode.ONE_SHOT

MAX_ISSUES = 100
"""The most issues that an answer or an event lists; more are counted."""

_encode = msgspec.json.Encoder(order="sorted").encode


class Issue(Record):
    """One finding. ``severity`` is error, warning or info; ``check`` names the check that found it.

    ``tier`` says how the check knows: structural, simulated or heuristic.
    """

    message: str
    severity: str = "error"
    action_id: str | None = None
    check: str = ""
    tier: str = ""

    def __post_init__(self) -> None:
        self.message = as_line(self.message)
        if not self.tier:
            self.tier = CHECKS[self.check][0] if self.check in CHECKS else "structural"


class VerifyReport(Record):
    """The findings of ``verify``, and what they rest on.

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

    def shortened(self) -> VerifyReport:
        """Return the report with no more issues than an answer lists; see :func:`shortened`."""
        return msgspec.structs.replace(self, issues=shortened(self.issues))

    @property
    def execution_levels(self) -> list[list[str]]:
        """CAR's name of ``levels``."""
        return self.levels


def verify(
    proposal: PlanLike,
    state: Mapping[str, Any] | None = None,
    tools: ToolRegistry | Iterable[str] | None = None,
    max_actions: int | None = None,
    schemas: Iterable[ToolSchema] | None = None,
    *,
    compat: Compat | None = None,
    secrets: Vault | None = None,
) -> VerifyReport:
    """Check ``proposal`` against ``state`` (None: empty) and the ``tools`` there are (None: not checked).

    ``tools`` is a registry, or names; ``schemas`` adds parameter schemas to names. ``max_actions`` warns about a plan
    with more. ``compat="car"`` takes JSON with fields that the format does not know, and warns of them. ``secrets``
    says which secrets there are for which tools (None: not checked). Runs nothing and changes nothing. Raises
    :class:`InvalidInput` for what is no plan or no JSON.
    """
    proposal = as_proposal(proposal, compat=compat)
    known = as_state(state)
    registry = registry_of(tools, schemas)
    if secrets is not None:
        expect(secrets, Vault, "secrets")
    if max_actions is not None:
        whole_number(max_actions, "max_actions", 0)
    not_run = _not_run(proposal, registry, max_actions)
    ignored = [Issue(line, "warning", action_id, "format") for action_id, line in proposal.ignored]
    try:
        plan, issues = admit(proposal, known, registry, secrets=secrets)
    except InvalidPlan as error:
        issues = [*ignored, *error.issues]
        return VerifyReport(False, issues, evidence=evidence_of(None, [issue.check for issue in issues], not_run))
    issues = ignored + issues
    if max_actions is not None and len(plan.nodes) > max_actions:
        text = f"excessive actions: {len(plan.nodes)} (limit {max_actions})"
        issues.append(Issue(text, "warning", check="resource_bounds"))
    issues += [Issue(text, severity, who, "permission") for severity, who, text in permissions(plan, registry)]
    issues += [Issue(text, "warning", action_id, "graph") for action_id, text in _ambiguities(plan)]
    for node in plan.nodes:
        if node.references:
            found = _reference_issues(node, plan, registry)
            issues += [issue for issue in found if issue.severity == "warning"]
    issues += [Issue(text, "warning", action_id, "secret_literals") for action_id, text in literals(proposal)]
    for action_id, text in repetitions(plan):
        issues.append(Issue(text, "warning", action_id, "loop_detection"))
    conflicts = write_conflicts(plan)
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
        evidence=evidence_of(plan, [issue.check for issue in issues], not_run),
    )


def admit(
    proposal: ActionProposal,
    state_keys: Collection[str],
    registry: ToolRegistry | None,
    *,
    recorded: bool = False,
    secrets: Vault | None = None,
    remote: bool = False,
) -> tuple[Graph, list[Issue]]:
    """Return the compiled plan and the admission issues, all of them errors; a plan with none may run.

    A ``recorded`` plan has run in part: what its references find is in its results, and schemas are not asked.
    ``secrets`` are those that the plan may name, ``remote`` says on whose behalf. Raises :class:`InvalidPlan`, with the
    one issue, when there is no graph to return.
    """
    try:
        plan = compile_plan(proposal, state_keys)
    except InvalidPlan as error:
        error.issues = [Issue(error.message, check="graph")]
        raise
    issues: list[Issue] = []
    index: dict[str, int] = {}
    for node in plan.nodes:
        if node.type is not _TOOL_CALL or not node.tool:
            issues += [Issue(text, action_id=node.id, check="shape") for text in check_shape(node)]
        elif registry is not None:
            entry = registry.get(node.tool)
            if problems := check_tool(node, entry):
                check = "tool_existence" if entry is None else "param_schema"
                issues += [Issue(text, action_id=node.id, check=check) for text in problems]
            if node.action.invocation_mode is not _ONE_SHOT and entry is not None:
                issues += _mode_issues(node, entry)
        if node.references and not recorded:
            found = _reference_issues(node, plan, registry)
            issues += [issue for issue in found if issue.severity == "error"]
        if node.action.compensation is not None:
            index = index or {other.id: other.index for other in plan.nodes}
            problems = check_compensation(node.action.compensation, plan, index, registry)
            issues += [Issue(text, action_id=node.id, check="compensation_resolution") for text in problems]
    found_secrets = secret_findings(plan, registry, secrets, remote=remote)
    issues += [Issue(text, action_id=action_id, check="secrets") for action_id, text in found_secrets]
    return plan, issues


def shortened(issues: Sequence[Issue], most: int = MAX_ISSUES) -> list[Issue]:
    """Return at most ``most`` of the issues, errors before others, and one more that counts those left out."""
    if len(issues) <= most:
        return list(issues)
    first = sorted(issues, key=lambda issue: issue.severity != "error")[:most]
    return [*first, Issue(f"{len(issues) - most:,} more findings are left out", "info", check="left_out")]


def refuse(issues: list[Issue]) -> InvalidPlan:
    """Return the error for a plan that admission refuses because of ``issues``."""
    first = issues[0]
    where = f"action '{first.action_id}': " if first.action_id else ""
    more = f" (and {len(issues) - 1} more)" if len(issues) > 1 else ""
    return InvalidPlan(f"{where}{first.message}{more}", list(issues))


def _not_run(proposal: ActionProposal, registry: ToolRegistry | None, max_actions: int | None) -> set[str]:
    """Return the checks that nothing was given for."""
    entries = registry.entries() if registry is not None else []
    judged = registry is not None and all(map(is_tool, entries))
    described = registry is not None and all(is_tool(entry) or entry.schema.parameters for entry in entries)
    undone = (action.compensation for action in proposal.actions if action.compensation is not None)
    lacking = {
        "resource_bounds": max_actions is None,
        "tool_existence": registry is None,
        "param_schema": not described,
        "references": not described,
        "invocation_mode": not judged,
        "permission": not judged,
        "compensation_resolution": registry is None and any(undo.type == "tool" for undo in undone),
    }
    return {check for check, lacks in lacking.items() if lacks}


def _mode_issues(node: Node, entry: ToolEntry) -> list[Issue]:
    mode = node.action.invocation_mode.value
    if mode == entry.mode or not is_tool(entry):
        return []
    return [Issue(f"tool '{node.tool}' cannot be invoked as {mode}", action_id=node.id, check="invocation_mode")]


def _reference_issues(node: Node, plan: Graph, registry: ToolRegistry | None) -> list[Issue]:
    tool = registry.get(node.tool or "") if registry is not None and node.type is _TOOL_CALL else None
    found = check_references(node.references, node.action.parameters, tool, plan, registry)
    return [Issue(text, severity, node.id, "references") for severity, text in found]


def _state_issues(plan: Graph, state: Mapping[str, Any]) -> tuple[list[Issue], dict[str, Any]]:
    """Walk the levels with the effects that the plan declares; return what will not hold, and the state at the end."""
    now: dict[str, Any] = dict(state)
    nodes = plan.nodes
    issues: list[Issue] = []
    for level in plan.levels:
        changes: dict[str, Any] | None = None
        for i in level:
            node = nodes[i]
            if (
                node.action.preconditions
                or node.type is _ASSERTION
                or (node.reads and not all(map(now.__contains__, node.reads)))
            ):
                issues += _unmet(node, now)
            if node.writes:
                effects = declared_effects(node)
                if changes is None:
                    changes = effects
                else:
                    changes.update(effects)
        if changes:
            now.update(changes)
    return issues, now


def _unmet(node: Node, state: Mapping[str, Any]) -> list[Issue]:
    action = node.action
    found = []
    for precondition in action.preconditions:
        text = check_precondition(precondition, state)
        if text:
            found.append(("preconditions", f"precondition will fail: {text}"))
    found += [
        ("state_dependencies", f"state dependency '{key}' not available at this point")
        for key in node.reads
        if key not in state
    ]
    if not found:
        text = check_assertion(node, state) if node.type is _ASSERTION else None
        if text is None:
            return []
        found.append(("assertions", text))
    severity = "warning" if action.failure_behavior is FailureBehavior.SKIP else "error"
    return [Issue(text, severity, node.id, check) for check, text in found]


def permissions(plan: Graph, registry: ToolRegistry | None) -> Iterator[tuple[str, str, str]]:
    """Yield (severity, action id, text) for calls and compensations whose tool has a permission other than allow."""
    if registry is None or not registry.restricted:
        return
    for node in plan.nodes:
        for prefix, tool in _called(node):
            entry = registry.get(tool)
            if entry is not None and entry.permission == "deny":
                yield "error", node.id, f"{prefix}tool '{tool}' is denied by its permission"
            elif entry is not None and entry.permission == "ask":
                yield (
                    "info",
                    node.id,
                    f"{prefix}tool '{tool}' asks for permission: a person approves it, or a grant of full_access",
                )


def _called(node: Node) -> Iterator[tuple[str, str]]:
    if node.type is ActionType.TOOL_CALL and node.tool:
        yield "", node.tool
    undo = node.action.compensation
    if undo is not None and undo.tool:
        yield "compensation: ", undo.tool


def _ambiguities(plan: Graph) -> Iterator[tuple[str, str]]:
    """Yield (action id, text) for references that could mean another action, whose id is shorter."""
    ids = {node.id for node in plan.nodes}
    if not any(".output" in name for name in ids):
        return
    for node in plan.nodes:
        for reference in node.references:
            text = value_at(node.action.parameters, reference.where)
            meant, *others = [name for name, _ in readings_of(text) if name in ids]
            if others:
                shorter = "' or '".join(others)
                yield node.id, f"'{text}' is the output of '{meant}', not a part of that of '{shorter}'"


def repetitions(plan: Graph) -> Iterator[tuple[str, str]]:
    """Yield (action id, text) for tool calls that stand more than once in the plan, the same to the letter."""
    seen: dict[bytes, Node] = {}
    more: dict[bytes, list[Node]] = {}
    for node in plan.nodes:
        if node.type is _TOOL_CALL and not node.references:
            call = _encode((node.tool, node.action.parameters))
            if seen.setdefault(call, node) is not node:
                more.setdefault(call, []).append(node)
    for nodes in more.values():
        tool, count = nodes[-1].tool, len(nodes) + 1
        if count == 2:
            yield nodes[-1].id, f"duplicate tool call: {tool} (2x)"
        else:
            yield nodes[-1].id, f"repeated identical tool call: {tool} ({count}x) — likely loop"


def write_conflicts(plan: Graph) -> list[list[str]]:
    """Return ``[action, action, key]`` for neighbouring writers of a key where the later does not need the earlier."""
    last: dict[str, int] = {}
    found: list[tuple[int, int, str]] = []
    for node in plan.nodes:
        if not node.writes:
            continue
        needs = frozenset(node.needs)
        for key in node.writes:
            before = last.get(key)
            if before is not None and before not in needs:
                found.append((node.index, before, key))
            last[key] = node.index
    if not found:
        return []
    declared = indirect(plan, ((i, before) for i, before, _ in found))
    ids = [node.id for node in plan.nodes]
    return [[ids[before], ids[i], key] for i, before, key in found if (i, before) not in declared]
