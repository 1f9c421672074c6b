"""The daemon itself: ``status`` and ``stop``."""

from __future__ import annotations

import asyncio
import os

from fastapi import APIRouter, Request, Response

from headway import __version__
from headway.client.wire import DaemonStatus
from headway.errors import Conflict
from headway_bridge.operator.answers import answer
from headway_bridge.operator.bodies import RestartBody, StopBody, read_body
from headway_bridge.operator.context import Op, Who
from headway_bridge.operator.spec import documented

router = APIRouter(tags=["daemon"])

COUNTED = 1000
"""Jobs of one status are counted up to here."""


@router.get("/status", **documented(DaemonStatus))
async def status(operator: Op) -> Response:
    """Tell who the daemon is and what it has to do."""
    engine = operator.engine
    return answer(
        DaemonStatus(
            version=__version__,
            pid=os.getpid(),
            home=str(engine.home),
            url=operator.url,
            auth=engine.config.a2a.auth,
            header=str(engine.home.token_header_file) if engine.config.a2a.auth == "token" else "",
            started_ms=operator.started_ms,
            last_seq=engine.log.last_seq,
            running=len(await engine.jobs(status="running", limit=COUNTED)),
            queued=len(await engine.jobs(status="queued", limit=COUNTED)),
            stopping=operator.stopping,
            restarting=operator.restart is not None and operator.restart.draining,
            kind="daemon" if operator.on_stop is not None else "run",
            tools=sorted(engine.registry.names()),
            workspace=str(engine.workspace or ""),
            project=engine.project.name if engine.project is not None else "",
            root=engine.project.root if engine.project is not None else "",
            sandbox=await asyncio.to_thread(engine.sandbox.state),
        )
    )


@router.post("/stop", **documented(dict[str, bool], takes=StopBody, optional=True, status=202, fails=(409,)))
async def stop(request: Request, operator: Op, who: Who) -> Response:
    """Begin the daemon's end. Runs are cancelled and get a grace to end; with `now` they are killed immediately."""
    body = await read_body(request, StopBody)
    if operator.on_stop is None:
        raise Conflict(f"process {os.getpid()} is no daemon: it ends with the jobs that it runs (headway jobs cancel)")
    await operator.audit(who, "stop", now=body.now)
    operator.on_stop(body.now)
    return answer({"stopping": True}, 202)


@router.post("/restart", **documented(dict[str, bool], takes=RestartBody, optional=True, status=202, fails=(409,)))
async def restart(request: Request, operator: Op, who: Who) -> Response:
    """Begin a restart: no new work is taken, what runs ends by itself, then the daemon starts anew.

    With `now` runs are cancelled. When they have not ended after `timeout_s`, work is taken again: `restarting` of the
    status is false then, and `started_ms` what it was.
    """
    body = await read_body(request, RestartBody)
    if operator.restart is None:
        raise Conflict(f"process {os.getpid()} is no daemon: it ends with the jobs that it runs (headway jobs cancel)")
    await operator.audit(who, "restart", now=body.now)
    operator.restart.ask(now=body.now, timeout_s=body.timeout_s)
    return answer({"restarting": True}, 202)
