"""Valid calls of a control plane, on an engine with a real home, and the jobs that some of them are about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from headway.jobs.invocation import ToolCall
from headway.store.protocol import Claim
from headway.threads.requests import PromptRequest
from tests.unit.bad_input.engine import JOB, PROPOSAL
from tests.unit.bad_input.kit import Made, New
from tests.unit.bad_input.runtime import echo
from tests.unit.bad_input.threads import CALLS as THREADS
from tests.unit.bad_input.threads import PROMPT, REQUESTS, THREAD

TOKEN = New(lambda rig: rig.token)
TERMS: dict[str, Any] = {
    "key": "k",
    "priority": 1,
    "max_retries": 1,
    "wall_s": 60.0,
    "idle_s": 60.0,
    "grace_s": 1.0,
    "principal": "me",
    "tenant": "us",
    "context_id": "c",
    "budget": None,
    "origin": {"a": [1]},
}

CALLS: dict[str, dict[str, Any]] = {
    "ControlPlane": {"engine": New(lambda rig: rig.plane.engine)},
    "ControlPlane.close": {},
    **{name.replace("Runtime", "ControlPlane"): arguments for name, arguments in THREADS.items() if "with" not in name},
    "ControlPlane.provider_default": {},
    "ControlPlane.invoke_tool": {
        "call": {"name": "echo", "arguments": {"x": [1]}, "timeout_ms": 1000},
        "approval_mode": "never",
        "cwd": None,
        "thread_id": THREAD,
    },
    "ControlPlane.mcp_startup": {},
    "ControlPlane.app_status": {"status": "completed", "before": 1000, "limit": 5},
    "ControlPlane.enqueue_job": {"name": "n", "plan": PROPOSAL, **TERMS},
    "ControlPlane.set_job_running": {"job_id": JOB, "worker": "w", "lease_s": 60.0},
    "ControlPlane.update_job_progress": {"job_id": JOB, "token": TOKEN, "progress": 5.0, "detail": "d"},
    "ControlPlane.complete_job": {"job_id": JOB, "token": TOKEN, "output": {"a": [1]}},
    "ControlPlane.fail_job": {"job_id": JOB, "token": TOKEN, "detail": "d", "retryable": True},
    "ControlPlane.cancel_job": {"job_id": JOB, "reason": "r"},
    "ControlPlane.pause_job": {"job_id": JOB, "detail": "d"},
    "ControlPlane.resume_job": {"job_id": JOB},
    "ControlPlane.job_history": {"job_id": JOB, "after": 0, "limit": 5},
}
"""By name: the arguments of a call that is valid."""

MORE: list[tuple[str, dict[str, Any]]] = [
    ("ControlPlane.enqueue_job", {"name": "n", "workflow": "w"}),
    ("ControlPlane.enqueue_job", {"name": "n", "call": "echo", "arguments": {"x": [1]}}),
    ("ControlPlane.enqueue_job", {"name": "n", "call": echo}),
    ("ControlPlane.enqueue_job", {"name": "elsewhere", **TERMS}),
    ("ControlPlane.invoke_tool", {"call": Made(ToolCall, name="echo", arguments={"x": [1]}, timeout_ms=1000)}),
    ("ControlPlane.complete_job", {"job_id": JOB, "token": Made(Claim, name="c", owner="o", token=TOKEN, until_ms=1)}),
    ("ControlPlane.handle_prompt", {"request": Made(PromptRequest, **PROMPT)}),
    *(("ControlPlane.handle_thread", {"request": request}) for request in REQUESTS),
]


async def queued(rig: Any) -> None:
    """Queue a job that is done elsewhere."""
    rig.job = (await rig.plane.enqueue_job("elsewhere", max_retries=1)).job_id


async def running(rig: Any) -> None:
    """Have a worker claim such a job."""
    await queued(rig)
    rig.token = (await rig.plane.set_job_running(rig.job, "w")).token


async def paused(rig: Any) -> None:
    """Pause such a job."""
    await queued(rig)
    await rig.plane.pause_job(rig.job)


JOBS: dict[str, Callable[[Any], Awaitable[None]]] = {
    "ControlPlane.set_job_running": queued,
    "ControlPlane.update_job_progress": running,
    "ControlPlane.complete_job": running,
    "ControlPlane.fail_job": running,
    "ControlPlane.cancel_job": queued,
    "ControlPlane.pause_job": queued,
    "ControlPlane.resume_job": paused,
}
"""By name: what makes the job that a call is about, anew once a call has gone well."""
