"""``[schedules.NAME]``: workflows and plans that are started at set times."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from headway.config.section import FilePath, Name, Section


class ScheduleConfig(Section):
    """A workflow, or a plan, that the daemon starts at set times.

    What cannot be a schedule (a time that cannot be read, a workflow that there is not) breaks this one alone:
    `headway schedule ls` and `headway config check` say so.
    """

    workflow: Name | None = Field(default=None, description="The workflow that it starts.")
    plan: FilePath | None = Field(default=None, description="The plan file that it starts instead.")
    cron: str | None = Field(
        default=None, description='When: minute, hour, day, month, day of the week, as "30 7 * * mon-fri".'
    )
    at: str | None = Field(default=None, description='When, once: as "2026-12-24T18:00:00+01:00".')
    timezone: str = Field(default="UTC", description='Whose time is meant, as "Europe/Berlin".')
    missed: Literal["skip", "once", "all"] = Field(
        default="skip",
        description="What becomes of times at which no daemon ran: nothing, one job for all, or a job for each of the"
        " last 100.",
    )
    enabled: bool = Field(default=True, description="Whether it is followed.")
