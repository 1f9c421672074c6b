"""Schedules: workflows that are started at set times. Of each slot comes one job, whoever looks and however often.

What there is and what came of it are events, folded into a view; this keeps a timer to the next slot, no more. A slot
is settled by its event: after a restart those that are not are due, or were missed. Two who look at one log take turns
by a claim in its store, and the id of a job is made of its slot.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from headway.arguments import expect, expect_one_of, plain, plain_or_empty
from headway.client.wire import ScheduleInfo
from headway.errors import Closing, Conflict, HeadwayError, InvalidInput, LogFull, NotFound, Overloaded, one_line
from headway.events import kinds
from headway.events.event import Event
from headway.events.views import ScheduleRow
from headway.jobs.slots import Times, times_of
from headway.jobs.submission import MAX_TEXT
from headway.plan.format import new_id

if TYPE_CHECKING:
    from headway.clock import TimerHandle
    from headway.config import Config
    from headway.events.log import EventLog
    from headway.store import Store
    from headway.store.protocol import Claim

MAX_SCHEDULES = 100
"""The most schedules of one log."""

CATCH_UP = 100
"""The most missed slots that ``missed = "all"`` makes up for, and the most that are counted by one look."""

LATE_S = 60.0
"""Seconds after which a slot was missed. Until then it is only late."""

LOOK_S = 30.0
"""The longest time between two looks: the wall clock may be set, and machines sleep."""

LEASE_S = 60.0
"""Seconds for which one who starts what is due keeps others from it."""

MISSED = ("skip", "once", "all")

SPEC = ("workflow", "plan", "cron", "at", "timezone", "missed", "enabled")
"""What is said of a schedule; the rest of its row is what came of it."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_log = logging.getLogger("headway.schedules")

Start = Callable[[ScheduleRow, str], Awaitable[str]]
"""Starts what a schedule names, as a job of the given id, and returns the id."""


def problem_of(row: ScheduleRow, workflows: Iterable[str] | None = None) -> str:
    """Return what is wrong with a schedule in one line; "" if it can be followed. None: any workflow will do."""
    if not _NAME.fullmatch(row.name):
        return "the name of a schedule has letters, digits, '.', '_' and '-' only, at most 64"
    if (row.workflow is None) == (row.plan is None):
        return "a schedule has either a workflow or a plan"
    if row.workflow is not None and workflows is not None and row.workflow not in workflows:
        return f"there is no workflow '{one_line(row.workflow, 100)}'"
    try:
        times_of(row.cron, row.at, row.timezone)
    except InvalidInput as error:
        return error.message
    return ""


