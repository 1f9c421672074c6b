"""The routes, one noun a file."""

from headway_bridge.operator.routes import (
    checkpoints,
    daemon,
    elicitations,
    events,
    jobs,
    plans,
    snapshot,
    store,
    tools,
)

_MODULES = (daemon, snapshot, events, jobs, elicitations, checkpoints, plans, tools, store)
ROUTERS = tuple(module.router for module in _MODULES)
