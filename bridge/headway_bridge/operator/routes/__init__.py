"""The routes, one noun a file."""

from headway_bridge.operator.routes import (
    checkpoints,
    daemon,
    elicitations,
    events,
    jobs,
    plans,
    schedules,
    snapshot,
    store,
    tools,
)

_MODULES = (daemon, snapshot, events, jobs, elicitations, checkpoints, schedules, plans, tools, store)
ROUTERS = tuple(module.router for module in _MODULES)
