"""The cycle of evolution: repair what is degraded, judge what is on trial, try something new where a domain is weak."""

from __future__ import annotations

from typing import Any

import msgspec

from headway.events import kinds
from headway.events.event import Event
from headway.learning.distill import Distiller, Improvement, tools_of
from headway.learning.evolution import MAX_REPAIRS, MIN_TRIAL_SAMPLES, THRESHOLD, DomainRecord
from headway.learning.skill import CANDIDATE, DistilledSkill
from headway.learning.skill_store import SkillStore
from headway.numbers import number_between, whole_number


class Evolution(msgspec.Struct, frozen=True):
    """When skills evolve. In one go at most ``most_at_once`` skills are repaired or get a candidate."""

    threshold: float = THRESHOLD
    min_trials: int = 3
    min_trial_samples: int = MIN_TRIAL_SAMPLES
    max_repairs: int = MAX_REPAIRS
    most_at_once: int = 3

    def __post_init__(self) -> None:
        number_between(self.threshold, "threshold", 0, 1)
        for name in ("min_trials", "min_trial_samples", "most_at_once"):
            whole_number(getattr(self, name), name, 1)
        whole_number(self.max_repairs, "max_repairs", 0)

    async def run(self, skills: SkillStore, distiller: Distiller, told: list[Event]) -> None:
        """Do one cycle on ``skills`` and append to ``told`` what was done."""
        self.judge(skills, told)
        left = self.most_at_once
        for skill in skills.degraded()[:left]:
            left -= 1
            await self._mend(skills, skill, distiller, told)
        for record in skills.domains_needing_evolution(self.threshold, self.min_trials):
            if left <= 0:
                return
            left -= await self._evolve(skills, record, distiller, told)

    def judge(self, skills: SkillStore, told: list[Event]) -> None:
        """Promote and drop candidates."""
        for candidate in [skill for skill in skills if skill.provisional]:
            if candidate.base not in skills:
                skills.remove(candidate.name)
                continue
            decision = skills.judge(candidate.base, self.min_trial_samples)
            if decision == "promote":
                winner = skills.get(candidate.base)
                told.append(_evolved(winner or candidate, "promoted"))
            elif decision == "drop":
                told.append(_deprecated(candidate, f"lost its trials: {_record(candidate)}"))

    async def _mend(self, skills: SkillStore, skill: DistilledSkill, distiller: Distiller, told: list[Event]) -> None:
        """Repair a degraded skill; give it up if nobody knows how, or it was repaired often enough."""
        better = Improvement(None)
        if skill.source == "success" and skill.repairs < self.max_repairs:
            better = await distiller.improve(skill, pitfalls_for(skills, skill))
        now = skills.get(skill.name)
        if now is None or not now.degraded or now.revision != skill.revision:
            return  # it went on while the model was thinking
        if better.skill is None:
            skills.deprecate(skill.name)
            told.append(_deprecated(now, f"degraded: {_record(now)}"))
        else:
            told.append(_evolved(skills.repair(skill.name, better.skill), "repaired", better.fallback))

    async def _evolve(self, skills: SkillStore, record: DomainRecord, distiller: Distiller, told: list[Event]) -> bool:
        """Put a candidate for the domain's weakest skill on trial; return whether the distiller was asked for one."""
        skill = self._weakest(skills, record.domain)
        if skill is None:
            return False
        skills.weighed(skill.name)
        better = await distiller.improve(skill, pitfalls_for(skills, skill))
        if better.skill is not None and skill.name in skills and skill.name + CANDIDATE not in skills:
            candidate = skills.add_candidate(skill.name, better.skill)
            data = {"domain": record.domain, "rate": round(record.rate, 4), "trials": record.trials}
            told.append(Event(kinds.EVOLUTION_TRIGGERED, {**data, "threshold": self.threshold}))
            told.append(_evolved(candidate, "candidate", better.fallback))
        return True

    def _weakest(self, skills: SkillStore, domain: str) -> DistilledSkill | None:
        """Return the domain's weakest skill that has no candidate and has had new trials since it was last weighed."""
        fit = [
            skill
            for skill in skills
            if skill.domain == domain
            and skill.source == "success"
            and not (skill.provisional or skill.deprecated or skill.degraded)
            and skill.name + CANDIDATE not in skills
            and skill.success_rate < self.threshold
            and skill.trials >= skill.weighed_at + self.min_trials
        ]
        return min(fit, key=lambda skill: (skill.success_rate, skill.name), default=None)


def pitfalls_for(skills: SkillStore, skill: DistilledSkill) -> list[DistilledSkill]:
    """Return the pitfalls of a skill's tools that still hold, by name."""
    tools = tools_of(skill)
    return [s for s in skills if s.source == "failure" and not s.deprecated and tools_of(s) & tools]


def _evolved(skill: DistilledSkill, how: str, fallback: str | None = None) -> Event:
    data: dict[str, Any] = {"skill": skill.name, "domain": skill.domain, "how": how, "revision": skill.revision}
    if skill.provisional:
        data["base"] = skill.base
    if fallback is not None:
        data["fallback"] = fallback
    return Event(kinds.SKILL_EVOLVED, data)


def _deprecated(skill: DistilledSkill, reason: str) -> Event:
    return Event(kinds.SKILL_DEPRECATED, {"skill": skill.name, "domain": skill.domain, "reason": reason})


def _record(skill: DistilledSkill) -> str:
    return f"{skill.failure_count} failures, {skill.success_count} successes"
