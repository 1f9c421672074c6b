"""Request bodies: what the commands take. Unknown fields are refused, so that a misspelt one is not ignored."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
from fastapi import Request

from headway.errors import InvalidInput, one_line
from headway.numbers import LONGEST_S
from headway.plan.format import ActionProposal
from headway.plan.parse import parse_proposal
from headway_bridge.bodies import body_is_large

if TYPE_CHECKING:
    from headway.config import Config

T = TypeVar("T")

MAX_BODY = 8 * 1024 * 1024 + 64 * 1024
"""The largest body: a plan of the largest size, and what goes around it."""


class VerifyBody(msgspec.Struct, forbid_unknown_fields=True):
    """A plan to check. ``proposal`` is the plan's own JSON."""

    proposal: msgspec.Raw
    context_id: str | None = None


class SubmitBody(msgspec.Struct, forbid_unknown_fields=True):
    """A plan to run, in the scope of ``context_id`` or in one of its own.

    ``project`` is the real path of the folder whose project is meant, ``digest`` that of its configuration: a daemon of
    another project, or with another configuration, refuses the plan.
    """

    proposal: msgspec.Raw
    context_id: str | None = None
    title: str | None = None
    source: str | None = None
    project: str | None = None
    digest: str | None = None


class ReasonBody(msgspec.Struct, forbid_unknown_fields=True):
    """Why a job is stopped; it becomes the error of what did not run."""

    reason: str | None = None


class BulkBody(msgspec.Struct, forbid_unknown_fields=True):
    """One thing to ask of all jobs that the filter ``where`` means. Nothing is done unless ``dry_run`` is false."""

    action: str
    where: str
    dry_run: bool = True
    reason: str | None = None


class CheckpointBody(msgspec.Struct, forbid_unknown_fields=True):
    """Whose state to save: a job's scope, or a scope."""

    job_id: str | None = None
    scope: str | None = None
    name: str | None = None


class StopBody(msgspec.Struct, forbid_unknown_fields=True):
    """The manner of a stop: softly, or by killing what runs."""

    now: bool = False


class RestartBody(msgspec.Struct, forbid_unknown_fields=True):
    """The manner of a restart: once jobs have ended, within ``timeout_s`` seconds; with ``now`` they are cancelled."""

    now: bool = False
    timeout_s: Annotated[float, msgspec.Meta(ge=0, le=LONGEST_S)] | None = None


class AnswerBody(msgspec.Struct, forbid_unknown_fields=True):
    """An answer to a question: one of its choices, the value that goes with it, a reason."""

    choice: str
    value: Any = None
    reason: str = ""


class ScheduleBody(msgspec.Struct, forbid_unknown_fields=True):
    """A schedule to add: the workflow that it starts, and either cron or at."""

    name: str
    workflow: str
    cron: str | None = None
    at: str | None = None
    timezone: str = "UTC"
    missed: str = "skip"


class EmptyBody(msgspec.Struct, forbid_unknown_fields=True):
    """Nothing."""


async def read_body(request: Request, kind: type[T]) -> T:
    """Return the request's JSON body as ``kind``; no body counts as ``{}``. :class:`InvalidInput` names the field."""
    data = await request.body()
    try:
        return msgspec.json.decode(data or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise InvalidInput(one_line(f"the request is not valid: {error}", 500)) from None
    except RecursionError:
        raise InvalidInput("the request is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(one_line(f"the request is not valid JSON: {error}", 500)) from None


async def read_plan(raw: msgspec.Raw, config: Config) -> ActionProposal:
    """Return the plan in ``raw``; :class:`headway.errors.InvalidPlan` says what is wrong with it."""
    read = partial(parse_proposal, bytes(raw), compat=config.runtime.compat, max_actions=config.admission.max_actions)
    return await asyncio.to_thread(read) if body_is_large() else read()


def text(value: str | None, name: str, limit: int) -> str | None:
    """Return a free text of a body on one line; :class:`InvalidInput` when it is longer than ``limit`` characters."""
    if value is None:
        return None
    if len(value) > limit:
        raise InvalidInput(f"{name}: {len(value):,} characters; the limit is {limit:,}")
    return one_line(value, limit)
