"""Valid calls of what learns from runs."""

from __future__ import annotations

from typing import Any

from headway.events.event import Event
from headway.events.views import JobRow, RunView
from headway.learning import (
    DistilledSkill,
    Learner,
    LLMDistiller,
    Memgine,
    SkillStore,
    TraceEvent,
    Trajectory,
    TrajectoryStore,
)
from headway.learning.cycle import Evolution
from headway.testing import ScriptedProvider, VirtualClock
from tests.unit.bad_input.kit import Made, New
from tests.unit.bad_input.runtime import CREATED, EVENT

SKILL = Made(
    DistilledSkill,
    name="s",
    description="d",
    when_to_apply="w",
    scope="global",
    source="success",
    domain="general",
    trigger="t",
    code='{"actions": [{"tool": "t"}]}',
    success_count=1,
    failure_count=0,
    revision=1,
    repairs=0,
    weighed_at=0,
    deprecated=False,
    created_ms=1,
    used_ms=1,
)
SHAPE = {"id": "a", "type": "tool_call", "tool": "t", "needs": [0]}
TRACE = Made(
    TraceEvent,
    kind="action_failed",
    action_id="a",
    tool="t",
    data={"error_class": "E", "error_code": "tool_error"},
    ts=1,
    attempt=1,
    duration_ms=1.0,
    state_keys=["k"],
    reward=0.0,
)
TRAJECTORY = Made(
    Trajectory,
    proposal_id="p",
    source="s",
    action_count=1,
    events=[Made(TraceEvent, kind="job_created", data={"actions": [SHAPE]}), TRACE],
    outcome="replan_success",
    timestamp="2026-01-02T03:04:05.678Z",
    duration_ms=1.0,
    replan_attempts=0,
    job_id="j",
    domain="general",
    skill=None,
    dropped_events=0,
)


def finished(_: Any) -> RunView:
    """Return the view of a run that has finished."""
    return RunView(JobRow("j", status="completed", finished_ms=2, started_ms=1))


def degraded(name: str) -> DistilledSkill:
    """Return a skill that fails too often."""
    return DistilledSkill(name, failure_count=9, code='{"actions": [{"tool": "t"}]}')


def skills(_: Any) -> SkillStore:
    """Return a store with a skill, one that is degraded, and a candidate."""
    made = SkillStore(clock=VirtualClock())
    for skill in (DistilledSkill("s", success_count=1), degraded("bad"), DistilledSkill("c"), DistilledSkill("c@cand")):
        made.put(skill)
    return made


def memory(_: Any) -> Memgine:
    """Return a memory of two facts."""
    made = Memgine(clock=VirtualClock())
    made.add("sky", "is blue")
    made.add("sea", "is wide", "constraint")
    return made


def kept(rig: Any) -> str:
    """Return the name of a memory's file."""
    path = str(rig.folder / "memory.json")
    memory(rig).save(path)
    return path


def trajectories(rig: Any) -> TrajectoryStore:
    """Return a store with a trajectory."""
    made = TrajectoryStore(rig.folder / "kept")
    if not made.files():
        made.append(Trajectory("p", "s", 0, [], "success", "2026-01-02T03:04:05.678Z", 1.0))
    return made


