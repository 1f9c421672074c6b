"""Dispatch of methods: from a JSON-RPC call to the task service, in the dialect that the method's name implies.

``tasks/get``, ``tasks/cancel`` and ``tasks/resubscribe`` belong to v0.1 and to v0.2-0.3: they answer in the dialect
of the task they are about, with the names of the other beside its own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from enum import Enum
from typing import Any, NamedTuple

from a2a.utils.errors import (
    A2AError,
    ExtendedAgentCardNotConfiguredError,
    MethodNotFoundError,
    PushNotificationNotSupportedError,
    UnsupportedOperationError,
)

from headway.errors import one_line
from headway_bridge.a2a.context import Client
from headway_bridge.a2a.generation import Generation
from headway_bridge.a2a.jsonrpc import Call
from headway_bridge.a2a.origin import Origin
from headway_bridge.a2a.streams import Frame
from headway_bridge.a2a.tasks import TaskService
from headway_bridge.a2a.v01 import V0_1
from headway_bridge.a2a.v03 import V0_3, V0_3_UNION
from headway_bridge.a2a.v10 import V1_0
from headway_bridge.a2a.versions import check_version
from headway_bridge.bodies import body_done


class Operation(Enum):
    """The operation of a method."""

    SEND = "send"
    STREAM = "stream"
    GET = "get"
    CANCEL = "cancel"
    SUBSCRIBE = "subscribe"


class Method(NamedTuple):
    """A method: its dialect, and its operation or the error that always answers it."""

    generation: Generation
    does: Operation | type[A2AError]


METHODS: dict[str, Method] = {
    "SendMessage": Method(V1_0, Operation.SEND),
    "SendStreamingMessage": Method(V1_0, Operation.STREAM),
    "GetTask": Method(V1_0, Operation.GET),
    "CancelTask": Method(V1_0, Operation.CANCEL),
    "SubscribeToTask": Method(V1_0, Operation.SUBSCRIBE),
    "ListTasks": Method(V1_0, UnsupportedOperationError),
    "CreateTaskPushNotificationConfig": Method(V1_0, PushNotificationNotSupportedError),
    "GetTaskPushNotificationConfig": Method(V1_0, PushNotificationNotSupportedError),
    "ListTaskPushNotificationConfigs": Method(V1_0, PushNotificationNotSupportedError),
    "DeleteTaskPushNotificationConfig": Method(V1_0, PushNotificationNotSupportedError),
    "GetExtendedAgentCard": Method(V1_0, ExtendedAgentCardNotConfiguredError),
    "message/send": Method(V0_3, Operation.SEND),
    "message/stream": Method(V0_3, Operation.STREAM),
    "tasks/pushNotificationConfig/set": Method(V0_3, PushNotificationNotSupportedError),
    "tasks/pushNotificationConfig/get": Method(V0_3, PushNotificationNotSupportedError),
    "tasks/pushNotificationConfig/list": Method(V0_3, PushNotificationNotSupportedError),
    "tasks/pushNotificationConfig/delete": Method(V0_3, PushNotificationNotSupportedError),
    "agent/getAuthenticatedExtendedCard": Method(V0_3, ExtendedAgentCardNotConfiguredError),
    "tasks/get": Method(V0_3_UNION, Operation.GET),
    "tasks/cancel": Method(V0_3_UNION, Operation.CANCEL),
    "tasks/resubscribe": Method(V0_3_UNION, Operation.SUBSCRIBE),
    "tasks/send": Method(V0_1, Operation.SEND),
    "tasks/sendSubscribe": Method(V0_1, Operation.STREAM),
    "tasks/pushNotification/set": Method(V0_1, PushNotificationNotSupportedError),
    "tasks/pushNotification/get": Method(V0_1, PushNotificationNotSupportedError),
}
"""Every method of the three generations; any other name is -32601."""


class Stream(NamedTuple):
    """An answer in frames."""

    generation: Generation
    frames: AsyncGenerator[Frame, None]


class Dispatcher:
    """Answers calls. ``requested_version`` is the client's A2A-Version, "" for none."""

    def __init__(self, service: TaskService) -> None:
        self._service = service

    async def call(
        self, call: Call, client: Client, *, requested_version: str = "", after: int | None = None
    ) -> dict[str, Any] | Stream:
        """Return the result of a call, or its stream; raises the SDK's errors.

        ``after`` is the Last-Event-ID of a client that comes back to a stream. A notification never waits.
        """
        method = METHODS.get(call.method)
        if method is None:
            raise MethodNotFoundError(f"there is no method '{one_line(call.method, 100)}'")
        generation = method.generation
        check_version(requested_version, generation.versions)
        if not isinstance(method.does, Operation):
            raise method.does()
        if method.does in (Operation.SEND, Operation.STREAM):
            return await self._send(method, call, client)
        target = generation.read_target(call.params)
        body_done()
        if method.does is Operation.SUBSCRIBE:
            frames, origin = await self._service.subscribe(target, client, after=after, replay=generation is not V1_0)
            return Stream(_dialect(generation, origin), frames)
        act = self._service.get if method.does is Operation.GET else self._service.cancel
        task, origin = await act(target, client)
        return _dialect(generation, origin).write_task(task)

    async def _send(self, method: Method, call: Call, client: Client) -> dict[str, Any] | Stream:
        generation = method.generation
        request = generation.read_send(call.params)
        call.params = {}  # a plan is large, and a call may take long
        if method.does is Operation.STREAM and not call.notification:
            return Stream(generation, await self._service.stream(request, generation, client))
        if call.notification:
            request.blocking = False
        return generation.write_answer(await self._service.send(request, generation, client))


def typed_details(method: str) -> bool:
    """Return whether errors of this method carry v1.0's typed details; those of unknown methods do."""
    known = METHODS.get(method)
    return known is None or known.generation.typed_details


def _dialect(asked: Generation, origin: Origin) -> Generation:
    """Return the dialect to answer in: v0.1 for its own tasks asked for by a shared method, else the method's."""
    return V0_1 if asked is V0_3_UNION and origin.generation == V0_1.name else asked
