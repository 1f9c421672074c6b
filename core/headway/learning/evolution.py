"""Evolution of skills: which domains are weak, what a candidate is, when it takes its incumbent's place.

Pure functions on skills; :class:`headway.learning.skill_store.SkillStore` applies them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import msgspec

from headway.errors import InvalidInput
from headway.learning.skill import CANDIDATE, DistilledSkill
from headway.numbers import number_between, whole_number

THRESHOLD = 0.6
"""A domain whose skills succeed less often than this needs evolution."""
MIN_TRIAL_SAMPLES = 5
"""The number of trials that a candidate needs before it is judged."""
MAX_TRIAL_FACTOR = 4
"""A candidate that has not won after this many times the least trials is given up."""
MAX_REPAIRS = 3
"""The number of repairs of a degraded skill before it is given up."""
Z_95 = 1.959963984540054
Verdict = Literal["promote", "drop", "wait"]


class DomainRecord(msgspec.Struct, frozen=True):
    """The record of a domain's skills, candidates and pitfalls left out."""

    domain: str
    successes: int
    trials: int

    @property
    def rate(self) -> float:
        """The share of trials that succeeded; 0.5 before the first."""
        return self.successes / self.trials if self.trials else 0.5


def domain_records(skills: Iterable[DistilledSkill]) -> list[DomainRecord]:
    """Return the record of each domain, the weakest first, then by name."""
    totals: dict[str, tuple[int, int]] = {}
    for skill in skills:
        if skill.source == "success" and not skill.provisional and not skill.deprecated:
            good, trials = totals.get(skill.domain, (0, 0))
            totals[skill.domain] = (good + skill.success_count, trials + skill.trials)
    records = [DomainRecord(domain, good, trials) for domain, (good, trials) in totals.items()]
    return sorted(records, key=lambda record: (record.rate, record.domain))


def domains_needing_evolution(
    skills: Iterable[DistilledSkill], threshold: float = THRESHOLD, min_trials: int = 3
) -> list[DomainRecord]:
    """Return the domains whose skills succeed less often than ``threshold``, the weakest first.

    A domain of fewer than ``min_trials`` trials is not judged.
    """
    limit = number_between(threshold, "threshold", 0, 1)
    least = whole_number(min_trials, "min_trials", 1)
    return [record for record in domain_records(skills) if record.trials >= least and record.rate < limit]


def wilson_lower_bound(successes: int, trials: int, z: float = Z_95) -> float:
    """Return the lower end of the Wilson score interval of a success rate: 0 without trials; 95 % unless told."""
    whole_number(successes, "successes", 0)
    whole_number(trials, "trials", 0)
    number_between(z, "z", 0, 10)
    if successes > trials:
        raise InvalidInput("successes must be at most trials")
    if trials == 0:
        return 0.0
    rate, square = successes / trials, z * z
    centre = rate + square / (2 * trials)
    margin = z * math.sqrt((rate * (1 - rate) + square / (4 * trials)) / trials)
    return max(0.0, (centre - margin) / (1 + square / trials))


def candidate_of(incumbent: DistilledSkill, improved: DistilledSkill, now_ms: int) -> DistilledSkill:
    """Return ``improved`` as the provisional ``<base>@cand``, without a record."""
    return msgspec.structs.replace(
        improved,
        name=incumbent.base + CANDIDATE,
        domain=incumbent.domain,
        source=incumbent.source,
        scope=incumbent.scope,
        trigger=incumbent.trigger,
        success_count=0,
        failure_count=0,
        revision=incumbent.revision + 1,
        repairs=0,
        weighed_at=0,
        deprecated=False,
        created_ms=now_ms,
        used_ms=now_ms,
    )


def verdict(
    incumbent: DistilledSkill, candidate: DistilledSkill, min_trial_samples: int = MIN_TRIAL_SAMPLES
) -> Verdict:
    """Return whether the candidate takes the incumbent's place, is given up, or continues its trials.

    It is promoted when, after ``min_trial_samples`` trials at least, the Wilson lower bound of its success rate beats
    the incumbent's. It is given up when it is degraded, or has not won after four times as many.
    """
    least = whole_number(min_trial_samples, "min_trial_samples", 1)
    if candidate.degraded:
        return "drop"
    if candidate.trials < least:
        return "wait"
    theirs = wilson_lower_bound(incumbent.success_count, incumbent.trials)
    if wilson_lower_bound(candidate.success_count, candidate.trials) > theirs:
        return "promote"
    return "drop" if candidate.trials >= MAX_TRIAL_FACTOR * least else "wait"


def promoted(incumbent: DistilledSkill, candidate: DistilledSkill) -> DistilledSkill:
    """Return the candidate in its incumbent's place, with the record of its trials."""
    return msgspec.structs.replace(
        candidate, name=incumbent.base, revision=max(incumbent.revision, candidate.revision), repairs=0, weighed_at=0
    )


def repaired(skill: DistilledSkill, improved: DistilledSkill, now_ms: int) -> DistilledSkill:
    """Return the skill with the improved words and code, one revision on and with a clean record."""
    return msgspec.structs.replace(
        skill,
        description=improved.description,
        when_to_apply=improved.when_to_apply,
        code=improved.code,
        success_count=0,
        failure_count=0,
        revision=skill.revision + 1,
        repairs=skill.repairs + 1,
        weighed_at=0,
        deprecated=False,
        used_ms=now_ms,
    )
