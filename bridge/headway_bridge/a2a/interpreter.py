"""The message interpreter: what text means to this agent. A public hook.

A message without a proposal is handed to an :class:`Interpreter`, which says what to do: run a plan, answer, ask for
more, or refuse. The default knows the workflows that ``headway.toml`` names, by their name.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from headway.config.model import WorkflowConfig
from headway.errors import InvalidPlan, UnsafeFile, describe
from headway.plan.format import ActionProposal
from headway.plan.parse import parse_proposal
from headway.plan.workflow import read_workflow
from headway_bridge.a2a.model import Message, Part

logger = logging.getLogger("headway.a2a")


class Run(msgspec.Struct):
    """Run this plan. One of a ``workflow`` that ``[a2a]`` names may use any tool, others those that ``[a2a]`` names."""

    proposal: ActionProposal
    title: str | None = None
    workflow: str | None = None


class Reply(msgspec.Struct):
    """Answer with these parts; no task is made."""

    parts: list[Part]


class NeedInput(msgspec.Struct):
    """Ask the caller for more; no task is made."""

    prompt: str


class Reject(msgspec.Struct):
    """Refuse: a task in state rejected, with this reason."""

    reason: str


Outcome = Run | Reply | NeedInput | Reject


class Interpreter(Protocol):
    """Decides what a message without a proposal asks for."""

    async def interpret(self, message: Message) -> Outcome:
        """Return what to do with ``message``. What it raises is answered as an internal error."""


class WorkflowInterpreter:
    """Runs a named workflow when the message's text is its name, and refuses everything else."""

    def __init__(self, workflows: Mapping[str, WorkflowConfig]) -> None:
        self._workflows = workflows

    async def interpret(self, message: Message) -> Outcome:
        """Return the workflow's plan, read from its file now, or a refusal that lists the names there are."""
        name = message.text
        workflow = self._workflows.get(name)
        if workflow is None:
            return Reject(self._what_there_is())
        try:
            proposal = await asyncio.to_thread(_read_plan, workflow.plan)
        except (InvalidPlan, UnsafeFile) as error:
            logger.warning("workflow %r: %s", name, describe(error))
            return Reject(f"the plan of workflow '{name}' cannot be read")
        return Run(proposal, title=name, workflow=name)

    def _what_there_is(self) -> str:
        if not self._workflows:
            return 'this agent has no workflows for remote agents; send a plan as a data part: {"actions": […]}'
        names = ", ".join(sorted(self._workflows))
        return f'text must be the name of a workflow ({names}); plans are sent as a data part: {{"actions": […]}}'


def _read_plan(path: Path) -> ActionProposal:
    return parse_proposal(read_workflow(path))
