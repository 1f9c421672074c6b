"""The filter language."""

import pytest

from headway.events.event import Event
from headway.events.views import JobRow
from headway_console.filters import EVENT_FIELDS, JOB_FIELDS, Filter

EVENT = Event(
    "action_failed",
    {"error": "429 Too Many Requests: http://x.example/[a]", "error_code": "tool_error"},
    job_id="abc",
    action_id="fetch_b",
    level=2,
    attempt=3,
    seq=812,
)


@pytest.mark.parametrize(
    ("expression", "passes"),
    [
        ("", True),
        ("fetch", True),
        ("FETCH", True),
        ("too many", True),
        ("nothing", False),
        ("!nothing", True),
        ("!fetch", False),
        ("fetch !failed", False),
        ("kind:failed", True),
        ("kind:succeeded", False),
        ("!kind:failed", False),
        ("action:fetch level:2", True),
        ("level:20", False),
        ("level:>1", True),
        ("level:>=2", True),
        ("level:<2", False),
        ("seq:>=812 seq:<=812", True),
        ("attempt:3", True),
        ("code:tool", True),
        ('error:"too many"', True),
        ('error:"many too"', False),
        ('"Too Many Requests"', True),
        ("http://x", True),
        ("nofield:x", False),
        ("bucket:fetch", False),
        ('"unclosed', False),
        ("!", True),
        ("[", True),
        ("kind:", True),
        ("!kind:", True),
        ("nofield:", False),
    ],
)
def test_words_must_all_hold(expression: str, passes: bool) -> None:
    assert Filter(expression, EVENT_FIELDS).matches(EVENT) is passes


def test_an_empty_filter_is_false() -> None:
    assert not Filter("  ", EVENT_FIELDS)
    assert Filter("a", EVENT_FIELDS)


def test_jobs_have_their_own_fields() -> None:
    row = JobRow(job_id="abc", status="failed", title="Nightly audit", failed=2)
    assert Filter("status:failed nightly failed:>1", JOB_FIELDS).matches(row)
    assert not Filter("outcome:aborted", JOB_FIELDS).matches(row)
