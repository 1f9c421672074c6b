"""``Learner``: what a runtime holds to learn from its runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from headway.analysis.scoring import ToolFeedback
from headway.arguments import expect
from headway.errors import Conflict, InvalidInput, describe
from headway.events import kinds
from headway.events.event import Event
from headway.events.secrets import redact
from headway.events.views import RunView
from headway.learning.cycle import Evolution
from headway.learning.distill import DeterministicDistiller, Distiller, plan_skill, tools_of
from headway.learning.memory import Memgine
from headway.learning.skill_store import SkillStore
from headway.learning.trajectory import Trajectory, trajectory_of
from headway.learning.trajectory_store import TrajectoryStore
from headway.numbers import whole_number

Step = Callable[[Trajectory, list[Event]], Awaitable[None]]

MOST_REMEMBERED = 10_000
"""So many runs are remembered, so that none is counted twice."""


class Learner:
    """Keeps trajectories in ``store``, distils them into the skills of ``memgine``, evolves those that do badly.

    Without ``auto_distill`` trajectories are kept and nothing else is done. ``evolution`` says when skills evolve;
    after every ``consolidate_every`` runs the facts are consolidated (0 = never). Belongs to one event loop at a time.
    """

    def __init__(
        self,
        *,
        memgine: Memgine | None = None,
        store: TrajectoryStore | None = None,
        auto_distill: bool = True,
        distiller: Distiller | None = None,
        evolution: Evolution | None = None,
        consolidate_every: int = 50,
    ) -> None:
        self.distiller: Distiller = DeterministicDistiller()
        if distiller is not None:
            self.use(distiller)
        self.evolution = evolution if evolution is not None else Evolution()
        if not isinstance(self.evolution, Evolution):
            raise InvalidInput(f"evolution must be an Evolution, not {type(evolution).__name__}")
        self.auto_distill = expect(auto_distill, bool, "auto_distill")
        self._every = whole_number(consolidate_every, "consolidate_every", 0)
        self._runs = 0
        self._seen: dict[str, None] = {}
        self._evolving = False
        self.memgine: Memgine | None = None
        self.store: TrajectoryStore | None = None
        if memgine is not None:
            self.with_learning(memgine, auto_distill)
        if store is not None:
            self.with_trajectory_store(store)

    def with_memgine(self, memgine: Memgine) -> Learner:
        """Learn into ``memgine``, distilling after each run; return this learner."""
        return self.with_learning(memgine, auto_distill=True)

    def with_learning(self, memgine: Memgine, auto_distill: bool) -> Learner:
        """Learn into ``memgine``, distilling after each run if ``auto_distill``; return this learner."""
        if not isinstance(memgine, Memgine):
            raise InvalidInput(f"memgine must be a Memgine, not {type(memgine).__name__}")
        if not isinstance(auto_distill, bool):
            raise InvalidInput("auto_distill must be true or false")
        self.memgine, self.auto_distill = memgine, auto_distill
        return self

    def with_trajectory_store(self, store: TrajectoryStore) -> Learner:
        """Keep every run's trajectory in ``store``; return this learner."""
        if not isinstance(store, TrajectoryStore):
            raise InvalidInput(f"store must be a TrajectoryStore, not {type(store).__name__}")
        self.store = store
        return self

    def use(self, distiller: Distiller) -> Learner:
        """Distil with ``distiller`` from here on; return this learner."""
        if not all(callable(getattr(distiller, name, None)) for name in ("distill", "improve")):
            raise InvalidInput("a distiller has the methods distill and improve")
        self.distiller = distiller
        return self

    def feedback(self) -> ToolFeedback:
        """Return how well each tool has done, for the planner; empty without a trajectory store."""
        return self.store.feedback() if self.store is not None else ToolFeedback()

    async def after_run(self, run: RunView, events: Iterable[Event]) -> list[Event]:
        """Learn from a finished run and return the events that tell what was learned, for the log.

        Nothing that goes wrong is raised: it is a ``learning_failed`` event, and the steps that do not need what failed
        are still done. A run that was learned from already teaches nothing more.
        """
        try:
            trajectory = trajectory_of(run, events)
        except Exception as error:  # noqa: BLE001 - learning must not fail a run
            return [redact(_warning("trajectory", error, ""))]
        told: list[Event] = []
        if not self._is_new(trajectory.job_id):
            return told
        steps: dict[str, Step] = {"store": self._keep}
        if self.memgine is not None and self.auto_distill:
            steps |= {"distill": self._distill, "evolve": self._evolve, "consolidate": self._consolidate}
        for step, work in steps.items():
            try:
                await work(trajectory, told)
            except Exception as error:  # noqa: BLE001 - learning must not fail a run
                told.append(_warning(step, error, trajectory.job_id))
        return [redact(event) for event in told]  # a provider's error may quote its key

    @property
    def _memory(self) -> Memgine:
        if self.memgine is None:
            raise Conflict("there is no memgine to learn into")
        return self.memgine

    def _is_new(self, job_id: str) -> bool:
        if job_id in self._seen:
            return False
        self._seen[job_id] = None
        if len(self._seen) > MOST_REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return True

    async def _keep(self, trajectory: Trajectory, told: list[Event]) -> None:
        """Write the trajectory in a thread: a flush to disk takes milliseconds that other runs need."""
        if self.store is not None:
            await asyncio.to_thread(self.store.append, trajectory)

    async def _distill(self, trajectory: Trajectory, told: list[Event]) -> None:
        """Draw the lesson, count it, and count who has failed or proved itself."""
        skills = self._memory.skills
        lesson = await self.distiller.distill(trajectory, frozenset(skill.name for skill in skills))
        plan = plan_skill(trajectory)
        followed = trajectory.skill if trajectory.skill in skills else None
        for draft in lesson.skills:
            if plan is not None and draft.name == plan.name and followed is not None:
                continue  # it is the followed skill that has proved itself
            if skills.record(draft):
                data: dict[str, Any] = {"skill": draft.name, "source": draft.source, "domain": draft.domain}
                data.update(scope=draft.scope, job_id=trajectory.job_id)
                if lesson.fallback is not None:
                    data["fallback"] = lesson.fallback
                told.append(Event(kinds.SKILL_DISTILLED, data))
        met = {draft.name for draft in lesson.skills}
        if followed is not None and (trajectory.succeeded or _blames(trajectory)):
            skills.credit(followed, succeeded=trajectory.succeeded)
        elif plan is not None and not trajectory.succeeded and _blames(trajectory):
            skills.credit(plan.name, succeeded=False)
        _avoided(trajectory, skills, met)

    async def _evolve(self, trajectory: Trajectory, told: list[Event]) -> None:
        if self._evolving:  # another run's lesson has set it going
            return
        self._evolving = True
        try:
            await self.evolution.run(self._memory.skills, self.distiller, told)
        finally:
            self._evolving = False

    async def _consolidate(self, trajectory: Trajectory, told: list[Event]) -> None:
        self._runs += 1
        if not self._every or self._runs % self._every:
            return
        done = self._memory.consolidate()
        data = {"before": done.before, "after": done.after, "merged": done.merged, "dropped": done.dropped}
        told.append(Event(kinds.CONSOLIDATED, data))


def _blames(trajectory: Trajectory) -> bool:
    """Return whether the run failed by itself: a cancelled one says nothing against its plan."""
    stopped = {kinds.RUN_CANCEL_REQUESTED, kinds.RUN_KILLED}
    return not any(event.kind in stopped for event in trajectory.events)


def _avoided(trajectory: Trajectory, skills: SkillStore, met: set[str]) -> None:
    """Count against a pitfall that its tool was called and it was not met."""
    succeeded = (event for event in trajectory.events if event.kind == kinds.ACTION_SUCCEEDED)
    called = {event.tool for event in succeeded if event.tool and not event.data.get("reused")}
    for skill in skills:
        if skill.source == "failure" and skill.name not in met and tools_of(skill) & called:
            skills.credit(skill.name, succeeded=False)


def _warning(step: str, error: Exception, job_id: str) -> Event:
    return Event(kinds.LEARNING_FAILED, {"step": step, "error": describe(error), "job_id": job_id})
