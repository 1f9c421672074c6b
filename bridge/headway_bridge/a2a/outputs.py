"""Outputs too large for an event: the log holds a reference to them, a client gets them whole."""

from __future__ import annotations

import msgspec

from headway.errors import NotFound
from headway.events.views import ActionView, RunView
from headway.store import is_reference
from headway_bridge.a2a.engine import TaskEngine


async def whole_run(engine: TaskEngine, view: RunView) -> RunView:
    """Return ``view``, which is not changed, with every output in it."""
    if not any(is_reference(action.output) for action in view.actions):
        return view
    return msgspec.structs.replace(view, actions=[await whole_action(engine, action) for action in view.actions])


async def whole_action(engine: TaskEngine, action: ActionView) -> ActionView:
    """Return ``action``, which is not changed, with its output in it; with the reference if that is all there is."""
    if not is_reference(action.output):
        return action
    try:
        return msgspec.structs.replace(action, output=await engine.reader.resolve(action.output))
    except NotFound:
        return action
