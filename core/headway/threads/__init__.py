"""Threads: conversations with models, durable, forked without copying, with goals and checkpoints of their own.

Everything that happens to a thread is an event; its row is folded from them (:class:`~headway.events.views.ThreadRow`)
and its messages are read from them, page by page. :class:`~headway.threads.threads.Threads` keeps the threads of one
log, :class:`~headway.threads.prompts.Prompts` has models answer in them, and both take typed requests
(:mod:`headway.threads.requests`). The names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway._lazy import attach

if TYPE_CHECKING:
    from headway.events.views import Goal, ThreadRow
    from headway.threads.message import StoredMessage
    from headway.threads.prompts import Prompts, Turn
    from headway.threads.reading import Page
    from headway.threads.requests import (
        CliRuntimeOverrides,
        PromptRequest,
        PromptResponse,
        ThreadRequest,
        ThreadResponse,
    )
    from headway.threads.threads import Threads

_HOME = {
    "CliRuntimeOverrides": "threads.requests",
    "Goal": "events.views",
    "Page": "threads.reading",
    "PromptRequest": "threads.requests",
    "PromptResponse": "threads.requests",
    "Prompts": "threads.prompts",
    "StoredMessage": "threads.message",
    "ThreadRequest": "threads.requests",
    "ThreadResponse": "threads.requests",
    "ThreadRow": "events.views",
    "Threads": "threads.threads",
    "Turn": "threads.prompts",
}

__all__ = [
    "CliRuntimeOverrides",
    "Goal",
    "Page",
    "PromptRequest",
    "PromptResponse",
    "Prompts",
    "StoredMessage",
    "ThreadRequest",
    "ThreadResponse",
    "ThreadRow",
    "Threads",
    "Turn",
]

__getattr__, __dir__ = attach("headway", _HOME)
