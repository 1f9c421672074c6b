"""Before a tool: the hooks that may allow, deny, ask or edit a call, before its first attempt (ADR 0032).

What runs is what every hook has allowed as it is. A call that one of them edits passes all stages anew, so that schema
and policies judge what became of it, and then all hooks are asked again; one that a person edits as well.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from headway.errors import describe
from headway.events import kinds
from headway.execution.asking import digest_of
from headway.execution.stages.stage import Refused, Stage
from headway.plan.results import ErrorCode

if TYPE_CHECKING:
    from headway.execution.pending import PendingAction
    from headway.execution.run import Run
    from headway.execution.stages.stage import Flow
    from headway.hooks.gate import Ruling, ToolHook

MAX_EDITS = 8
"""The most edits of one call; hooks that edit it further do not agree, and it is denied."""


class BeforeToolStage(Stage):
    """Parks a call until the hooks have judged it."""

    name = "before_tool"

    def active(self) -> bool:
        """Return True if there is a hook before tools."""
        return bool(self.env.before_tool)

    def enter(self, action: PendingAction, flow: Flow) -> bool:
        """Let pass what no hook judges, or all have allowed as it is; park what they have to judge."""
        action.asked = ()
        hooks = tuple(hook for hook in self.env.before_tool if hook.judges(action.tool)) if action.calls else ()
        if not hooks:
            return True
        digest = digest_of(action.tool, action.parameters, self.env.workspace)
        if action.judged is not None and action.judged[0] == digest:
            action.asked = action.judged[1]
            return True
        judging = _Judging(self.run, action, flow, hooks, digest)
        flow.park(action, self.name, judging)
        judging.start()
        return False


class _Judging:
    """The wait for the hooks."""

    def __init__(self, run: Run, action: PendingAction, flow: Flow, hooks: tuple[ToolHook, ...], digest: str) -> None:
        self._run = run
        self._action = action
        self._flow = flow
        self._hooks = hooks
        self._digest = digest
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Ask the hooks, beside the run."""
        self._task = asyncio.get_running_loop().create_task(self._judge())

    def cancel(self) -> None:
        """Ask no further."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()

    async def _judge(self) -> None:
        from headway.hooks.gate import ruling  # loaded with the hooks
        from headway.hooks.verdict import JudgedCall

        run, env, action = self._run, self._run.env, self._action
        call = JudgedCall(
            tool=action.tool,
            parameters=action.parameters,
            job_id=run.job_id,
            action_id=action.node.id,
            scope=run.scope,
            principal=run.principal,
            workspace=str(env.workspace or ""),
            compensates=action.compensates,
        )
        refusal: Refused | None = None
        try:
            self._take(await ruling(self._hooks, call, env.clock, env.log.redactor))
        except Refused as error:
            refusal = error
        except Exception as error:  # noqa: BLE001 - a call that could not be judged is not made
            refusal = Refused(f"the hooks before tools failed: {describe(error)}", ErrorCode.POLICY_DENIED)
        if self._task is None:  # nobody waits any more
            return
        self._task = None
        if refusal is not None:
            self._flow.refuse(action, refusal)
        else:
            self._flow.resume(action)

    def _take(self, found: Ruling) -> None:
        """Note what the hooks came to; raise :class:`Refused` if they deny the call."""
        run, action = self._run, self._action
        for hook, reason, denies in found.lacking:
            data: dict[str, Any] = {"hook": hook, "verdict": "none", "reason": reason, "denied": denies}
            run.emit(kinds.HOOK_VERDICT, data, node=action.node)
        denied = found.denied
        if found.edited is not None and action.edits >= MAX_EDITS:
            denied = f"hook '{found.editor}' edits the call again and again"
        if denied:
            run.emit(kinds.POLICY_VIOLATION, {"reasons": [denied]}, node=action.node)
            raise Refused(denied, ErrorCode.POLICY_DENIED)
        if found.edited is None:
            action.judged = (self._digest, found.asks)
            action.asked = found.asks
            return
        action.edits += 1
        action.parameters, action.edited, action.stage = found.edited, True, 0
        run.edited[action.node.index] = found.edited
        data = {"hook": found.editor, "verdict": "edit", "parameters": found.edited}
        run.emit(kinds.HOOK_VERDICT, data, node=action.node)
