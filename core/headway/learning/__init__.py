"""Learning from runs: trajectories, skills, facts. Nothing here can fail a run.

The names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway._lazy import attach

if TYPE_CHECKING:
    from headway.learning.distill import DeterministicDistiller, Distiller
    from headway.learning.learner import Learner
    from headway.learning.llm import LLMDistiller
    from headway.learning.memory import Memgine
    from headway.learning.skill import DistilledSkill
    from headway.learning.skill_store import SkillStore
    from headway.learning.trajectory import TraceEvent, Trajectory, trajectory_of
    from headway.learning.trajectory_store import TrajectoryStore

_HOME = {
    "DeterministicDistiller": "distill",
    "DistilledSkill": "skill",
    "Distiller": "distill",
    "LLMDistiller": "llm",
    "Learner": "learner",
    "Memgine": "memory",
    "SkillStore": "skill_store",
    "TraceEvent": "trajectory",
    "Trajectory": "trajectory",
    "TrajectoryStore": "trajectory_store",
    "trajectory_of": "trajectory",
}

__all__ = [
    "DeterministicDistiller",
    "DistilledSkill",
    "Distiller",
    "LLMDistiller",
    "Learner",
    "Memgine",
    "SkillStore",
    "TraceEvent",
    "Trajectory",
    "TrajectoryStore",
    "trajectory_of",
]

__getattr__, __dir__ = attach(__name__, _HOME)
