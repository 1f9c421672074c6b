"""Pinned policies: the file policies as they were when a job started, which hold for it beside the present ones.

So that a plan gains nothing by a policy that is taken away, or weakened, while it runs. They are kept as the text of
their files, and read anew by whoever resumes or forks the job. Rate limits count calls of now: the present ones alone
hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from headway.errors import InvalidInput, one_line
from headway.policy.rules import Rule, Window

Sources = tuple[tuple[str, str], ...]
"""Name and text of each policy file."""

MAX_BYTES = 16 * 1024 * 1024
"""The longest text of pinned policies, in characters."""


@lru_cache(maxsize=64)
def pinned_rules(sources: Sources) -> tuple[Rule, ...]:
    """Return the rules of the files, rate limits left out.

    Raises :class:`InvalidInput` for what is not understood: a job that was bound by it does not run without it.
    """
    import tomllib
    from pathlib import Path

    from headway.config.lines import key_lines
    from headway.policy.tables import read_rules

    rules: list[Rule] = []
    for name, text in sources:
        try:
            tables, lines = tomllib.loads(text), key_lines(text)
        except (ValueError, RecursionError):
            raise InvalidInput(f"the policy '{one_line(name, 100)}' of the job's start is not TOML") from None
        found, problems = read_rules(Path(name), tables, lines)
        if problems:
            raise InvalidInput(f"the policy of the job's start is not understood: {problems[0]}")
        rules += [rule for rule in found if not isinstance(rule, Window)]
    return tuple(rules)


def sources_of(value: Any) -> Sources:
    """Return what :func:`kept` has made; :class:`InvalidInput` for anything else."""
    if value is None:
        return ()
    files = value.get("files") if isinstance(value, Mapping) else None
    if not isinstance(files, list) or not all(_is_pair(pair) for pair in files):
        raise InvalidInput("the policies of a job's start are not a list of files")
    sources = tuple((str(name), str(text)) for name, text in files)
    if sum(len(text) for _, text in sources) > MAX_BYTES:
        raise InvalidInput(f"the policies of a job's start are over {MAX_BYTES:,} characters")
    return sources


def kept(sources: Sources) -> dict[str, Any] | None:
    """Return the sources as an event keeps them; None if there are none."""
    return {"files": [list(pair) for pair in sources]} if sources else None


def _is_pair(value: object) -> bool:
    return isinstance(value, Sequence) and len(value) == 2 and all(isinstance(part, str) for part in value)
