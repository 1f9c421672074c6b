"""Reading threads from a store, which any process may: rows, and messages page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from headway.errors import InvalidInput, NotFound, StoreUnreadable, one_line
from headway.events import kinds as k
from headway.events.views import ThreadRow, ThreadsView
from headway.numbers import whole_number
from headway.threads.message import StoredMessage, checked_cursor, checked_id, stored

if TYPE_CHECKING:
    from headway.store import Reader

MAX_PAGE = 1000


class Page(NamedTuple):
    """A page of messages; ``next`` is the cursor of the page after it, None at the end, ``total`` counts them all."""

    messages: list[StoredMessage]
    next: str | None
    total: int


def row_of(view: ThreadsView, thread_id: str) -> ThreadRow:
    """Return a thread's row; :class:`NotFound` if there is none."""
    row = view.threads.get(checked_id(thread_id, "a thread's id"))
    if row is None:
        raise NotFound(f"there is no thread '{one_line(thread_id, 80)}'")
    return row


def list_threads(
    view: ThreadsView,
    *,
    include_archived: bool = False,
    limit: int = 50,
    cursor: str | None = None,
    principal: str | None = None,
) -> tuple[list[ThreadRow], str | None]:
    """Return threads, the newest first, and the cursor of the page after them."""
    count = _page(limit)
    before = None if cursor is None else checked_cursor(cursor, 10**12)
    rows = [
        row
        for row in view.threads.values()
        if (include_archived or row.status != "archived")
        and (principal is None or row.principal == principal)
        and (before is None or row.first_seq < before)
    ]
    rows.sort(key=lambda row: -row.first_seq)
    return rows[:count], str(rows[count - 1].first_seq) if len(rows) > count else None


async def read_page(
    reader: Reader, view: ThreadsView, thread_id: str, *, cursor: str | None = None, limit: int = 100
) -> Page:
    """Return a page of a thread's messages, oldest first."""
    row = row_of(view, thread_id)
    start = checked_cursor(cursor, row.messages)
    stop = min(row.messages, start + _page(limit))
    found = await messages_of(reader, view, row.id, start, stop)
    return Page(found, str(stop) if stop < row.messages else None, row.messages)


async def messages_of(reader: Reader, view: ThreadsView, thread_id: str, start: int, stop: int) -> list[StoredMessage]:
    """Return messages by index, the inherited ones from the threads that they were said in.

    Raises :class:`StoreUnreadable` for those that the log has let go of: a part of a thread is never told as the whole.
    """
    found: list[StoredMessage] = []
    for owner, begin, end in reversed(_spans(view, thread_id, stop)):
        first, last = max(begin, start), min(end, stop)
        if first < last:
            events = await reader.thread_events(owner, k.THREAD_MESSAGE, skip=first - begin, limit=last - first)
            if len(events) < last - first:
                raise StoreUnreadable(f"messages of thread '{owner}' are gone: the log has let go of their events")
            found += [stored(event, index) for index, event in enumerate(events, first)]
    return found


def _spans(view: ThreadsView, thread_id: str, stop: int) -> list[tuple[str, int, int]]:
    """Return the parts of a history, the newest first: whose they are, from which index, up to which."""
    spans: list[tuple[str, int, int]] = []
    owner: str | None = thread_id
    while owner is not None:
        row = view.threads.get(owner)
        base = row.base if row is not None else view.deleted.get(owner, 0)
        spans.append((owner, base, stop))
        stop = min(stop, base)
        owner = row.forked_from if row is not None else view.lineage.get(owner)
        if base == 0:
            break
    return spans


def _page(limit: int) -> int:
    if whole_number(limit, "limit", 1) > MAX_PAGE:
        raise InvalidInput(f"limit must be at most {MAX_PAGE:,}")
    return limit
