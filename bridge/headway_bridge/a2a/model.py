"""Tasks, messages and updates in the bridge's own words, of which each protocol generation writes its dialect.

Data stays what JSON made of it: an integer is an int from the request's bytes to the answer's, whatever its size.
Timestamps are milliseconds since 1970.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec


class TaskState(StrEnum):
    """The state of a task, in the words of A2A v0.3."""

    SUBMITTED = "submitted"
    WORKING = "working"
    INPUT_REQUIRED = "input-required"
    COMPLETED = "completed"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELED = "canceled"


TERMINAL = frozenset({TaskState.COMPLETED, TaskState.FAILED, TaskState.REJECTED, TaskState.CANCELED})
"""The states that a task never leaves."""


class TextPart(msgspec.Struct, tag="text", tag_field="part"):
    """Text for people or models."""

    text: str


class DataPart(msgspec.Struct, tag="data", tag_field="part"):
    """A JSON value, or a msgspec struct that encodes to one."""

    data: Any


Part = TextPart | DataPart


class Message(msgspec.Struct, omit_defaults=True):
    """A message of one side. ``role`` is ``user`` or ``agent``."""

    role: str
    parts: list[Part]
    message_id: str = ""
    context_id: str | None = None
    task_id: str | None = None
    metadata: dict[str, Any] = {}

    @property
    def text(self) -> str:
        """The text parts, joined by newlines, without the space around them."""
        return "\n".join(part.text for part in self.parts if isinstance(part, TextPart)).strip()


class Artifact(msgspec.Struct):
    """The output of one action. ``index`` is the action's place in the plan."""

    artifact_id: str
    name: str
    index: int
    parts: list[Part]
    metadata: dict[str, Any] = {}


class Status(msgspec.Struct):
    """A task's state since ``at_ms``, with the agent's message on it."""

    state: TaskState
    at_ms: int
    message: Message | None = None


class Task(msgspec.Struct):
    """A job as its A2A client sees it. ``task_id`` is the client's own in v0.1, the job id after."""

    task_id: str
    context_id: str
    status: Status
    artifacts: list[Artifact] = []
    history: list[Message] = []
    metadata: dict[str, Any] = {}


class StatusUpdate(msgspec.Struct):
    """The task's state has changed."""

    task_id: str
    context_id: str
    status: Status
    metadata: dict[str, Any] = {}

    @property
    def final(self) -> bool:
        """True if nothing follows."""
        return self.status.state in TERMINAL


class ArtifactUpdate(msgspec.Struct):
    """An action has ended: its artifact, whole."""

    task_id: str
    context_id: str
    artifact: Artifact


Update = Task | Message | StatusUpdate | ArtifactUpdate


class SendRequest(msgspec.Struct):
    """A message to act on. ``client_id`` is the task id that a v0.1 client chose; ``history_length`` None: all."""

    message: Message
    blocking: bool = True
    history_length: int | None = None
    client_id: str | None = None
    metadata: dict[str, Any] = {}


class Target(msgspec.Struct):
    """The task that a request is about."""

    task_id: str
    history_length: int | None = None
    metadata: dict[str, Any] = {}
