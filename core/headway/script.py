"""Running a plan from a script, where no event loop runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from headway.errors import Conflict
from headway.runtime import Runtime

if TYPE_CHECKING:
    from headway.jobs.submission import Proposal, Submission
    from headway.plan.results import ProposalResult
    from headway.tools.registry import ToolEntry


def run_sync(
    plan: Proposal | Submission, tools: Iterable[Callable[..., Any] | ToolEntry | str] | None = None, **options: Any
) -> ProposalResult:
    """Run a plan with ``tools`` on a :class:`Runtime` of its own, to its end, and return what became of each action.

    Without ``tools`` a :class:`headway.Plan` brings the functions that it calls. ``options`` are those of
    :class:`Runtime`. Ctrl-C cancels the run and raises ``KeyboardInterrupt``. Raises what :meth:`Runtime.execute`
    raises, and :class:`Conflict` where an event loop runs: await ``execute`` there.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise Conflict("run_sync is for code outside an event loop: here, await Runtime().execute(plan)")

    from headway.plan.builder import Plan

    chosen = tools if tools is not None else plan.functions if isinstance(plan, Plan) else ()

    async def run() -> ProposalResult:
        async with Runtime(tools=chosen, **options) as runtime:
            return await runtime.execute(plan)

    return asyncio.run(run())