CALLS: dict[str, dict[str, Any]] = {
    "trajectory_of": {"run": New(finished), "events": [CREATED, EVENT]},
    "TraceEvent": TRACE.fields,
    "Trajectory": TRAJECTORY.fields,
    "TrajectoryStore": {"folder": New(lambda rig: str(rig.folder)), "max_file_bytes": 1000, "max_files": 2},
    "TrajectoryStore.append": {"trajectory": TRAJECTORY},
    "TrajectoryStore.feedback": {"since": 1},
    "TrajectoryStore.files": {},
    "TrajectoryStore.read": {"outcome": "success", "source": "s", "since": 1, "limit": 5},
    "DistilledSkill": SKILL.fields,
    "SkillStore": {"clock": New(lambda _: VirtualClock()), "max_skills": 10},
    "SkillStore.add_candidate": {"base": "s", "improved": SKILL},
    "SkillStore.credit": {"name": "s", "succeeded": True},
    "SkillStore.degraded": {},
    "SkillStore.deprecate": {"name": "s"},
    "SkillStore.domains_needing_evolution": {"threshold": 0.5, "min_trials": 1},
    "SkillStore.export": {"name": "s"},
    "SkillStore.export_to": {"folder": New(lambda rig: str(rig.folder / "skills"))},
    "SkillStore.find": {"query": "s", "domain": "general", "source": "success", "limit": 5},
    "SkillStore.get": {"name": "s"},
    "SkillStore.import_from": {"folder": New(lambda rig: str(rig.folder)), "replace": True},
    "SkillStore.import_text": {"text": New(lambda rig: skills(rig).export("s")), "replace": True},
    "SkillStore.judge": {"base": "c", "min_trial_samples": 5},
    "SkillStore.put": {"skill": SKILL},
    "SkillStore.record": {"draft": SKILL},
    "SkillStore.remove": {"name": "s"},
    "SkillStore.repair": {"name": "bad", "improved": SKILL},
    "SkillStore.replace_all": {"skills": [SKILL]},
    "SkillStore.select": {"name": "s"},
    "SkillStore.weighed": {"name": "s"},
    "Memgine": {
        "clock": New(lambda _: VirtualClock()),
        "embedder": New(lambda _: ScriptedProvider()),
        "skills": New(skills),
        "max_facts": 10,
    },
    "Memgine.add": {"subject": "s", "body": "b", "kind": "fact", "confidence": 0.5, "timestamp": 1},
    "Memgine.build_context": {"query": "sky", "token_budget": 100},
    "Memgine.build_context_fast": {"query": "sky", "token_budget": 100},
    "Memgine.consolidate": {},
    "Memgine.get": {"fact_id": "f"},
    "Memgine.load": {
        "path": New(kept),
        "clock": New(lambda _: VirtualClock()),
        "embedder": New(lambda _: ScriptedProvider()),
        "skills": New(skills),
        "max_facts": 10,
    },
    "Memgine.query": {"text": "sky", "limit": 5},
    "Memgine.query_fast": {"text": "sky", "limit": 5},
    "Memgine.remove": {"fact_id": "f"},
    "Memgine.save": {"path": New(lambda rig: str(rig.folder / "new.json"))},
    "Learner": {
        "memgine": New(memory),
        "store": New(trajectories),
        "auto_distill": True,
        "distiller": New(lambda _: LLMDistiller(ScriptedProvider(default="{}"))),
        "evolution": Made(Evolution, threshold=0.5),
        "consolidate_every": 5,
    },
    "Learner.after_run": {"run": New(finished), "events": [Made(Event, kind="job_created", job_id="j")]},
    "Learner.feedback": {},
    "Learner.use": {"distiller": New(lambda _: LLMDistiller(ScriptedProvider()))},
    "Learner.with_learning": {"memgine": New(memory), "auto_distill": True},
    "Learner.with_memgine": {"memgine": New(memory)},
    "Learner.with_trajectory_store": {"store": New(trajectories)},
    "LLMDistiller": {
        "provider": New(lambda _: ScriptedProvider(default="{}")),
        "clock": New(lambda _: VirtualClock()),
        "timeout_secs": 5.0,
        "max_tokens": 5,
    },
    "LLMDistiller.distill": {
        "trajectory": Made(Trajectory, **{**TRAJECTORY.fields, "events": [TRACE]}),
        "known": ["s"],
    },
    "LLMDistiller.improve": {"skill": SKILL, "pitfalls": [SKILL]},
}
"""By name: the arguments of a call that is valid."""

SUBJECTS: dict[str, Any] = {
    "TrajectoryStore": trajectories,
    "SkillStore": skills,
    "Memgine": memory,
    "Learner": lambda rig: Learner(memgine=memory(rig), store=trajectories(rig)),
    "LLMDistiller": lambda _: LLMDistiller(ScriptedProvider(default="{}"), clock=VirtualClock(autojump=True)),
}
