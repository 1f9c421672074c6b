"""A2A v0.2 to v0.3, and what v0.1 shares with it: objects tagged by ``kind``.

With ``union`` the objects also carry v0.1's names (``type``, ``sessionId``, ``index``), for the ``tasks/*`` methods
that both generations have: a client of either finds what it looks for.
"""

from __future__ import annotations

from typing import Any

from a2a.utils.errors import ContentTypeNotSupportedError, PushNotificationNotSupportedError

from headway.clock import rfc3339
from headway_bridge.a2a.fields import Fields, bad_field
from headway_bridge.a2a.generation import accepts
from headway_bridge.a2a.model import (
    Artifact,
    DataPart,
    Message,
    Part,
    SendRequest,
    Status,
    StatusUpdate,
    Target,
    Task,
    TaskState,
    TextPart,
    Update,
)
from headway_bridge.a2a.versions import LEGACY


class V03:
    """The generation of ``message/send``."""

    name = "0.3"
    versions = LEGACY
    typed_details = False
    replies_with_task = False
    ids_required = True

    def __init__(self, *, union: bool = False) -> None:
        self.union = union

    # -- requests ------------------------------------------------------------------------------------------------

    def read_send(self, params: dict[str, Any]) -> SendRequest:
        """Return what ``message/send`` or ``message/stream`` says."""
        fields = Fields(params, "")
        configuration = fields.fields("configuration")
        if configuration.object("pushNotificationConfig"):
            raise PushNotificationNotSupportedError
        if not accepts(configuration.take("acceptedOutputModes", list) or []):
            raise ContentTypeNotSupportedError("none of acceptedOutputModes is application/json or text/plain")
        return SendRequest(
            message=self.read_message(Fields(fields.need("message", dict), "message")),
            blocking=configuration.take("blocking", bool) is not False,
            history_length=configuration.history_length(),
            metadata=fields.object("metadata"),
        )

    def read_message(self, fields: Fields) -> Message:
        """Return the user's message."""
        if fields.need("role", str) != "user":
            raise bad_field(fields.at("role"), "must be 'user'")
        items = fields.need("parts", list)
        if not items:
            raise bad_field(fields.at("parts"), "must have at least one part")
        message_id = fields.need_identifier("messageId") if self.ids_required else fields.identifier("messageId")
        return Message(
            role="user",
            parts=[_read_part(Fields(item, f"{fields.at('parts')}[{i}]")) for i, item in enumerate(items)],
            message_id=message_id or "",
            context_id=fields.identifier("contextId"),
            task_id=fields.identifier("taskId"),
            metadata=fields.object("metadata"),
        )

    def read_target(self, params: dict[str, Any]) -> Target:
        """Return the task of ``tasks/get``, ``tasks/cancel`` or ``tasks/resubscribe``."""
        fields = Fields(params, "")
        return Target(fields.need_identifier("id"), fields.history_length(), fields.object("metadata"))

    # -- answers -------------------------------------------------------------------------------------------------

    def state(self, state: TaskState) -> str:
        """Return the state's own word."""
        return state.value

    def write_task(self, task: Task) -> dict[str, Any]:
        """Return a Task."""
        body: dict[str, Any] = {
            "id": task.task_id,
            "kind": "task",
            "contextId": task.context_id,
            "status": self.write_status(task.status),
        }
        if self.union:
            body["sessionId"] = task.context_id
        if task.artifacts:
            body["artifacts"] = [self.write_artifact(artifact) for artifact in task.artifacts]
        if task.history:
            body["history"] = [self.write_message(message) for message in task.history]
        if task.metadata:
            body["metadata"] = task.metadata
        return body

    def write_answer(self, answer: Task | Message) -> dict[str, Any]:
        """Return a Task or a Message."""
        return self.write_task(answer) if isinstance(answer, Task) else self.write_message(answer)

    def write_update(self, update: Update) -> dict[str, Any]:
        """Return a Task, a Message, a status-update or an artifact-update."""
        if isinstance(update, Task | Message):
            return self.write_answer(update)
        body: dict[str, Any] = {"taskId": update.task_id, "contextId": update.context_id}
        if not isinstance(update, StatusUpdate):
            artifact = self.write_artifact(update.artifact)
            return {**body, "kind": "artifact-update", "artifact": artifact, "append": False, "lastChunk": True}
        body |= {"kind": "status-update", "status": self.write_status(update.status), "final": update.final}
        if update.metadata:
            body["metadata"] = update.metadata
        return body

    def write_status(self, status: Status) -> dict[str, Any]:
        """Return a TaskStatus."""
        body: dict[str, Any] = {"state": self.state(status.state), "timestamp": rfc3339(status.at_ms)}
        if status.message is not None:
            body["message"] = self.write_message(status.message)
        return body

    def write_message(self, message: Message) -> dict[str, Any]:
        """Return a Message."""
        body: dict[str, Any] = {
            "kind": "message",
            "messageId": message.message_id,
            "role": message.role,
            "parts": [self._part(part) for part in message.parts],
        }
        more = {"contextId": message.context_id, "taskId": message.task_id, "metadata": message.metadata}
        return {**body, **{key: value for key, value in more.items() if value}}

    def write_artifact(self, artifact: Artifact) -> dict[str, Any]:
        """Return an Artifact."""
        body: dict[str, Any] = {
            "artifactId": artifact.artifact_id,
            "name": artifact.name,
            "parts": [self._part(part) for part in artifact.parts],
            "metadata": artifact.metadata,
        }
        if self.union:
            body["index"] = artifact.index
        return body

    def _part(self, part: Part) -> dict[str, Any]:
        kind = "text" if isinstance(part, TextPart) else "data"
        body: dict[str, Any] = {"kind": kind, kind: part.text if isinstance(part, TextPart) else part.data}
        if self.union:
            body["type"] = kind
        return body


def _read_part(fields: Fields) -> Part:
    kind = fields.take("kind", str) or fields.take("type", str)
    if kind == "text":
        return TextPart(fields.need("text", str))
    if kind == "data":
        return DataPart(fields.need("data", dict))
    if kind == "file":
        raise ContentTypeNotSupportedError("file parts are not supported: send text or data")
    raise bad_field(fields.at("kind"), "must be text, data or file")


V0_3 = V03()
V0_3_UNION = V03(union=True)
