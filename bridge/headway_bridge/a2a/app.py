"""The A2A application: one endpoint for all generations, the card, and the safety rules before both."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from headway_bridge.a2a.card import CARD_PATHS, CardRoutes
from headway_bridge.a2a.dispatch import Dispatcher
from headway_bridge.a2a.endpoint import Endpoint
from headway_bridge.a2a.engine import TaskEngine
from headway_bridge.a2a.errors import rpc_refusal
from headway_bridge.a2a.interpreter import Interpreter
from headway_bridge.a2a.tasks import TaskService
from headway_bridge.auth import Authenticator, AuthMiddleware, has_caller
from headway_bridge.bodies import BodyBudget
from headway_bridge.security import SafetyMiddleware, allowed_hosts

ALIASES = ("/tasks/send", "/tasks/sendSubscribe", "/tasks/get", "/tasks/cancel", "/tasks/resubscribe")
"""Paths where v0.1 clients may post their JSON-RPC instead of ``/``. The method in the body decides, not the path."""


def a2a_app(
    engine: TaskEngine,
    *,
    authenticator: Authenticator,
    interpreter: Interpreter | None = None,
    budget: BodyBudget | None = None,
) -> Starlette:
    """Return the ASGI application that serves ``engine`` to A2A clients.

    ``authenticator`` tells who calls; only the agent card is for everybody. ``interpreter`` decides what text means;
    the default knows the workflows of the configuration. Request bodies count against ``budget``, by default one of
    the application's own.
    """
    service = TaskService(engine, interpreter)
    endpoint = Endpoint(Dispatcher(service))
    routes = [Route(path, endpoint.__call__, methods=["POST"]) for path in ("/", *ALIASES)]
    routes += CardRoutes(engine.config, service.reach, authenticator).routes()
    safety = Middleware(
        SafetyMiddleware,
        hosts=allowed_hosts(engine.config),
        refuse=rpc_refusal,
        budget=budget,
        body_timeout=engine.config.admission.body_secs,
        authentic=has_caller,
    )
    who = Middleware(AuthMiddleware, authenticator=authenticator, public=CARD_PATHS, refuse=rpc_refusal)
    return Starlette(routes=routes, middleware=[who, safety])  # in this order: nobody else's body is read
