"""What an MCP client is offered: the workflows and tools that ``[mcp] serve`` names, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headway.errors import InvalidConfig, InvalidInput, one_line
from headway.plan.builder import Plan
from headway.plan.format import ActionProposal
from headway.secrets.reference import SCHEME

if TYPE_CHECKING:
    from headway.config import Config
    from headway.tools.registry import ToolEntry

ACTION = "call"
"""The id of the one action that a call of a tool becomes."""

START, GET, CANCEL = "start_job", "get_job", "cancel_job"
MANAGING = (START, GET, CANCEL)
"""The tools that start, look at and cancel jobs: no offer can have their names."""

NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")


@dataclass(frozen=True, slots=True)
class Offer:
    """A workflow or a tool, under the name that clients call. ``plan(arguments)`` is what a call of it runs."""

    name: str
    description: str
    schema: dict[str, Any]
    plan: Callable[[dict[str, Any]], ActionProposal]
    workflow: bool


def offers_of(
    config: Config, entries: Iterable[ToolEntry], read_plan: Callable[[str], ActionProposal]
) -> dict[str, Offer]:
    """Return the offers of ``[mcp] serve`` by name; ``read_plan`` reads the plan of a workflow.

    Raises ``InvalidConfig`` in one line for a name that is neither a workflow nor a tool that plans may call, or both,
    or that no client could call.
    """
    tools = {entry.name: entry for entry in entries if entry.permission != "deny"}
    found: dict[str, Offer] = {}
    for name in config.mcp.serve:
        shown = f"mcp.serve names '{one_line(name, 80)}'"
        workflow, entry = config.workflows.get(name), tools.get(name)
        if workflow is not None and entry is not None:
            raise InvalidConfig(f"{shown}, and there are a workflow and a tool of that name: rename one")
        if _NAME.fullmatch(name) is None or name in MANAGING:
            raise InvalidConfig(
                f"{shown}, which no MCP client could call: letters, digits, '_', '.', '-' and no {START}"
            )
        if workflow is not None:
            found[name] = _workflow(name, workflow.description, read_plan)
        elif entry is not None:
            found[name] = _tool(entry)
        else:
            raise InvalidConfig(f"{shown}, and there is neither a workflow nor a tool of that name")
    return found


def _workflow(name: str, description: str, read_plan: Callable[[str], ActionProposal]) -> Offer:
    def plan(arguments: dict[str, Any]) -> ActionProposal:
        if arguments:
            raise InvalidInput(f"workflow '{name}' takes no arguments")
        return read_plan(name)

    return Offer(name, description or f"Run the workflow {name}.", NO_PARAMETERS, plan, workflow=True)


def _tool(entry: ToolEntry) -> Offer:
    name = entry.name

    def plan(arguments: dict[str, Any]) -> ActionProposal:
        if _names_secret(arguments):
            raise InvalidInput("an MCP client may name no secret")
        made = Plan(goal=name)
        made.call(name, **arguments).options(id=ACTION)
        return made.proposal()

    schema = entry.schema.parameters or {"type": "object"}
    return Offer(name, entry.schema.description or name, schema, plan, workflow=False)


def _names_secret(value: Any) -> bool:
    if isinstance(value, str):
        return value.startswith(SCHEME)
    if isinstance(value, Mapping):
        return any(_names_secret(inner) for inner in value.values())
    return isinstance(value, list) and any(_names_secret(inner) for inner in value)
