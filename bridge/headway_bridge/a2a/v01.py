"""A2A v0.1: the client names the task, a session is what later became the context.

Answers are v0.1's objects with v0.3's names beside them, as the ``tasks/*`` methods belong to both.
"""

from __future__ import annotations

from typing import Any

from a2a.utils.errors import PushNotificationNotSupportedError

from headway_bridge.a2a.fields import Fields
from headway_bridge.a2a.model import ArtifactUpdate, Message, SendRequest, StatusUpdate, Task, TaskState, Update
from headway_bridge.a2a.v03 import V03


class V01(V03):
    """The generation of ``tasks/send``. It has no ``rejected``: that is ``failed`` there."""

    name = "0.1"
    replies_with_task = True
    ids_required = False

    def __init__(self) -> None:
        super().__init__(union=True)

    def read_send(self, params: dict[str, Any]) -> SendRequest:
        """Return what ``tasks/send`` or ``tasks/sendSubscribe`` says."""
        fields = Fields(params, "")
        if fields.object("pushNotification"):
            raise PushNotificationNotSupportedError
        client_id = fields.need_identifier("id")
        message = self.read_message(Fields(fields.need("message", dict), "message"))
        message.context_id = fields.identifier("sessionId") or message.context_id
        message.task_id = None
        return SendRequest(
            message=message,
            history_length=fields.history_length(),
            client_id=client_id,
            metadata=fields.object("metadata"),
        )

    def state(self, state: TaskState) -> str:
        """Return the state's word of v0.1."""
        return "failed" if state is TaskState.REJECTED else state.value

    def write_update(self, update: Update) -> dict[str, Any]:
        """Return a status or an artifact event; a task, which no event of v0.1 holds, as its status."""
        if isinstance(update, Message):
            return self.write_message(update)
        if isinstance(update, Task):
            update = StatusUpdate(update.task_id, update.context_id, update.status, update.metadata)
        body = super().write_update(update)
        body["id"] = body["taskId"]
        if isinstance(update, ArtifactUpdate):
            body["artifact"] |= {"append": False, "lastChunk": True}
        return body


V0_1 = V01()
