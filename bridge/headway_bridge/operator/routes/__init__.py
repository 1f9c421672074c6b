"""The routes, one noun a file."""

from headway_bridge.operator.routes import checkpoints, daemon, events, jobs, plans, snapshot, store, tools

ROUTERS = tuple(module.router for module in (daemon, snapshot, events, jobs, checkpoints, plans, tools, store))
