"""Reads a plan from where a command line says: a file, stdin, or the name of a workflow."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from headway.errors import InvalidPlan

if TYPE_CHECKING:
    from headway.config import Config
    from headway.plan.format import ActionProposal
    from headway_console.cli.places import Place

STDIN = "-"


def folder_of(name: str) -> Path | None:
    """Return the folder that the plan ``name`` lies in; None for stdin and for a name that is no file."""
    path = Path(name)
    return path.absolute().parent if name != STDIN and path.is_file() else None


def title_of(name: str) -> str:
    """Return what a job of the plan ``name`` is called."""
    return "stdin" if name == STDIN else Path(name).stem


class PlanText(NamedTuple):
    """A plan as it was written: the file's name, or ``stdin``, and its JSON."""

    where: str
    raw: bytes

    def parse(self, config: Config) -> ActionProposal:
        """Return the proposal; raise :class:`InvalidPlan` with one line that starts with file, line and column."""
        from headway.plan.parse import parse_proposal

        try:
            return parse_proposal(self.raw, compat=config.runtime.compat, max_actions=config.admission.max_actions)
        except InvalidPlan as error:
            from headway_console.cli.places import place_of

            raise InvalidPlan(f"{self._at(place_of(self.raw, error.message))}: {error.message}", error.issues) from None

    def action(self, action_id: str | None) -> str:
        """Return where an action stands, as ``plan.json:12:5``; the file's name alone for None."""
        from headway_console.cli.places import place_of_action

        return self._at(place_of_action(self.raw, action_id) if action_id else None)

    def _at(self, place: Place | None) -> str:
        return self.where if place is None else f"{self.where}:{place}"


def read_plan(name: str, config: Config) -> ActionProposal:
    """Return the plan: ``-`` is stdin, an existing file is read, else ``[workflows]`` is asked for the name.

    Raises :class:`headway.errors.InvalidPlan` with one line that starts with the file's name, line and column,
    :class:`headway.errors.UnsafeFile` for a workflow's file that others could have written.
    """
    return read_text(name, config).parse(config)


def read_text(name: str, config: Config) -> PlanText:
    """Return the plan as it was written: see :func:`read_plan`."""
    return PlanText(*_read(name, config))


def _read(name: str, config: Config) -> tuple[str, bytes]:
    from headway.plan.parse import MAX_BYTES
    from headway.plan.workflow import read_workflow

    if name == STDIN:
        return "stdin", _bounded("stdin", sys.stdin.buffer.read(MAX_BYTES + 1), MAX_BYTES)
    path = Path(name)
    workflow = config.workflows.get(name)
    if workflow is not None and not path.exists():
        return str(workflow.plan), read_workflow(workflow.plan)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        known = f"; workflows: {', '.join(sorted(config.workflows))}" if config.workflows else ""
        raise InvalidPlan(f"{name}: there is no such file{known}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidPlan(f"{path}: cannot be read: {reason}") from None
    return str(path), _bounded(str(path), raw, MAX_BYTES)


def _bounded(where: str, raw: bytes, limit: int) -> bytes:
    if len(raw) > limit:
        raise InvalidPlan(f"{where}: larger than the limit of {limit:,} bytes")
    return raw
