"""Messages of threads as they are kept, and the cursors of their pages."""

from __future__ import annotations

from typing import Any

import msgspec

from headway.arguments import plain
from headway.errors import InvalidInput, StoreUnreadable
from headway.events.event import Event
from headway.inference.chat import Message

MAX_ID = 200


class StoredMessage(msgspec.Struct, frozen=True):
    """A message of a thread. ``index`` counts from 0 in the thread, messages that a fork inherits among them.

    ``id`` is the caller's, or one that was made; ``turn`` is the turn that it belongs to.
    """

    id: str
    index: int
    message: Message
    turn: str | None = None
    at_ms: int = 0
    seq: int = 0


def event_data(thread_id: str, message_id: str, message: Message, turn: str | None) -> dict[str, Any]:
    """Return the data of a ``thread_message`` event."""
    data: dict[str, Any] = {"thread": thread_id, "id": message_id, **msgspec.to_builtins(message)}
    if turn is not None:
        data["turn"] = turn
    return data


def stored(event: Event, index: int) -> StoredMessage:
    """Return the message of an event; :class:`StoreUnreadable` if it holds none."""
    data = event.data
    fields = {name: data[name] for name in Message.__struct_fields__ if name in data}
    try:
        message = msgspec.convert(fields, Message)
        return StoredMessage(str(data["id"]), index, message, data.get("turn"), event.ts, event.seq)
    except (msgspec.ValidationError, InvalidInput, KeyError):
        raise StoreUnreadable(f"event {event.seq} holds a message that cannot be read") from None


def checked_id(given: object, what: str = "a message's id", longest: int = MAX_ID) -> str:
    """Return an id or a name if it can be one: a text of one line."""
    text = plain(given, what, longest)
    if not text.isprintable() or text != text.strip():
        raise InvalidInput(f"{what} has printable characters only, and no space around them")
    return text


def checked_cursor(cursor: str | None, most: int) -> int:
    """Return the index that a cursor stands for; :class:`InvalidInput` for one that is none."""
    if cursor is None:
        return 0
    plain(cursor, "a cursor", 12)
    if not cursor.isascii() or not cursor.isdigit():
        raise InvalidInput("a cursor is what the page before gave as next")
    return min(int(cursor), most)
