"""Valid calls about threads and prompts, of a face that has a thread and a model."""

from __future__ import annotations

from typing import Any

from headway.events.event import Event
from headway.face import Face
from headway.inference.registry import ModelInfo, ModelRegistry, RegisteredProvider
from headway.testing import ScriptedProvider
from headway.threads.requests import (
    CliRuntimeOverrides,
    Create,
    Fork,
    GoalRecordProgress,
    HistoryItem,
    PromptRequest,
    Resume,
)
from headway.threads.threads import new_id
from tests.unit.bad_input.kit import Made, New

THREAD = "t"
"""The id of the thread that there is."""

SETTINGS: dict[str, Any] = {
    "model": "m",
    "provider": "script",
    "cwd": "/w",
    "approval_policy": "never",
    "sandbox": "auto",
}
PROMPT: dict[str, Any] = {
    "prompt": "what now?",
    "thread_id": THREAD,
    "model": "m",
    "provider": "script",
    "system": "be brief",
    "max_tokens": 10,
    "temperature": 0.5,
    "message_id": New(lambda _: new_id("msg")),
}
OVERRIDES = Made(CliRuntimeOverrides, **SETTINGS, max_tokens=10, temperature=0.5)
OF_THREAD = {"thread_id": THREAD}

REQUESTS: list[dict[str, Any]] = [
    {"kind": "create", "thread_id": "new", "name": "n", "metadata": {"a": [1]}},
    {"kind": "start", "name": "n", "metadata": {"a": [1]}, **SETTINGS},
    {"kind": "resume", **OF_THREAD, "history": [{"id": "h", "text": "hello", "role": "user"}], **SETTINGS},
    {"kind": "fork", **OF_THREAD, "at": 0, "name": "n", **SETTINGS},
    {"kind": "list", "include_archived": True, "limit": 5, "cursor": "9"},
    {"kind": "read", **OF_THREAD, "cursor": "0", "limit": 5},
    {"kind": "set_name", **OF_THREAD, "name": "n"},
    {"kind": "goal_set", **OF_THREAD, "objective": "o", "token_budget": 100},
    {"kind": "goal_get", **OF_THREAD},
    {"kind": "goal_clear", **OF_THREAD},
    {
        "kind": "goal_record_progress",
        **OF_THREAD,
        "token_delta": 1,
        "time_delta_seconds": 1,
        "record_continuation": True,
    },
    {"kind": "archive", **OF_THREAD},
    {"kind": "unarchive", **OF_THREAD},
    {"kind": "delete", **OF_THREAD},
    {"kind": "message", **OF_THREAD, "input": "what now?"},
]
"""A request of each kind, every field of it given, as JSON."""

STRUCTS: list[Any] = [
    Made(Create, thread_id="new", name="n", metadata={"a": [1]}),
    Made(Resume, thread_id=THREAD, history=[Made(HistoryItem, id="h", text="hello", role="user")], **SETTINGS),
    Made(Fork, thread_id=THREAD, at=0, name="n", **SETTINGS),
    Made(GoalRecordProgress, thread_id=THREAD, token_delta=1, time_delta_seconds=1, record_continuation=True),
]
"""Requests as Python makes them: nothing has checked their fields."""


def models(_: Any) -> ModelRegistry:
    """Return a registry with a model that answers whatever it is asked."""
    script = ScriptedProvider(default="yes")
    return ModelRegistry([RegisteredProvider("script", script, (ModelInfo("m"),), "m")])


def with_thread(face: Face) -> None:
    """Give a face a model, and a thread with a message, a goal and a checkpoint."""
    face.with_models(models(None))
    of = {"thread": THREAD}
    face._powers.env.log.append(
        Event("thread_created", {**of, "source": "api", "name": "", "metadata": {}}),
        Event("thread_message", {**of, "id": "first", "role": "user", "text": "hello"}),
        Event("thread_goal_set", {**of, "goal": "g", "objective": "o", "token_budget": None}),
        Event("thread_checkpoint", {**of, "checkpoint": "c", "version": 1, "state": {"a": [1]}}),
    )
    assert face.prompts.threads is face.threads  # made on first use: not by a call that is tried


CALLS: dict[str, dict[str, Any]] = {
    "Runtime.with_models": {"registry": New(models)},
    "Runtime.handle_prompt": {"request": PROMPT, "overrides": OVERRIDES},
    "Runtime.handle_thread": {"request": REQUESTS[1]},
    "Runtime.save_thread_checkpoint": {"thread_id": THREAD, "checkpoint_id": "d", "state": {"a": [1]}},
    "Runtime.load_thread_checkpoint": {"thread_id": THREAD, "checkpoint_id": "c", "kind": dict},
}
"""By name: the arguments of a call that is valid."""

MORE: list[tuple[str, dict[str, Any]]] = [
    ("Runtime.handle_prompt", {"request": Made(PromptRequest, **PROMPT)}),
    ("Runtime.load_thread_checkpoint", {"thread_id": THREAD}),
    *(("Runtime.handle_thread", {"request": request}) for request in (*REQUESTS, *STRUCTS)),
]
