"""The filter of jobs: what is meant, and what is said of what cannot be understood."""

from __future__ import annotations

import pytest

from headway.errors import InvalidInput
from headway.events.views import BucketView, JobRow, LimitsView
from headway.jobs.filter import FIELDS, lines_of, parse_filter, waits_of

NOW = 10_000_000
ROW = JobRow(
    "job-1a",
    status="running",
    title="Nightly build of docs",
    source="jobs",
    principal="ada",
    work="workflow:nightly",
    created_ms=NOW - 700_000,
    started_ms=NOW - 60_000,
    priority=5,
    attempt=2,
    progress=40.0,
    error="it BROKE",
    waiting_for="approval 3, input",
)
LIMITS = LimitsView({"fetch": BucketView("fetch", 1, 1, 0, 0, queue={"job-1a/a": 1, "other/b": 2})})


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "status:running",
        "status:queued,running",
        "-status:failed",
        "status:running waiting:bucket age:>10m",
        "waiting:fetch",
        "waiting:approval waiting:input waiting:person",
        "-waiting:retry",
        "age:>=700s age:<12m age:10m",
        "running:<=1m",
        "title:nightly",
        'title:"build of" NIGHTLY',
        '"build of docs"',
        "job-1",
        "id:job-1a",
        "principal:ADA work:workflow",
        "work:workflow:nightly",
        "priority:5 priority:>4 attempt:>=2 progress:<41%",
        "error:broke",
        "-ended:>1s",
        "  status:running   ",
    ],
)
def test_it_means_the_job(text: str) -> None:
    assert parse_filter(text).matches(ROW, NOW, waits_of(ROW, lines_of(LIMITS)))


@pytest.mark.parametrize(
    "text",
    [
        "status:failed",
        "-status:running",
        "status:running age:>12m",
        "waiting:retry",
        "waiting:other",
        "weekly",
        "priority:>5",
        "progress:>40",
        "ended:>1s",
        "outcome:killed",
        "principal:bob",
        "work:work",
    ],
)
def test_it_does_not_mean_the_job(text: str) -> None:
    assert not parse_filter(text).matches(ROW, NOW, waits_of(ROW, lines_of(LIMITS)))


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("", 0, "the filter is empty: name some jobs, or * for all"),
        ("   ", 0, "the filter is empty: name some jobs, or * for all"),
        ("age:>1m stauts:running", 8, "no field 'stauts' at 8: did you mean 'status'?"),
        ("status:runing", 7, "no status 'runing' at 7: did you mean 'running'?"),
        ("-status:xyz", 8, "no status 'xyz' at 8; there are queued, running, paused, completed, failed, cancelled"),
        ("age:old", 4, "'old' at 4 is not what 'age' is compared with: a time such as >10m, <=2h or 90s"),
        ("age:>10", 4, "'>10' at 4 is not what 'age' is compared with: a time such as >10m, <=2h or 90s"),
        ("priority:>5m", 9, "'>5m' at 9 is not what 'priority' is compared with: a number such as >5 or 3"),
        ("status:", 7, "the field 'status' at 0 has no value"),
        ("status:running,", 7, "the field 'status' at 0 has no value"),
        ('title:"open', 6, "the quote at 6 is not closed"),
        ("a\x00b", 1, "the filter has a character at 1 that cannot be shown"),
        ("x" * 2001, 2000, "a filter has at most 2,000 characters"),
    ],
)
def test_what_cannot_be_understood_has_a_place(text: str, place: int, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_filter(text)
    assert (refused.value.message, refused.value.details["place"]) == (said, place)
    assert (refused.value.code, bool(refused.value.remedy)) == ("invalid_input", True)


def test_no_field_is_unknown_to_the_hint() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_filter("qqqq:1")
    assert refused.value.message.endswith(f"; there are {', '.join(FIELDS)}")
    with pytest.raises(InvalidInput, match="must be of type str"):
        parse_filter(3)  # type: ignore[arg-type]  # bad on purpose


def test_statuses_are_known_without_a_row() -> None:
    assert parse_filter("age:>1m").statuses >= {"queued", "failed"}
    assert parse_filter("status:queued,failed -status:failed").statuses == {"queued"}


def test_a_row_tells_what_it_waits_for() -> None:
    assert waits_of(JobRow("j", next_retry_ms=5), {}) == {"retry"}
    assert waits_of(JobRow("j", work="external"), {}) == {"worker"}
    assert waits_of(JobRow("j", status="paused"), {}) == {"resume"}
    assert waits_of(JobRow("j", status="running"), {}) == set()