class Schedules:
    """The schedules of one log. ``start`` starts what they name; without it nothing is started here.

    ``workflows`` are the names of those that there are, as of now. Nothing is started before :meth:`attend`,
    unless it is ``attending``: then from the first schedule on.
    """

    def __init__(
        self,
        log: EventLog,
        start: Start | None = None,
        workflows: Callable[[], Iterable[str]] | None = None,
        *,
        attending: bool = False,
    ) -> None:
        from headway.store import store_of

        self._log = log
        self._store: Store = store_of(log)
        self._clock = log.clock
        self._start = start
        self._workflows = workflows
        self._owner = f"schedules-{new_id()}"
        self._lock = asyncio.Lock()
        self._timer: TimerHandle | None = None
        self._looking: asyncio.Task[None] | None = None
        self._again = False
        self._attending = attending
        self._declared: list[ScheduleRow] | None = None
        self._times: dict[tuple[str | None, str | None, str], Times] = {}

    # -- what there is -----------------------------------------------------------------------------------------------

    async def all(self) -> list[ScheduleInfo]:
        """Return every schedule as it stands, those that are broken among them."""
        return [self._info(row) for row in (await self._rows()).values()]

    async def get(self, name: str) -> ScheduleInfo:
        """Return a schedule; :class:`NotFound` if there is none of that name."""
        return self._info(await self._row(name))

    async def add(
        self,
        name: str,
        workflow: str,
        *,
        cron: str | None = None,
        at: str | None = None,
        timezone: str = "UTC",
        missed: str = "skip",
        by: str = "",
    ) -> ScheduleInfo:
        """Add a schedule that starts ``workflow`` at the times of ``cron``, or once ``at``; see schedules.md.

        Raises :class:`InvalidInput` for what cannot be followed and a time that is over, :class:`Conflict` for a name
        that is taken or one more than :data:`MAX_SCHEDULES`.
        """
        plain(name, "a schedule's name")
        plain(workflow, "a workflow's name")
        for what, text in (("cron", cron), ("at", at)):
            if text is not None:
                plain(text, what)
        plain_or_empty(timezone, "a time zone")
        expect_one_of(missed, MISSED, "missed")
        plain_or_empty(by, "who asks", MAX_TEXT)
        row = ScheduleRow(name, workflow=workflow, cron=cron, at=at, timezone=timezone, missed=missed, by=by)
        if problem := self._problem(row):
            raise InvalidInput(problem)
        if times_of(cron, at, timezone).next_ms(self._clock.time_ms()) is None:
            raise InvalidInput(f"the time '{one_line(at or '', 60)}' is over")
        async with self._lock:
            rows = await self._rows()
            if name in rows:
                raise Conflict(f"there is a schedule '{name}' already: remove it first")
            if len(rows) >= MAX_SCHEDULES:
                raise Conflict(f"there are {MAX_SCHEDULES} schedules, and no more are taken: remove one")
            await self._log.write(_added(row))
        self.wake()
        return await self.get(name)

    async def remove(self, name: str, by: str = "") -> None:
        """Remove a schedule that was added; :class:`Conflict` for one of ``headway.toml``."""
        async with self._lock:
            if (await self._row(name)).source == "config":
                raise Conflict(f"schedule '{name}' stands in headway.toml: remove it there, or pause it")
            await self._log.write(Event(kinds.SCHEDULE_REMOVED, {"name": name, "by": _who(by)}))
        self.wake()

    async def pause(self, name: str, by: str = "") -> ScheduleInfo:
        """Start nothing for a schedule until :meth:`resume`; its slots meanwhile are not missed, but left out."""
        return await self._switch(name, kinds.SCHEDULE_PAUSED, by)

    async def resume(self, name: str, by: str = "") -> ScheduleInfo:
        """Follow a paused schedule again, from now on."""
        return await self._switch(name, kinds.SCHEDULE_RESUMED, by)

    async def _switch(self, name: str, kind: str, by: str) -> ScheduleInfo:
        pausing = kind == kinds.SCHEDULE_PAUSED
        async with self._lock:
            if (await self._row(name)).paused is pausing:
                raise Conflict(f"schedule '{name}' is {'paused already' if pausing else 'not paused'}")
            await self._log.write(Event(kind, {"name": name, "by": _who(by)}))
        self.wake()
        return await self.get(name)

    async def run(self, name: str, by: str = "") -> str:
        """Start what a schedule names now, beside its times, and return the job's id.

        Raises :class:`Conflict` for a broken schedule, and what starting it raises.
        """
        row = await self._row(name)
        if problem := self._problem(row):
            raise Conflict(f"schedule '{name}' is broken: {problem}")
        if self._start is None:
            raise Closing("no process starts jobs here: headway up")
        job_id = await self._start(row, f"job-{new_id()}")
        await self._log.write(Event(kinds.SCHEDULE_FIRED, {"name": name, "job_id": job_id, "by": _who(by)}))
        return job_id

    async def declare(self, config: Config) -> None:
        """Make the schedules of ``headway.toml`` those of the log: what is new or changed counts from now on.

        Those beyond :data:`MAX_SCHEDULES` are left out, and the daemon's log says so.
        """
        async with self._lock:
            await self._declare(declared(config))
        self.wake()

    async def _declare(self, wanted: list[ScheduleRow]) -> None:
        known = await self._rows()
        names = {row.name for row in wanted}
        gone = [row.name for row in known.values() if row.source == "config" and row.name not in names]
        news = [Event(kinds.SCHEDULE_REMOVED, {"name": name, "by": "headway.toml"}) for name in gone]
        count = len(known) - len(gone)
        for row in wanted:
            there = known.get(row.name)
            if there is not None and there.source == "config" and _spec(there) == _spec(row):
                continue
            if there is None and count >= MAX_SCHEDULES:
                _log.warning("schedule '%s' is left out: there are %d", one_line(row.name, 60), MAX_SCHEDULES)
                continue
            count += there is None
            row.source = "config"
            news.append(_added(row))
            if problem := self._problem(row):
                _log.warning("schedule '%s' is broken: %s", one_line(row.name, 60), problem)
        if news:
            await self._log.write(*news)

    # -- time --------------------------------------------------------------------------------------------------------

    async def attend(self, config: Config | None = None) -> None:
        """Start what is due from now on, until :meth:`close`; what was missed first. See :meth:`declare`."""
        if config is not None:
            await self.declare(config)
        self._attending = True
        await self._look()

    def redeclare(self, config: Config) -> None:
        """Take over, soon, the schedules that ``headway.toml`` has now."""
        self._declared = declared(config)
        self.wake()

    async def close(self) -> None:
        """Start nothing any more. What is being started is finished first."""
        self._attending = False
        self._unset()
        if self._looking is not None:
            await asyncio.wait([self._looking])

    def wake(self) -> None:
        """Look soon at what is due, in a task."""
        if not self._attending:
            return
        if self._looking is not None and not self._looking.done():
            self._again = True
            return
        self._looking = asyncio.get_running_loop().create_task(self._look(), name="headway-schedules")

    async def _look(self) -> None:
        """Settle all that is due and set the timer to what comes next. Nothing here may end the looking."""
        following: int | None = None
        self._unset()
        while self._attending:
            self._again = False
            try:
                async with self._lock:
                    if self._declared is not None:
                        wanted, self._declared = self._declared, None
                        await self._declare(wanted)
                    following = await self._settle_all()
            except HeadwayError as error:
                _log.warning("schedules wait: %s", one_line(error.message, 500))
                following = self._clock.time_ms() + round(LOOK_S * 1000)
            if not self._again:
                break
        if self._attending and following is not None:
            delay = (following - self._clock.time_ms()) / 1000
            self._timer = self._clock.call_later(min(LOOK_S, max(0.001, delay)), self.wake)

    def _unset(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _settle_all(self) -> int | None:
        """Settle what is due of every schedule; return when to look next, None if nothing ever comes."""
        nexts: list[int] = []
        for row in (await self._rows()).values():
            if (times := self._followed(row)) is None:
                continue
            now = self._clock.time_ms()
            if times.last(row.since_ms, now, 1) and not await self._settle(row.name):
                nexts.append(now + round(LOOK_S * 1000))  # another one does it, or nothing is taken now
            elif (following := times.next_ms(max(now, row.since_ms))) is not None:
                nexts.append(following)
        return min(nexts, default=None)

    async def _settle(self, name: str) -> bool:
        """Settle the slots of a schedule that are due, unless somebody else is at it; return whether all are."""
        try:
            claim = await self._store.claim(f"schedule:{name}", self._owner, LEASE_S)
        except Conflict:
            return False
        try:
            row = (await self._rows()).get(name)  # as it is now that nobody else changes it
            times = self._followed(row) if row is not None else None
            if row is None or times is None:
                return True
            now = self._clock.time_ms()
            due = times.last(row.since_ms, now, CATCH_UP + 2)  # one may be on time, one tells that there were more
            return await self._start_due(row, due, now, claim)
        except Conflict:  # the claim was lost on the way: whoever has it goes on
            return False
        except (Closing, LogFull, Overloaded):
            return False
        finally:
            await self._store.release(claim)

    async def _start_due(self, row: ScheduleRow, due: list[int], now: int, claim: Claim) -> bool:
        """Start what the policy says of the ``due`` slots, and settle them; :class:`Conflict` if the claim is lost."""
        on_time = [slot for slot in due[-1:] if now - slot <= LATE_S * 1000]
        missed = due[: len(due) - len(on_time)]
        made: list[int] = []
        if row.missed == "all":
            made = missed[-CATCH_UP:]
        elif row.missed == "once" and not on_time:
            made = missed[-1:]
        made = [slot for slot in missed if slot in made or await self._started(job_of(row.name, slot))]
        lost = [slot for slot in missed if slot not in made]
        if lost:
            data: dict[str, Any] = {"name": row.name, "count": min(len(lost), CATCH_UP), "until_ms": lost[-1]}
            if len(missed) > CATCH_UP:
                data["more"] = True
            await self._log.write(Event(kinds.SCHEDULE_MISSED, data))
        for slot in [*made, *on_time]:
            fired = await self._fired(row, slot)
            await self._store.renew(claim, LEASE_S)
            await self._log.write(fired)
        return True

    async def _fired(self, row: ScheduleRow, slot: int) -> Event:
        """Start the job of a slot, unless there is one, and return the event that settles the slot."""
        job_id = job_of(row.name, slot)
        data: dict[str, Any] = {"name": row.name, "slot_ms": slot}
        if not await self._started(job_id):
            assert self._start is not None
            try:
                job_id = await self._start(row, job_id)
            except (Closing, LogFull, Overloaded):
                raise
            except HeadwayError as error:
                if not await self._started(job_id):  # else somebody was faster
                    _log.warning("schedule '%s' started nothing: %s", row.name, one_line(error.message, 500))
                    return Event(kinds.SCHEDULE_FIRED, data | {"error": one_line(error.message, 500)})
        return Event(kinds.SCHEDULE_FIRED, data | {"job_id": job_id})

    async def _started(self, job_id: str) -> bool:
        try:
            await self._store.job(job_id)
        except NotFound:
            return False
        return True

    # -- inside ------------------------------------------------------------------------------------------------------

    async def _rows(self) -> dict[str, ScheduleRow]:
        await self._log.flush()
        return (await self._store.schedules_view()).schedules

    async def _row(self, name: str) -> ScheduleRow:
        row = (await self._rows()).get(expect(name, str, "a schedule's name"))
        if row is None:
            raise NotFound(f"there is no schedule '{one_line(name, 60)}'")
        return row

    def _followed(self, row: ScheduleRow) -> Times | None:
        """Return the times of a schedule that is followed; None for one that is not."""
        if row.paused or not row.enabled or self._start is None:
            return None
        if self._problem(row):
            return None
        key = row.cron, row.at, row.timezone
        if key not in self._times:
            if len(self._times) >= 2 * MAX_SCHEDULES:
                self._times.clear()
            self._times[key] = times_of(*key)
        return self._times[key]

    def _info(self, row: ScheduleRow) -> ScheduleInfo:
        return info_of(row, self._clock.time_ms(), self._workflows() if self._workflows is not None else None)

    def _problem(self, row: ScheduleRow) -> str:
        return problem_of(row, self._workflows() if self._workflows is not None else None)


def job_of(name: str, slot: int) -> str:
    """Return the id of the job of a schedule's slot."""
    return f"job-{hashlib.sha256(msgspec.json.encode([name, slot])).hexdigest()[:32]}"


def declared(config: Config) -> list[ScheduleRow]:
    """Return the schedules of ``headway.toml``, those that cannot be followed among them."""
    return [
        ScheduleRow(
            name,
            source="config",
            workflow=one.workflow,
            plan=str(one.plan) if one.plan is not None else None,
            cron=one.cron,
            at=one.at,
            timezone=one.timezone,
            missed=one.missed,
            enabled=one.enabled,
        )
        for name, one in config.schedules.items()
    ]


def broken_keys(config: Config) -> Iterator[tuple[str, str]]:
    """Yield each schedule of ``headway.toml`` that cannot be followed: the dotted key to blame, and the problem."""
    for row in declared(config):
        if problem := problem_of(row, config.workflows):
            given = [name for name in ("cron", "at", "timezone", "workflow", "plan") if getattr(row, name) is not None]
            words = {"cron": "cron", "at": "is no time", "timezone": "zone", "workflow": "workflow", "plan": "plan"}
            blamed = next((name for name in given if words[name] in problem), given[0])
            yield f"schedules.{row.name}.{blamed}", problem


def info_of(row: ScheduleRow, now_ms: int, workflows: Iterable[str] | None = None) -> ScheduleInfo:
    """Return a schedule as it stands at ``now_ms``."""
    if problem := problem_of(row, workflows):
        return ScheduleInfo(row, "broken", problem=problem)
    following = times_of(row.cron, row.at, row.timezone).next_ms(max(now_ms, row.since_ms))
    if following is None and row.at is not None:
        return ScheduleInfo(row, "done")
    if not row.enabled or row.paused:
        return ScheduleInfo(row, "paused" if row.enabled else "disabled")
    return ScheduleInfo(row, "active", following)


def _spec(row: ScheduleRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in SPEC}


def _added(row: ScheduleRow) -> Event:
    given = {name: value for name, value in _spec(row).items() if value is not None}
    more = {"by": row.by} if row.by else {}
    return Event(kinds.SCHEDULE_ADDED, {"name": row.name, "source": row.source, **given, **more})


def _who(by: str) -> str:
    return plain_or_empty(by, "who asks", MAX_TEXT)
