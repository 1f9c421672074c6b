"""Typed requests about threads and prompts, and the answers to them: JSON with a ``kind``."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from headway.arguments import struct_of
from headway.events.views import Goal, ThreadRow
from headway.inference.chat import ToolCall
from headway.inference.registry import Resolution
from headway.threads.message import StoredMessage

Sandboxes = Literal["auto", "off", "require"]
"""The sandbox of a thread's turns, as ``[tools] sandbox`` has it."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a thread's turns go by; None: as before, or as configured."""

    model: str | None = None
    provider: str | None = None
    cwd: str | None = None
    approval_policy: str | None = None
    sandbox: Sandboxes | None = None

    def given(self) -> dict[str, str | None]:
        """Return those that are given."""
        found = {name: getattr(self, name) for name in Settings.__struct_fields__}
        return {name: value for name, value in found.items() if value is not None}


class CliRuntimeOverrides(Settings, frozen=True):
    """What a command line sets for one turn: it wins over the request, the thread and the configuration."""

    max_tokens: int | None = None
    temperature: float | None = None


class Create(msgspec.Struct, frozen=True, kw_only=True, tag="create", tag_field="kind", forbid_unknown_fields=True):
    """Make a thread with ``metadata``, and the configured defaults."""

    thread_id: str | None = None
    name: str = ""
    metadata: dict[str, Any] = {}


class Start(Settings, frozen=True, tag="start", tag_field="kind"):
    """Make a thread with settings of its own."""

    name: str = ""
    metadata: dict[str, Any] = {}


class HistoryItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message of a history that is brought along, with its id."""

    id: str
    text: str
    role: Literal["user", "assistant"] = "user"


class Resume(Settings, frozen=True, tag="resume", tag_field="kind"):
    """Take a thread up again, with messages that it may not know."""

    thread_id: str
    history: list[HistoryItem] = []


class Fork(Settings, frozen=True, tag="fork", tag_field="kind"):
    """Branch a thread off after message ``at``."""

    thread_id: str
    at: int | None = None
    name: str = ""


class List(msgspec.Struct, frozen=True, kw_only=True, tag="list", tag_field="kind", forbid_unknown_fields=True):
    """List threads, the newest first."""

    include_archived: bool = False
    limit: int = 50
    cursor: str | None = None


class _OfThread(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True):
    thread_id: str


class Read(_OfThread, frozen=True, tag="read"):
    """Read a page of messages."""

    cursor: str | None = None
    limit: int = 100


class SetName(_OfThread, frozen=True, tag="set_name"):
    """Call a thread ``name``."""

    name: str


class GoalSet(_OfThread, frozen=True, tag="goal_set"):
    """Give a thread a goal."""

    objective: str
    token_budget: int | None = None


class GoalGet(_OfThread, frozen=True, tag="goal_get"):
    """Return a thread's goal."""


class GoalClear(_OfThread, frozen=True, tag="goal_clear"):
    """Take a thread's goal away."""


class GoalRecordProgress(_OfThread, frozen=True, tag="goal_record_progress"):
    """Count what was done for a thread's goal."""

    token_delta: int = 0
    time_delta_seconds: int = 0
    record_continuation: bool = False


class Archive(_OfThread, frozen=True, tag="archive"):
    """Put a thread away."""


class Unarchive(_OfThread, frozen=True, tag="unarchive"):
    """Take an archived thread back."""


class Delete(_OfThread, frozen=True, tag="delete"):
    """Delete a thread."""


class SendMessage(_OfThread, frozen=True, tag="message"):
    """Have the model answer ``input``: a turn starts, and its id is the answer."""

    input: str


ThreadRequest = (
    Create | Start | Resume | Fork | List | Read | SetName | GoalSet | GoalGet | GoalClear | GoalRecordProgress
    | Archive | Unarchive | Delete | SendMessage
)  # fmt: skip


class ThreadResponse(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The answer to a request about threads.

    ``status`` is created, started, resumed, forked, ok, archived, unarchived, deleted, accepted, cleared or empty.
    ``next`` is the cursor of the page after this one, ``turn`` the turn that was started.
    """

    status: str
    thread_id: str | None = None
    thread: ThreadRow | None = None
    threads: list[ThreadRow] = []
    messages: list[StoredMessage] = []
    goal: Goal | None = None
    turn: str | None = None
    next: str | None = None
    total: int | None = None


class PromptRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A prompt to a model: in a thread, or in a new one that it starts.

    ``model`` and ``provider`` win over the thread's. ``message_id`` keeps a request that is sent twice from being
    answered twice.
    """

    prompt: str
    thread_id: str | None = None
    model: str | None = None
    provider: str | None = None
    system: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    message_id: str | None = None


class PromptResponse(msgspec.Struct, kw_only=True):
    """The answer to a prompt.

    ``output`` is the text that the model wrote and ``calls`` what it wants called; ``message_id`` is the stored answer,
    which the thread's checkpoint ``latest`` names too. ``resolution`` says which model answered and how it was found,
    ``settings`` what the turn went by.
    """

    output: str
    thread_id: str
    turn: str
    message_id: str
    model: str
    finish_reason: str
    resolution: Resolution
    input_tokens: int
    output_tokens: int
    estimated: bool = False
    cost: int | None = None
    calls: list[ToolCall] = []
    checkpoint_id: str = "latest"
    settings: dict[str, str] = {}


def request_of(value: object) -> ThreadRequest:
    """Return a request as it is, or out of JSON; :class:`InvalidInput` for a kind or a field that there is not."""
    made: ThreadRequest = struct_of(value, ThreadRequest, "that is no request about threads")
    return made


def prompt_of(value: object) -> PromptRequest:
    """Return a request for a prompt as it is, or out of JSON; :class:`InvalidInput` if it is none."""
    made: PromptRequest = struct_of(value, PromptRequest, "that is no prompt")
    return made


def overrides_of(value: object) -> CliRuntimeOverrides:
    """Return overrides as they are, or out of JSON; None: there are none. Raises :class:`InvalidInput`."""
    return CliRuntimeOverrides() if value is None else struct_of(value, CliRuntimeOverrides, "these are no overrides")
