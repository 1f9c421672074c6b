"""The plans that are measured, as JSON takes them. Imports nothing: the peers' interpreters use it too."""

from __future__ import annotations

from typing import Any

Plan = dict[str, Any]


def flat(count: int, tool: str = "noop") -> Plan:
    """Return ``count`` independent calls."""
    return {"actions": [{"id": f"a{i}", "type": "tool_call", "tool": tool} for i in range(count)]}


def distinct(count: int) -> Plan:
    """Return ``count`` independent calls, no two with the same parameters: repeated calls are a finding of its own."""
    plan = flat(count)
    for number, action in enumerate(plan["actions"]):
        action["parameters"] = {"n": number}
    return plan


def chain(count: int) -> Plan:
    """Return ``count`` calls, each after the one before by its id."""
    plan = flat(count)
    for number, action in enumerate(plan["actions"][1:]):
        action["dependencies"] = [f"a{number}"]
    return plan


def layers(count: int, width: int) -> Plan:
    """Return layers that each wait for the first action of the one before."""
    actions = []
    for layer in range(count):
        needs = {"dependencies": [f"l{layer - 1}n0"]} if layer else {}
        actions += [{"id": f"l{layer}n{i}", "type": "tool_call", "tool": "noop", **needs} for i in range(width)]
    return {"actions": actions}


# The same shapes told by state keys. A peer that does not know dependencies by id takes these.


def key_chain(count: int) -> Plan:
    """Return ``count`` writes of one key each, each needing the key of the one before."""
    actions: list[dict[str, Any]] = []
    for number in range(count):
        needs = {"state_dependencies": [f"k{number - 1}"]} if number else {}
        write = {"key": f"k{number}", "value": number}
        actions.append({"id": f"a{number}", "type": "state_write", "parameters": write, **needs})
    return {"actions": actions}


def key_layers(count: int, width: int) -> Plan:
    """Return layers of one write and ``width - 1`` calls, each layer needing the key that the one before wrote."""
    actions: list[dict[str, Any]] = []
    for layer in range(count):
        needs = {"state_dependencies": [f"k{layer - 1}"]} if layer else {}
        write = {"key": f"k{layer}", "value": layer}
        actions.append({"id": f"l{layer}n0", "type": "state_write", "parameters": write, **needs})
        actions += [{"id": f"l{layer}n{i}", "type": "tool_call", "tool": "noop", **needs} for i in range(1, width)]
    return {"actions": actions}
