"""Running a plan from a script, where no event loop runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from headway.arguments import expect_many
from headway.errors import Conflict
from headway.runtime import Runtime
from headway.tools.registry import ToolEntry

if TYPE_CHECKING:
    from headway.jobs.submission import Proposal, Submission
    from headway.plan.results import ProposalResult


def run_sync(
    plan: Proposal | Submission, tools: Iterable[Callable[..., Any] | ToolEntry] | None = None, **options: Any
) -> ProposalResult:
    """Run a plan with ``tools`` on a :class:`Runtime` of its own, to its end, and return what became of each action.

    Without ``tools`` a :class:`headway.Plan` brings the functions that it calls.
    ``options`` are those of :class:`Runtime`. Ctrl-C cancels the run and raises ``KeyboardInterrupt``. Raises what
    :meth:`Runtime.execute` raises, and :class:`Conflict` where an event loop runs: await ``execute`` there.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise Conflict("run_sync is for code outside an event loop: here, await Runtime().execute(plan)")

    if tools is None:
        from headway.plan.builder import Plan

        tools = plan.functions if isinstance(plan, Plan) else ()

    async def run() -> ProposalResult:
        async with Runtime(**options) as runtime:
            for tool in expect_many(tools, "tools"):
                if isinstance(tool, ToolEntry):
                    runtime.register_tool_entry(tool)
                else:
                    runtime.register_tool(tool)
            return await runtime.execute(plan)

    return asyncio.run(run())
