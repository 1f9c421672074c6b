"""A2A v1.0: ProtoJSON, written and read as plain JSON so that integers stay integers."""

from __future__ import annotations

from typing import Any

from a2a.utils.errors import ContentTypeNotSupportedError, PushNotificationNotSupportedError

from headway.clock import rfc3339
from headway_bridge.a2a.fields import Fields, bad_field
from headway_bridge.a2a.generation import DATA_TYPE, TEXT_TYPE, accepts
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
from headway_bridge.a2a.versions import V1

_ROLES: dict[Any, str] = {"ROLE_USER": "user", 1: "user"}


class V10:
    """The current generation."""

    name = "1.0"
    versions = V1
    typed_details = True
    replies_with_task = False

    def read_send(self, params: dict[str, Any]) -> SendRequest:
        """Return what ``SendMessage`` or ``SendStreamingMessage`` says."""
        fields = Fields(params, "")
        configuration = fields.fields("configuration")
        if configuration.object("taskPushNotificationConfig"):
            raise PushNotificationNotSupportedError
        if not accepts(configuration.take("acceptedOutputModes", list) or []):
            raise ContentTypeNotSupportedError("none of acceptedOutputModes is application/json or text/plain")
        return SendRequest(
            message=self._read_message(Fields(fields.need("message", dict), "message")),
            blocking=not configuration.take("returnImmediately", bool),
            history_length=configuration.history_length(),
            metadata=fields.object("metadata"),
        )

    def _read_message(self, fields: Fields) -> Message:
        role = fields.raw("role")
        if role not in _ROLES:
            raise bad_field(fields.at("role"), "must be ROLE_USER")
        items = fields.need("parts", list)
        if not items:
            raise bad_field(fields.at("parts"), "must have at least one part")
        return Message(
            role="user",
            parts=[self._read_part(Fields(item, f"{fields.at('parts')}[{i}]")) for i, item in enumerate(items)],
            message_id=fields.need_identifier("messageId"),
            context_id=fields.identifier("contextId"),
            task_id=fields.identifier("taskId"),
            metadata=fields.object("metadata"),
        )

    def _read_part(self, fields: Fields) -> Part:
        # "data": null is a value, not an absent field
        given = [name for name in ("text", "raw", "url", "data") if name in fields.value]
        if len(given) != 1:
            raise bad_field(fields.path, "must have exactly one of text, data, raw, url")
        if given[0] == "text":
            return TextPart(fields.need("text", str))
        if given[0] == "data":
            return DataPart(fields.value["data"])
        raise ContentTypeNotSupportedError("file parts are not supported: send text or data")

    def read_target(self, params: dict[str, Any]) -> Target:
        """Return the task of ``GetTask``, ``CancelTask`` or ``SubscribeToTask``."""
        fields = Fields(params, "")
        return Target(fields.need_identifier("id"), fields.history_length(), fields.object("metadata"))

    def state(self, state: TaskState) -> str:
        """Return ``TASK_STATE_…``."""
        return f"TASK_STATE_{state.name}"

    def write_task(self, task: Task) -> dict[str, Any]:
        """Return a Task."""
        body: dict[str, Any] = {
            "id": task.task_id,
            "contextId": task.context_id,
            "status": self._status(task.status),
            "artifacts": [self._artifact(artifact) for artifact in task.artifacts],
            "history": [self._message(message) for message in task.history],
            "metadata": task.metadata,
        }
        return {key: value for key, value in body.items() if value or key in ("id", "contextId", "status")}

    def write_answer(self, answer: Task | Message) -> dict[str, Any]:
        """Return a SendMessageResponse."""
        if isinstance(answer, Task):
            return {"task": self.write_task(answer)}
        return {"message": self._message(answer)}

    def write_update(self, update: Update) -> dict[str, Any]:
        """Return a StreamResponse."""
        if isinstance(update, Task | Message):
            return self.write_answer(update)
        ids = {"taskId": update.task_id, "contextId": update.context_id}
        if isinstance(update, StatusUpdate):
            more = {"metadata": update.metadata} if update.metadata else {}
            return {"statusUpdate": {**ids, "status": self._status(update.status), **more}}
        return {"artifactUpdate": {**ids, "artifact": self._artifact(update.artifact), "lastChunk": True}}

    def _status(self, status: Status) -> dict[str, Any]:
        body: dict[str, Any] = {"state": self.state(status.state), "timestamp": rfc3339(status.at_ms)}
        if status.message is not None:
            body["message"] = self._message(status.message)
        return body

    def _message(self, message: Message) -> dict[str, Any]:
        body: dict[str, Any] = {
            "messageId": message.message_id,
            "role": f"ROLE_{message.role.upper()}",
            "parts": [_part(part) for part in message.parts],
        }
        return {**body, **_optional(message)}

    def _artifact(self, artifact: Artifact) -> dict[str, Any]:
        return {
            "artifactId": artifact.artifact_id,
            "name": artifact.name,
            "parts": [_part(part) for part in artifact.parts],
            "metadata": artifact.metadata,
        }


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"text": part.text, "mediaType": TEXT_TYPE}
    return {"data": part.data, "mediaType": DATA_TYPE}


def _optional(message: Message) -> dict[str, Any]:
    more = {"contextId": message.context_id, "taskId": message.task_id, "metadata": message.metadata}
    return {key: value for key, value in more.items() if value}


V1_0 = V10()
