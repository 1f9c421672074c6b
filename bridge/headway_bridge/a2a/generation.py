"""The protocol of a generation of A2A: how it reads requests and how it writes what the bridge says."""

from __future__ import annotations

from typing import Any, Protocol

from headway_bridge.a2a.model import Message, SendRequest, Target, Task, TaskState, Update

DATA_TYPE = "application/json"
TEXT_TYPE = "text/plain"
OUTPUT_TYPES = (DATA_TYPE, TEXT_TYPE)
"""The media types of the parts that the bridge sends."""


class Generation(Protocol):
    """One dialect of A2A. Its objects have no state."""

    @property
    def name(self) -> str:
        """``1.0``, ``0.3`` or ``0.1``, as it is kept in a job's origin."""

    @property
    def versions(self) -> frozenset[str]:
        """The ``A2A-Version`` values under which its methods exist."""

    @property
    def typed_details(self) -> bool:
        """True if an error's data is v1.0's list of typed details."""

    @property
    def replies_with_task(self) -> bool:
        """True if an answer without a task has to look like one."""

    def read_send(self, params: dict[str, Any]) -> SendRequest:
        """Return what a send or stream request says; raises the SDK's errors for what it must not say."""

    def read_target(self, params: dict[str, Any]) -> Target:
        """Return the task that a request is about."""

    def state(self, state: TaskState) -> str:
        """Return the generation's word for a state."""

    def write_task(self, task: Task) -> dict[str, Any]:
        """Return a task as the result of a get or cancel."""

    def write_answer(self, answer: Task | Message) -> dict[str, Any]:
        """Return the result of a send."""

    def write_update(self, update: Update) -> dict[str, Any]:
        """Return the result in one frame of a stream."""


def accepts(output_types: list[Any]) -> bool:
    """Return whether a client that wants these media types (none named: any) can read what the bridge sends."""
    if not output_types:
        return True
    wanted = {str(item).partition(";")[0].strip().lower() for item in output_types}
    return any(kind in wanted or f"{kind.partition('/')[0]}/*" in wanted for kind in OUTPUT_TYPES) or bool(
        wanted & {"*/*", "*", "text", "json", "data"}
    )
