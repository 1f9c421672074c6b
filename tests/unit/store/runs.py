"""Runs written short, for tests of the store."""

from pathlib import Path
from typing import Any

from headway.events import kinds as k
from headway.events.checkpoint import VERSION, Checkpoint, CheckpointInfo
from headway.events.event import Event


def created(job_id: str = "job", actions: int = 2, scope: str | None = None, **data: Any) -> Event:
    """Return the job_created of a plan with one level of actions a0, a1, …."""
    graph = {
        "actions": [{"id": f"a{n}", "type": "tool_call", "tool": "t"} for n in range(actions)],
        "levels": [list(range(actions))],
    }
    data = {"scope": scope or f"job:{job_id}", "source": "test", "title": "", "proposal": {"id": "p"}, **data}
    return Event(k.JOB_CREATED, {**data, "graph": graph}, job_id, proposal_id="p")


def whole_run(job_id: str = "job", actions: int = 2, scope: str | None = None, output: Any = 1) -> list[Event]:
    """Return all events of a run whose actions succeed; each sets the key of its name to ``output``."""
    events = [created(job_id, actions, scope), Event(k.JOB_STARTED, {"pid": 1, "owner": "t"}, job_id)]
    events.append(Event(k.LEVEL_STARTED, {"actions": actions}, job_id, level=0))
    for n in range(actions):
        name = f"a{n}"
        events.append(Event(k.ACTION_EXECUTING, {}, job_id, name, 0, 1))
        change = {name: {"op": "set", "value": f"{job_id} {n}"}}
        data = {"output": output, "state_changes": change, "duration_ms": 1.0}
        events.append(Event(k.ACTION_SUCCEEDED, data, job_id, name, 0, 1))
    counts = {"succeeded": actions, "failed": 0, "skipped": 0, "rejected": 0}
    events.append(Event(k.LEVEL_FINISHED, counts, job_id, level=0))
    events.append(Event(k.JOB_COMPLETED, {"cost": {"tool_calls": actions}}, job_id))
    return events


def numbered(events: list[Event]) -> list[int]:
    """Return the seqs of events."""
    return [event.seq for event in events]


def names(folder: Path) -> list[str]:
    """Return what is in a folder."""
    return sorted(path.name for path in folder.iterdir())


def checkpoint_of(
    info: CheckpointInfo, state: dict[str, Any], results: list[Any] | None = None, **more: Any
) -> Checkpoint:
    """Return the checkpoint that a list shows as ``info``."""
    graph = {"actions": [{"id": f"a{i}"} for i in range(info.total)]} if info.total else {}
    return Checkpoint(
        VERSION,
        info.checkpoint_id,
        info.created_ms,
        state,
        job_id=info.job_id,
        graph=graph,
        results=results or [],
        scope=info.scope,
        seq=info.seq,
        kind=info.kind,
        level=info.level,
        name=info.name,
        **more,
    )
