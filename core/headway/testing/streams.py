"""Made-up event streams: what a home's log looks like, for tests and benchmarks of whatever reads one."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator
from typing import Any

from headway.events import kinds
from headway.events.event import Event

_TOOLS = ("fetch", "grep_files", "write_file", "calculate")
_BUCKETS = {"fetch": (5, 1.0), "calculate": (20, 2.0)}
_KEYS = ("k0", "k1", "k2", "k3")


def event_stream(
    rng: random.Random, *, jobs: int = 3, actions: int = 8, start_ms: int = 1_700_000_000_000, noise: bool = True
) -> list[Event]:
    """Return the log of a home in which ``jobs`` runs of up to ``actions`` actions were interleaved, seq from 1.

    The streams obey the rules of the runtime (levels in order, one terminal event an action and a job, changes kept at
    level ends, rollback on abort) and contain retries, waits, cancels, kills, budgets, forks, checkpoints, a rejected
    job and, with ``noise``, kinds that nobody knows yet. The same ``rng`` state gives the same stream.
    """
    home = _Home(rng, actions, noise)
    waiting = [f"job{n:03d}" for n in range(jobs)]
    running: list[Iterator[Event]] = [home.limits()]
    events: list[Event] = []
    ts = start_ms
    while running or waiting:
        if waiting and (not running or rng.random() < 0.05):
            running.append(home.job(waiting.pop(0)))
        source = rng.choice(running)
        event = next(source, None)
        if event is None:
            running.remove(source)
            continue
        ts += rng.choice((0, 0, 1, 3, 40, 900))
        event.ts = ts
        if "at_ms" in event.data:
            event.data["at_ms"] = ts
        event.seq = len(events) + 1
        events.append(event)
        if noise and rng.random() < 0.03:
            running.append(home.noise())
    return events


class _Home:
    def __init__(self, rng: random.Random, actions: int, noise: bool) -> None:
        self.rng = rng
        self.most_actions = actions
        self.with_noise = noise
        self.finished: list[_Run] = []

    def limits(self) -> Iterator[Event]:
        yield Event(kinds.STORE_OPENED, {"version": "0", "pid": 1, "recovered": []})
        for bucket, (capacity, interval) in _BUCKETS.items():
            facts = {"capacity": capacity, "interval_s": interval, "tokens": float(capacity), "at_ms": 0}
            yield Event(kinds.LIMIT_CONFIGURED, {"bucket": bucket, **facts})

    def job(self, job_id: str) -> Iterator[Event]:
        parent = self.rng.choice(self.finished) if self.finished and self.rng.random() < 0.4 else None
        run = _Run(self.rng, job_id, self.rng.randint(1, self.most_actions), parent)
        yield from run.events()
        if run.level_ended is not None:
            self.finished.append(run)

    def noise(self) -> Iterator[Event]:
        rng = self.rng
        scope = rng.choice(("ctx0", "ctx1"))
        change = {rng.choice(_KEYS): {"op": "set", "value": rng.randint(0, 9)}}
        checkpoint = {"checkpoint_id": "ckpt_0123456789ab", "scope": scope}
        yield rng.choice(
            (
                Event("kind_of_a_newer_version", {"anything": [1, {"a": None}]}, job_id="job000"),
                Event(kinds.OPERATOR_ACTION, {"who": "local", "what": "cancel", "target": "job000"}),
                Event(kinds.STATE_COMMITTED, {"scope": scope, "changes": change}),
                Event(kinds.CHECKPOINT_SAVED, {**checkpoint, "at_seq": 1, "keys": 1, "kind": "manual"}),
                Event(kinds.CHECKPOINT_RESTORED, {**checkpoint, "state": {"k0": rng.randint(0, 9)}, "by": "local"}),
                Event(kinds.RECORDER_GAP, {"dropped": 3}),
                Event(kinds.LIMIT_REMOVED, {"bucket": rng.choice(list(_BUCKETS))}),
                Event(kinds.RATE_LIMIT_RETURNED, _returned(rng)),
                Event(kinds.STORE_PRUNED, {"jobs": ["job000"], "events": 40, "reason": "keep_days"}),
            )
        )


def _returned(rng: random.Random) -> dict[str, Any]:
    bucket, (capacity, interval) = rng.choice(list(_BUCKETS.items()))
    facts = {"capacity": capacity, "interval_s": interval, "tokens": float(capacity), "at_ms": 0, "waiters": 0}
    return {"bucket": bucket, **facts}


class _Run:
    """One job as it goes through its events."""

    def __init__(self, rng: random.Random, job_id: str, count: int, parent: _Run | None) -> None:
        self.rng = rng
        self.job_id = job_id
        self.parent = parent
        self.context_id = None if parent else rng.choice((None, None, "ctx0", "ctx1"))
        self.scope = self.context_id or f"job:{job_id}"
        self.graph: dict[str, Any] = parent.graph if parent else {}
        self.levels: list[list[str]] = parent.levels if parent else []
        if parent is None:
            self.graph, self.levels = _graph(rng, count)
        self.results = [parent.results_by_id[a] for level in self.first_levels() for a in level] if parent else []
        self.state: dict[str, Any] = dict(parent.ended_state) if parent else {}
        self.first_state = dict(self.state)
        self.level_ended: int | None = None
        self.ended_state: dict[str, Any] = {}
        self.changed: list[str] = []
        self.results_by_id: dict[str, dict[str, Any]] = {result["action_id"]: result for result in self.results}
        self.counts = dict.fromkeys(("succeeded", "failed", "skipped", "rejected"), 0)
        self.spent = sum(result["status"] == "succeeded" for result in self.results)
        self.retries = 0

    def first_levels(self) -> list[list[str]]:
        parent = self.parent
        if parent is None or parent.level_ended is None:
            return []
        return parent.levels[: parent.level_ended + 1]

    def event(self, kind: str, data: dict[str, Any], **fields: Any) -> Event:
        return Event(kind, data, job_id=self.job_id, proposal_id=f"plan-{self.job_id}", **fields)

    def events(self) -> Iterator[Event]:
        yield self.created()
        if self.parent is None and self.rng.random() < 0.05:
            issues = [{"severity": "error", "message": "unknown tool", "check": "tools"}]
            data = {"outcome": "rejected", "error": "unknown tool", "cost": {}, "issues": issues}
            yield self.event(kinds.JOB_FAILED, data)
            return
        yield self.event(kinds.JOB_STARTED, {"pid": 1, "owner": "test"})
        yield self.event(kinds.BUDGET_SET, {"limits": {"tool_calls": 100, "duration_ms": 60_000}})
        ending = "completed"
        for index in range(len(self.first_levels()), len(self.levels)):
            ending = yield from self.level(index)
            if ending != "completed":
                reason = "canceled: enough" if ending == "cancelled" else "skipped due to earlier abort"
                code = "canceled" if ending == "cancelled" else "aborted"
                for level, later in enumerate(self.levels[index + 1 :], index + 1):
                    for action_id in later:
                        yield self.settled("skipped", action_id, level, {"error": reason, "error_code": code})
                break
        yield self.end(ending)

    def created(self) -> Event:
        data: dict[str, Any] = {
            "scope": self.scope,
            "source": "test",
            "title": f"Run {self.job_id}",
            "proposal": {"id": f"plan-{self.job_id}", "actions": []},
            "graph": self.graph,
            "origin": {"protocol": "cli"},
        }
        if self.context_id:
            data["context_id"] = self.context_id
        if self.parent is not None:
            checkpoint_id = f"{self.parent.job_id}@L{self.parent.level_ended}"
            source = {"job_id": self.parent.job_id, "checkpoint_id": checkpoint_id, "level": self.parent.level_ended}
            data["forked_from"] = {**source, "seq": 1}
            data.update(state=dict(self.state), results=self.results, spent={"tool_calls": self.spent})
        return self.event(kinds.JOB_CREATED, data)

    def level(self, index: int) -> Generator[Event, None, str]:
        """Run one level and return how the run continues: completed (so far), failed, cancelled."""
        rng = self.rng
        members = self.levels[index]
        before = dict(self.counts)
        yield self.event(kinds.LEVEL_STARTED, {"actions": len(members)}, level=index)
        ending = "completed"
        if rng.random() < 0.06:
            ending = "cancelled"
            kind = kinds.RUN_KILLED if rng.random() < 0.3 else kinds.RUN_CANCEL_REQUESTED
            yield self.event(kind, {"reason": "enough", "by": "local"})
        elif rng.random() < 0.05:
            yield self.event(kinds.RUN_PAUSED, {"by": "local"})
            yield self.event(kinds.RUN_RESUMED, {"by": "local"})
        changes: list[tuple[str, dict[str, Any]]] = []
        sources = [(action_id, self.action(action_id, index, ending, changes)) for action_id in members]
        while sources:
            entry = rng.choice(sources)
            event = next(entry[1], None)
            if event is None:
                sources.remove(entry)
                continue
            yield event
            if event.kind == kinds.ACTION_FAILED and ending == "completed":
                ending = "failed"
        if ending == "failed":
            yield self.rollback(changes)
            changes = []
        delta = {name: self.counts[name] - before[name] for name in self.counts}
        yield self.event(kinds.LEVEL_FINISHED, delta, level=index)
        for action_id in members:  # in list order
            for _, change in (entry for entry in changes if entry[0] == action_id):
                self.state.update({key: op["value"] for key, op in change.items()})
                self.changed.append(action_id)
        if ending == "completed":
            self.level_ended = index
            self.ended_state = dict(self.state)
        return ending

    def rollback(self, changes: list[tuple[str, dict[str, Any]]]) -> Event:
        """Undo what this run changed: finished levels, and the present one's changes before they were committed."""
        undone = [*self.changed, *(action_id for action_id, _ in changes)]
        restored: dict[str, Any] = {key: {"op": "delete"} for key in self.state}
        restored.update({key: {"op": "set", "value": value} for key, value in self.first_state.items()})
        self.state = dict(self.first_state)
        return self.event(kinds.STATE_ROLLBACK, {"restored": restored, "rolled_back": undone})

    def action(
        self, action_id: str, level: int, ending: str, changes: list[tuple[str, dict[str, Any]]]
    ) -> Iterator[Event]:
        rng = self.rng
        where: dict[str, Any] = {"action_id": action_id, "level": level}
        if ending == "cancelled":
            yield self.settled("skipped", action_id, level, {"error": "canceled: enough", "error_code": "canceled"})
            return
        if rng.random() < 0.04:
            yield self.settled(
                "rejected", action_id, level, {"error": "tool: no such tool", "error_code": "validation"}
            )
            return
        reserved = {"reserved": {"tool_calls": 1}, "spent": {"tool_calls": self.spent}}
        yield self.event(kinds.BUDGET_RESERVED, reserved, **where)
        waited: dict[str, Any] = {}
        tool = next(entry.get("tool") for entry in self.graph["actions"] if entry["id"] == action_id)
        if tool in _BUCKETS and rng.random() < 0.5:
            yield from self.rate_limited(tool, where)
            waited = {"waited_ms": 200.0}
        attempt = 1
        while True:
            yield self.event(kinds.ACTION_EXECUTING, {}, attempt=attempt, **where)
            for step in range(rng.randint(0, 2)):
                progress = {"current": step, "total": 2, "message": f"step [{step}]"}
                yield self.event(kinds.ACTION_PROGRESS, progress, attempt=attempt, **where)
                chunk = {"index": step, "count": 1, "chunks": [f"chunk [{step}]"]}
                yield self.event(kinds.ACTION_CHUNK, chunk, attempt=attempt, **where)
            failed = {"error": "ConnectionError: refused", "error_code": "tool_error", "duration_ms": 1.5 * attempt}
            if rng.random() > 0.15 or attempt > 3:
                break
            yield self.event(kinds.ACTION_RETRYING, {**failed, "delay_ms": 100 * 2**attempt}, attempt=attempt, **where)
            self.retries += 1
            attempt += 1
        outcome = rng.random()
        if outcome < 0.05:
            yield self.settled("failed", action_id, level, {**failed, "terminal": rng.random() < 0.5}, attempt)
        elif outcome < 0.1:
            yield self.settled("skipped", action_id, level, failed, attempt)
        else:
            change = {rng.choice(_KEYS): {"op": "set", "value": rng.randint(0, 99)}} if rng.random() < 0.5 else {}
            data = {"output": {"n": rng.randint(0, 99), "text": "ünï[red]"}, "duration_ms": 12.5, **waited}
            if change:
                data["state_changes"] = change
                changes.append((action_id, change))
            yield self.settled("succeeded", action_id, level, data, attempt)
        self.spent += 1
        yield self.event(
            kinds.BUDGET_SETTLED, {"reserved": {"tool_calls": 0}, "spent": {"tool_calls": self.spent}}, **where
        )

    def rate_limited(self, bucket: str, where: dict[str, Any]) -> Iterator[Event]:
        capacity, interval = _BUCKETS[bucket]
        facts = {"bucket": bucket, "capacity": capacity, "interval_s": interval, "tokens": 0.25, "at_ms": 0}
        yield self.event(kinds.RATE_LIMIT_WAIT, {**facts, "waiters": 1, "next_ms": 1_700_000_000_200}, **where)
        yield self.event(kinds.RATE_LIMIT_GRANT, {**facts, "waiters": 0, "waited_ms": 200.0}, **where)

    def settled(
        self, status: str, action_id: str, level: int, data: dict[str, Any], attempt: int | None = None
    ) -> Event:
        self.counts[status] += 1
        self.results_by_id[action_id] = {"action_id": action_id, "status": status, "attempts": attempt or 0, **data}
        return self.event(f"action_{status}", dict(data), action_id=action_id, level=level, attempt=attempt)

    def end(self, ending: str) -> Event:
        counts = self.counts
        cost = {
            "tool_calls": counts["succeeded"],
            "actions_executed": counts["succeeded"] + counts["failed"],
            "actions_rejected": counts["rejected"],
            "actions_skipped": counts["skipped"],
            "total_duration_ms": 12.5 * counts["succeeded"],
            "retries": self.retries,
        }
        if ending == "failed":
            data = {"outcome": "aborted", "error": "ConnectionError: refused", "cost": cost}
            return self.event(kinds.JOB_FAILED, data)
        if ending == "cancelled":
            return self.event(kinds.JOB_CANCELLED, {"reason": "enough", "cost": cost})
        return self.event(kinds.JOB_COMPLETED, {"cost": cost})


def _graph(rng: random.Random, count: int) -> tuple[dict[str, Any], list[list[str]]]:
    """Return a random plan's graph, and its levels as action ids."""
    actions: list[dict[str, Any]] = []
    depth: list[int] = []
    for index in range(count):
        needed = sorted(rng.sample(range(index), min(index, rng.choice((0, 1, 1, 2)))))
        depth.append(1 + max((depth[place] for place in needed), default=-1))
        entry = {"id": f"a{index}", "type": "tool_call", "tool": rng.choice(_TOOLS)}
        actions.append({**entry, "needs": [f"a{place}" for place in needed], "after": []})
    levels = [[index for index in range(count) if depth[index] == level] for level in range(max(depth) + 1)]
    return {"actions": actions, "levels": levels}, [[f"a{index}" for index in level] for level in levels]
