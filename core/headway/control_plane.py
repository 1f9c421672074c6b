"""``ControlPlane``: the whole of an engine under the names of CodeWhale's runtime.

::

    async with await ControlPlane.open("home", config, tools=[fetch]) as plane:
        job = await plane.enqueue_job("nightly", workflow="report")
        found = await plane.invoke_tool({"name": "fetch", "arguments": {"url": url}}, "on_request")
        await plane.handle_prompt({"prompt": "what failed last night?"})

Each method is a call into the room that owns the thing; what it adds is a name. Other than the original's, unknown ids
raise :class:`headway.NotFound`, wrong states :class:`headway.InvalidTransition`, and a call that waits for an answer
goes on with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from headway.arguments import expect, struct_of
from headway.engine import Engine
from headway.jobs.invocation import Invocation, ToolCall

if TYPE_CHECKING:
    from headway.client.wire import JobHistory
    from headway.config import Config
    from headway.events.views import JobRow
    from headway.home import Home
    from headway.hooks.lane import HookStatus
    from headway.inference.registry import ModelRegistry, ProviderDefault
    from headway.jobs.manager import AppStatus, JobManager
    from headway.policy.exec.policy import ExecPolicy
    from headway.store.protocol import Claim
    from headway.threads.requests import (
        CliRuntimeOverrides,
        PromptRequest,
        PromptResponse,
        ThreadRequest,
        ThreadResponse,
    )
    from headway.threads.threads import Threads
    from headway.tools.mcp.report import McpStartup
    from headway.tools.mcp.servers import McpServers
    from headway.tools.registry import ToolRegistry


class ControlPlane:
    """Jobs, threads, prompts, tools, MCP servers and the exec policy of one engine.

    Use :meth:`open`, or give an ``engine`` that stays yours to close.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = expect(engine, Engine, "an engine")

    @classmethod
    async def open(cls, home: Home | Path | str, config: Config | None = None, **options: Any) -> Self:
        """Open the engine of a home and return its control plane. Takes and raises what :meth:`Engine.open` does.

        Jobs that a dead process left are resumed or closed, as ``[runtime] on_restart`` says, and their history tells
        it. A store that cannot be read is an error, and never an empty list.
        """
        return cls(await Engine.open(home, config, **options))

    async def close(self) -> None:
        """Close the engine: see :meth:`Engine.close`."""
        await self._engine.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -- fields ------------------------------------------------------------------------------------------------------

    @property
    def engine(self) -> Engine:
        """The engine under it."""
        return self._engine

    @property
    def config(self) -> Config:
        """The configuration as it is now: a snapshot, in whose place a reload puts another."""
        return self._engine.config

    @property
    def model_registry(self) -> ModelRegistry:
        """The models that are known by name."""
        return self._engine.models

    @property
    def thread_manager(self) -> Threads:
        """The threads."""
        return self._engine.threads

    @property
    def tool_registry(self) -> ToolRegistry:
        """The tools that plans may call."""
        return self._engine.registry

    @property
    def mcp_manager(self) -> McpServers:
        """The MCP servers."""
        return self._engine.mcp

    @property
    def exec_policy(self) -> ExecPolicy:
        """The rules about commands and calls, and when somebody is asked."""
        return self._engine.policies.exec

    @property
    def hooks(self) -> list[HookStatus]:
        """The hooks of ``[hooks]`` as they are now: what they were told, and what was dropped."""
        return self._engine.hook_reports()

    @property
    def jobs(self) -> JobManager:
        """The job API, whole: what the methods below have of it, and bulk operations, retries, forks."""
        return self._engine.manager

    # -- threads, prompts and models ---------------------------------------------------------------------------------

    async def handle_thread(self, request: ThreadRequest | dict[str, Any]) -> ThreadResponse:
        """Answer a request about threads: create, start, resume, fork, list, read, message, goals and so on.

        See :mod:`headway.threads.requests`. Raises :class:`NotFound` for an unknown thread, whatever is asked of it.
        """
        return await self._engine.handle_thread(request)

    async def handle_prompt(
        self, request: PromptRequest | dict[str, Any], overrides: CliRuntimeOverrides | None = None
    ) -> PromptResponse:
        """Have a model answer, in a thread; message, answer, usage and a checkpoint are recorded."""
        return await self._engine.handle_prompt(request, overrides)

    def provider_default(self) -> ProviderDefault:
        """Return the default model, as it is configured and as it is in effect."""
        return self.model_registry.provider_default()

    async def save_thread_checkpoint(self, thread_id: str, checkpoint_id: str, state: Any) -> int:
        """Save a state under a name, and return the seq by which checkpoints are ordered."""
        return await self._engine.save_thread_checkpoint(thread_id, checkpoint_id, state)

    async def load_thread_checkpoint(
        self, thread_id: str, checkpoint_id: str | None = None, kind: type[Any] | None = None
    ) -> Any:
        """Return a saved state, as a ``kind`` if one is given; without an id the latest, None if there is none."""
        return await self._engine.load_thread_checkpoint(thread_id, checkpoint_id, kind)

    # -- tools -------------------------------------------------------------------------------------------------------

    async def invoke_tool(
        self,
        call: ToolCall | Mapping[str, Any],
        approval_mode: Any = None,
        cwd: Path | str | None = None,
        *,
        thread_id: str | None = None,
    ) -> Invocation:
        """Judge one call and make it, as a job; return what became of it, or the question on which it waits.

        ``approval_mode`` is a mode or posture by its name (:class:`headway.policy.exec.AskForApproval`), None the
        configured one; ``cwd`` the workspace or a folder in it. With ``thread_id`` what is not given is as the thread
        has it, and one that requires a sandbox denies programs where there is none. See
        :func:`headway.jobs.invocation.invoke`.
        """
        confined = False
        if thread_id is not None:
            thread = await self.thread_manager.get(thread_id)
            approval_mode = thread.approval_policy if approval_mode is None else approval_mode
            cwd = thread.cwd if cwd is None else cwd
            confined = thread.sandbox == "require"
        asked: ToolCall = struct_of(dict(call), ToolCall, "a call") if isinstance(call, Mapping) else call
        return await self.jobs.invoke_tool(asked, approval_mode, cwd, confined=confined)

    async def mcp_startup(self) -> McpStartup:
        """Return what became of the start of the MCP servers; each is in exactly one of its lists."""
        return await self._engine.mcp_startup()

    # -- jobs --------------------------------------------------------------------------------------------------------

    async def app_status(self, status: str | None = None, *, before: int | None = None, limit: int = 100) -> AppStatus:
        """Return a page of the jobs, newest first, as of one seq."""
        return await self.jobs.app_status(status, before=before, limit=limit)

    async def enqueue_job(self, name: str, **work: Any) -> JobRow:
        """Queue a job: a plan, a workflow or a call; with none of them one that is done elsewhere.

        Takes what :meth:`headway.jobs.manager.JobManager.enqueue_job` does.
        """
        return await self.jobs.enqueue_job(name, **work)

    async def set_job_running(self, job_id: str, worker: str = "", **lease: float) -> Claim:
        """Claim a job that is done elsewhere; the claim's token is what the next three ask for."""
        return await self.jobs.set_job_running(job_id, worker, **lease)

    async def update_job_progress(
        self, job_id: str, token: int | Claim, progress: float | None = None, detail: str | None = None
    ) -> JobRow:
        """Report progress, in percent, and renew the lease."""
        return await self.jobs.update_job_progress(job_id, token, progress, detail)

    async def complete_job(self, job_id: str, token: int | Claim, output: Any = None) -> JobRow:
        """End a job that is done elsewhere well."""
        return await self.jobs.complete_job(job_id, token, output)

    async def fail_job(self, job_id: str, token: int | Claim, detail: str, *, retryable: bool = True) -> JobRow:
        """End a try of it that failed; it is queued for a retry as long as its terms allow."""
        return await self.jobs.fail_job(job_id, token, detail, retryable=retryable)

    async def cancel_job(self, job_id: str, reason: str = "canceled by operator") -> str:
        """Cancel a job: "forced", "requested" or "already_finished"."""
        return await self.jobs.cancel_job(job_id, reason)

    async def pause_job(self, job_id: str, detail: str = "paused by operator") -> str:
        """Pause a job: "paused", or "requested" while calls are in flight."""
        return await self.jobs.pause_job(job_id, detail)

    async def resume_job(self, job_id: str) -> str:
        """Queue a paused job again."""
        return await self.jobs.resume_job(job_id)

    async def job_history(self, job_id: str, after: int = 0, limit: int = 100) -> JobHistory:
        """Return a page of a job's events, of all there ever were."""
        return await self.jobs.job_history(job_id, after, limit)
