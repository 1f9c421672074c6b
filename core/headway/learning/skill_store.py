"""The skills of one memory: counted, found, put on trial, exchanged as files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import msgspec

from headway.arguments import expect, expect_many, path_of, shown_value
from headway.clock import SYSTEM_CLOCK, Clock, clock_of
from headway.errors import Conflict, HeadwayError, InvalidInput, NotFound, one_line
from headway.learning import evolution
from headway.learning.evolution import DomainRecord, Verdict
from headway.learning.files import read_whole, refusal, write_whole
from headway.learning.retrieval import Index
from headway.learning.skill import CANDIDATE, DistilledSkill
from headway.learning.skill_file import LONGEST_FILE, export_skill, import_skill
from headway.numbers import whole_number

MOST_FILES = 10_000
"""The most files that one import looks at."""


class Imported(msgspec.Struct):
    """The report of an import: the names taken, and for each file left out its name and why, in one line."""

    names: list[str]
    problems: dict[str, str]


class SkillStore:
    """Skills by name, at most ``max_skills``: for one more, the deprecated and then the least recently used goes."""

    def __init__(self, *, clock: Clock = SYSTEM_CLOCK, max_skills: int = 1000) -> None:
        self._clock = clock_of(clock)
        self._most = whole_number(max_skills, "max_skills", 2)
        self._skills: dict[str, DistilledSkill] = {}

    def __len__(self) -> int:
        return len(self._skills)

    def __contains__(self, name: object) -> bool:
        return name in self._skills

    def __iter__(self) -> Iterator[DistilledSkill]:
        return iter([self._skills[name] for name in sorted(self._skills)])

    def get(self, name: object) -> DistilledSkill | None:
        """Return the skill of that name, or None."""
        return self._skills.get(name) if isinstance(name, str) else None

    def put(self, skill: DistilledSkill) -> None:
        """Add a skill, or replace the one of its name."""
        if not isinstance(skill, DistilledSkill):
            raise InvalidInput(f"a skill store takes a DistilledSkill, not {type(skill).__name__}")
        self._skills[skill.name] = skill
        while len(self._skills) > self._most:
            others = (s for s in self._skills.values() if s.name not in (skill.name, skill.base))
            self.remove(min(others, key=_worth).name)

    def remove(self, name: str) -> bool:
        """Forget a skill, and the candidate for its place; return whether there was one."""
        if self.get(name) is None:
            return False
        del self._skills[name]
        if not name.endswith(CANDIDATE):
            self._skills.pop(name + CANDIDATE, None)
        return True

    # -- counting --------------------------------------------------------------------------------------------------

    def record(self, draft: DistilledSkill) -> bool:
        """Count one success of the skill that ``draft`` describes; add it if it is not known and return True then.

        A known skill keeps its words and code: the same trace twice makes one skill with two successes. One that was
        given up holds again: it starts anew, as if it were not known.
        """
        if not isinstance(draft, DistilledSkill):
            raise InvalidInput(f"a skill store takes a DistilledSkill, not {type(draft).__name__}")
        known = self._skills.get(draft.name)
        if known is not None and not known.deprecated:
            self.credit(draft.name, succeeded=True)
            return False
        now = self._clock.time_ms()
        self.put(msgspec.structs.replace(draft, success_count=1, failure_count=0, created_ms=now, used_ms=now))
        return True

    def credit(self, name: str, *, succeeded: bool) -> bool:
        """Count one trial of a skill; return False, and do nothing, if there is none of that name."""
        skill = self.get(name)
        if skill is None:
            return False
        self._skills[name] = msgspec.structs.replace(
            skill,
            success_count=skill.success_count + bool(succeeded),
            failure_count=skill.failure_count + (not succeeded),
            used_ms=self._clock.time_ms(),
        )
        return True

    # -- finding ---------------------------------------------------------------------------------------------------

    def find(
        self, query: str = "", *, domain: str | None = None, source: str | None = None, limit: int = 10
    ) -> list[DistilledSkill]:
        """Return skills to apply, the most fitting first; an empty query takes all, the best record first.

        Candidates, deprecated and degraded skills are left out; ``source`` is success or failure.
        """
        if not isinstance(query, str):
            raise InvalidInput(f"a query is a string, not {type(query).__name__}")
        most = whole_number(limit, "limit", 0)
        fit = [skill for skill in self if _fit(skill, domain, source)]
        ranks: dict[str, float] = {}
        if query.strip():
            index = Index()
            for skill in fit:
                index.add(skill.name, f"{skill.name} {skill.trigger} {skill.description} {skill.when_to_apply}")
            ranks = index.search(query)
            fit = [skill for skill in fit if skill.name in ranks]
        bound = evolution.wilson_lower_bound
        fit.sort(key=lambda s: (-ranks.get(s.name, 0.0), -bound(s.success_count, s.trials), s.name))
        return fit[:most]

    def select(self, name: str) -> DistilledSkill:
        """Return the skill to apply now under ``name``: the incumbent or, every other turn, its candidate.

        Whose turn it is follows from the number of trials of both, so nothing is drawn. Raises :class:`NotFound` if
        there is no such skill.
        """
        skill = self._known(name)
        candidate = self.get(name + CANDIDATE)
        if candidate is None:
            return skill
        return skill if (candidate.trials + skill.trials) % 2 else candidate

    # -- evolution -------------------------------------------------------------------------------------------------

    def domains_needing_evolution(
        self, threshold: float = evolution.THRESHOLD, min_trials: int = 3
    ) -> list[DomainRecord]:
        """Return the weak domains, the weakest first; see :func:`headway.learning.evolution`."""
        return evolution.domains_needing_evolution(self, threshold, min_trials)

    def degraded(self) -> list[DistilledSkill]:
        """Return the incumbents that fail too often and have not been given up."""
        return [s for s in self if s.degraded and not s.deprecated and not s.provisional]

    def add_candidate(self, base: str, improved: DistilledSkill) -> DistilledSkill:
        """Put an improved skill on trial as ``<base>@cand`` and return it.

        Raises :class:`NotFound` without such an incumbent, :class:`Conflict` while another candidate is on trial.
        """
        incumbent = self._known(base)
        expect(improved, DistilledSkill, "an improved skill")
        if incumbent.base + CANDIDATE in self._skills:  # it may be what was named
            raise Conflict(f"a candidate for {incumbent.base} is on trial already")
        candidate = evolution.candidate_of(incumbent, improved, self._clock.time_ms())
        self.put(candidate)
        return candidate

    def judge(self, base: str, min_trial_samples: int = evolution.MIN_TRIAL_SAMPLES) -> Verdict:
        """Judge the candidate for ``base`` and act on it: promote it, drop it, or let its trials continue.

        Raises :class:`NotFound` if there is no incumbent or no candidate.
        """
        incumbent, candidate = self._known(base), self._known(base + CANDIDATE)
        decision = evolution.verdict(incumbent, candidate, min_trial_samples)
        if decision != "wait":
            del self._skills[candidate.name]
        if decision == "promote":
            self._skills[base] = evolution.promoted(incumbent, candidate)
        return decision

    def repair(self, name: str, improved: DistilledSkill) -> DistilledSkill:
        """Give a degraded skill the words and the code of ``improved``, with a clean record, and return it.

        Raises :class:`NotFound`, or :class:`Conflict` if the skill is not degraded.
        """
        skill = self._known(name)
        expect(improved, DistilledSkill, "an improved skill")
        if not skill.degraded:
            raise Conflict(f"skill {name} is not degraded")
        fixed = evolution.repaired(skill, improved, self._clock.time_ms())
        self._skills[name] = fixed
        return fixed

    def deprecate(self, name: str) -> DistilledSkill:
        """Mark a skill as not to be applied any more and return it; :class:`NotFound` if there is none."""
        skill = msgspec.structs.replace(self._known(name), deprecated=True)
        self._skills[name] = skill
        return skill

    def weighed(self, name: str) -> None:
        """Note that the skill's evolution was tried at its present number of trials."""
        skill = self._known(name)
        self._skills[name] = msgspec.structs.replace(skill, weighed_at=skill.trials)

    def _known(self, name: str) -> DistilledSkill:
        skill = self.get(name)
        if skill is None:
            raise NotFound(f"there is no skill {shown_value(name)}")
        return skill

    # -- files -----------------------------------------------------------------------------------------------------

    def export(self, name: str) -> str:
        """Return a skill as markdown with TOML front matter; :class:`NotFound` if there is none."""
        return export_skill(self._known(name))

    def import_text(self, text: str | bytes, *, replace: bool = False) -> DistilledSkill:
        """Take a skill from the text of a file and return it.

        Raises :class:`InvalidInput` for what is not sound, :class:`Conflict` for a taken name unless ``replace``.
        """
        skill = import_skill(text)
        if skill.name in self._skills and not replace:
            raise Conflict(f"there is a skill {skill.name} already")
        self.put(skill)
        return skill

    def export_to(self, folder: str | os.PathLike[str]) -> list[str]:
        """Write every skill to ``<folder>/<name>.md``, the folder made if need be; return the names."""
        target = path_of(folder)
        try:
            target.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise refusal("write", target, error) from None
        for skill in self:
            write_whole(target / f"{skill.name}.md", export_skill(skill).encode())
        return [skill.name for skill in self]

    def import_from(self, folder: str | os.PathLike[str], *, replace: bool = False) -> Imported:
        """Take every sound ``*.md`` of a folder; files that are not are told of, and left out."""
        source = path_of(folder)
        try:
            paths = sorted(entry for entry in source.iterdir() if entry.suffix == ".md")[:MOST_FILES]
        except OSError as error:
            raise refusal("read", source, error) from None
        done = Imported([], {})
        for path in paths:
            try:
                done.names.append(self.import_text(read_whole(path, LONGEST_FILE), replace=replace).name)
            except HeadwayError as error:
                done.problems[one_line(path.name, 200)] = error.message
        return done

    # -- the memory's file -----------------------------------------------------------------------------------------

    def replace_all(self, skills: Iterable[DistilledSkill]) -> None:
        """Hold these skills and no others; :class:`InvalidInput` if they are too many."""
        given = [expect(skill, DistilledSkill, "a skill") for skill in expect_many(skills, "skills")]
        found = {skill.name: skill for skill in given}
        if len(found) > self._most:
            raise InvalidInput(f"there are {len(found):,} skills; the limit is {self._most:,}")
        self._skills = found


def _fit(skill: DistilledSkill, domain: str | None, source: str | None) -> bool:
    if skill.provisional or skill.deprecated or skill.degraded:
        return False
    return (domain is None or skill.domain == domain) and (source is None or skill.source == source)


def _worth(skill: DistilledSkill) -> tuple[bool, int, str]:
    """Return what orders skills by how little would be missed."""
    return not skill.deprecated, skill.used_ms, skill.name
