"""Events of one job, written short."""

from typing import Any

from headway.events.event import Event
from headway.events.fold import fold_all
from headway.events.views import JobRow, RunView


class Log:
    """Collects events; ``ts`` is 1000 ms times the seq."""

    def __init__(self, job_id: str = "job") -> None:
        self.job_id = job_id
        self.events: list[Event] = []

    def add(self, kind: str, action_id: str | None = None, /, **data: Any) -> Event:
        """Append an event; the envelope's level, attempt and job_id are taken out of ``data``."""
        envelope = {name: data.pop(name) for name in ("level", "attempt", "job_id", "proposal_id") if name in data}
        envelope.setdefault("job_id", self.job_id)
        seq = len(self.events) + 1
        event = Event(kind, data, action_id=action_id, ts=seq * 1000, seq=seq, **envelope)
        self.events.append(event)
        return event

    def created(self, levels: list[list[int]] | None = None, scope: str = "s", **data: Any) -> None:
        """Append job_created with actions a0, a1, …, each needing all of the level before."""
        levels = [[0, 1], [2]] if levels is None else levels
        needs = {place: levels[n - 1] if n else [] for n, level in enumerate(levels) for place in level}
        actions = [
            {
                "id": f"a{place}",
                "type": "tool_call",
                "tool": f"t{place}",
                "needs": [f"a{need}" for need in needs[place]],
            }
            for place in sorted(needs)
        ]
        self.add("job_created", scope=scope, graph={"actions": actions, "levels": levels}, **data)

    def run(self) -> RunView:
        """Return the folded run."""
        return fold_all(RunView(JobRow(self.job_id)), self.events)


def put(**values: Any) -> dict[str, Any]:
    """Return state changes that set keys."""
    return {key: {"op": "set", "value": value} for key, value in values.items()}
