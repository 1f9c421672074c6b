"""Valid calls of an engine on a real home."""

from __future__ import annotations

from typing import Any

import headway
from headway import Action, ActionProposal
from headway.config import Config
from headway.events.event import Event
from headway.face import Face
from headway.home import Home
from tests.unit.bad_input.kit import Made, New
from tests.unit.bad_input.runtime import CALLS as RUNTIME_CALLS
from tests.unit.bad_input.runtime import echo
from tests.unit.bad_input.threads import CALLS as THREAD_CALLS

PROPOSAL = Made(ActionProposal, actions=[Made(Action, id="a", type="tool_call", tool="echo", parameters={"x": 1})])
FACT = Made(Event, kind="k", data={"a": 1}, job_id="j", ts=1)
JOB = New(lambda rig: rig.job)
SAVED = New(lambda rig: rig.saved)

CALLS: dict[str, dict[str, Any]] = {
    "Engine.submit": {
        "plan": Made(
            headway.Submission,
            plan=PROPOSAL,
            context_id="c",
            title="t",
            source="s",
            principal="me",
            tenant="us",
            reach=["echo"],
            origin={"a": [1]},
            job_id=None,
            record_rejected=False,
            remote=False,
            refused=[],
        )
    },
    "Engine.successor": {"job_id": JOB, "timeout": 1.0},
    "Engine.inherit": {"scope": "c", "heir": "d", "theirs": lambda event: True},
    "Engine.idle": {},
    "Engine.keep_schedules": {},
    "Engine.look": {},
    "Engine.reopen": {},
    "Engine.require_caller": {"root": None, "digest": None},
    "Engine.runtime": {"scope": "c"},
    "Engine.verify": {"proposal": PROPOSAL, "context_id": "c"},
    "Engine.wait": {"job_id": JOB, "timeout": 1.0},
    "Engine.cancel": {"job_id": JOB, "reason": "r", "by": "me"},
    "Engine.kill": {"job_id": JOB, "reason": "r", "by": "me"},
    "Engine.row": {"job_id": JOB},
    "Engine.run": {"job_id": JOB},
    "Engine.jobs": {"status": None, "limit": 5, "before": None},
    "Engine.snapshot": {"job_id": JOB},
    "Engine.subscribe": {"after": 0, "job_id": JOB},
    "Engine.audit": {"who": "me", "what": "looked", "target": "t", "detail": {"a": [1]}},
    "Engine.prune": {},
    "Engine.checkpoints": {"job_id": JOB, "scope": None},
    "Engine.save_checkpoint": {"job_id": JOB, "scope": None, "name": "n", "by": "me"},
    "Engine.diff": {"checkpoint_id": SAVED},
    "Engine.restore": {"checkpoint_id": SAVED, "by": "me"},
    "Engine.fork": {"checkpoint_id": SAVED, "by": "me"},
    "Engine.drain": {"reason": "r"},
    "Engine.close": {"reason": "r", "grace": 0.0},
    "Engine.mcp_servers": {},
    "Engine.mcp_startup": {},
    "Engine.log.append": {"*events": FACT},
    "Engine.log.write": {"*events": FACT},
    "Engine.log.read": {"after": 0, "job_id": JOB, "kinds": ["job_created"], "limit": 5},
}
"""By name: the arguments of a call that is valid."""

SHARED = {name for name in vars(Face) if not name.startswith("_")}
CALLS |= {
    f"Engine.{method}": {given: value for given, value in arguments.items() if given != "session"}
    for name, arguments in (RUNTIME_CALLS | THREAD_CALLS).items()
    for owner, _, method in [name.partition(".")]
    if owner == "Runtime" and method in SHARED
}
"""Methods that both faces have, tried on both."""

OPEN: dict[str, Any] = {
    "home": New(lambda rig: Home(rig.folder / "home")),
    "config": Made(Config),
    "clock": headway.clock.SYSTEM_CLOCK,
    "on_restart": "fail",
    "tools": [echo],
}
"""The arguments of ``Engine.open``."""
