"""Whatever a public function is called with, it works or raises one clear line, and a refused call changes nothing."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import headway
from headway.errors import HeadwayError
from tests.sizes import share
from tests.unit.bad_input.kit import (
    Place,
    Rig,
    Unmade,
    build,
    called,
    exchanged,
    line_problem,
    places,
    problem_of,
    resolved,
    settled,
)
from tests.unit.bad_input.marks import mark_of
from tests.unit.bad_input.runtime import CLASSES, LIMITER
from tests.unit.bad_input.table import CALLS, CONFLICTS, EXEMPT, OUTSIDE, SUBJECTS, UNTRIED, WAITS, callables
from tests.unit.bad_input.values import FEW, HOSTILE

TABLE = {**CALLS, **{name: [arguments] for name, arguments in LIMITER.items()}}


class Trial:
    """Calls of one callable, on a subject that is made anew once a call has gone well."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.rig = Rig(folder)
        self.outcomes: Counter[str] = Counter()
        self.problems: list[str] = []
        self._subject: Any = None

    async def call(self, arguments: Mapping[str, Any], what: str) -> str:
        """Call once and note how that went: done, refused, unmade, or a problem."""
        outcome = await self._outcome(arguments)
        self.outcomes[outcome] += 1
        if outcome not in ("done", "refused", "unmade"):
            self.problems.append(f"{self.name}({what}) {outcome}")
        return outcome

    async def _outcome(self, arguments: Mapping[str, Any]) -> str:
        assert Path.cwd() == self.rig.here
        owner, _, method = self.name.partition(".")
        if method and self._subject is None:
            self._subject = SUBJECTS[owner](self.rig)
        function = CLASSES.get(self.name) or resolved(self.name, self._subject)
        try:
            given = build(arguments, self.rig)
        except Unmade:
            return "unmade"
        before = mark_of(self._subject)
        try:
            await settled(called(function, given), self.name in WAITS)
        except BaseException as error:  # noqa: BLE001 - that is what is looked for
            return problem_of(error) or ("refused" if mark_of(self._subject) == before else "changed something")
        self._subject = None
        return "done"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand deep in a folder of the test's own: what takes a hostile text as a path writes here and nowhere else."""
    monkeypatch.chdir(Rig(tmp_path).here)
    return tmp_path


@pytest.mark.parametrize("name", TABLE)
async def test_bad_arguments_are_refused_in_one_line_and_change_nothing(
    name: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trial = Trial(name, folder)
    turn = sum(map(ord, name))  # elsewhere for each
    for arguments in TABLE[name]:
        assert await trial.call(arguments, "as it should be") == ("refused" if name in CONFLICTS else "done")
        for place in places(arguments):
            turn += 1
            for label, value in share(HOSTILE if len(place) == 1 else FEW, turn).items() if place else ():
                await trial.call(exchanged(arguments, place, value), f"{_shown(place)}: {label}")
    assert not trial.problems[:20]
    assert not [record.getMessage() for record in caplog.records if record.exc_info]


def _shown(place: Place) -> str:
    return "/".join(map(str, place))


def test_the_table_has_every_public_callable() -> None:
    known = {*TABLE, *OUTSIDE, *EXEMPT}
    assert [name for name, _ in callables() if name not in known] == []


def test_the_table_has_every_argument() -> None:
    missing = []
    for name, function in callables():
        tried = {argument.removeprefix("*") for arguments in TABLE.get(name, ()) for argument in arguments}
        if name not in TABLE or name == "SystemClock.now":  # a builtin without arguments, and without a signature
            continue
        for parameter in inspect.signature(function).parameters.values():
            known = parameter.kind is parameter.VAR_KEYWORD or parameter.name in (*tried, "self", "args")
            if not known and f"{name}.{parameter.name}" not in UNTRIED:
                missing.append(f"{name}.{parameter.name}")
    assert missing == []


def test_what_the_table_leaves_out_exists() -> None:
    names = {name for name, _ in callables()}
    assert [name for name in EXEMPT if name not in names] == []


ERRORS = [name for name in headway.__all__ if isinstance(found := getattr(headway, name), type)]
ERRORS = [name for name in ERRORS if issubclass(getattr(headway, name), HeadwayError)]


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_says_one_line_whatever_it_is_told(name: str) -> None:
    kind = getattr(headway, name)
    for label, value in HOSTILE.items():
        text = str(kind(value))
        assert not text or line_problem(text) is None, label
    assert line_problem(str(kind())) is None
