"""The application: routes, error forms, limits and the OpenAPI page in one FastAPI app."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.middleware import Middleware

from headway import __version__
from headway.client.wire import API_PREFIX
from headway_bridge.bodies import BodyBudget
from headway_bridge.operator import answers, spec
from headway_bridge.operator.bodies import MAX_BODY
from headway_bridge.operator.context import Operator
from headway_bridge.operator.routes import ROUTERS
from headway_bridge.security import SafetyMiddleware

if TYPE_CHECKING:
    from headway.engine import Engine

_DESCRIPTION = """\
Watch and steer the runs of one Headway daemon. Answers and bodies are JSON. Errors are
`{"error": {"code", "message", "issues"?}}`. Every command is recorded with who gave it: the header `X-Headway-Actor`.
"""


def operator_app(
    engine: Engine,
    *,
    on_stop: Callable[[bool], object] | None,
    url: str = "",
    started_ms: int | None = None,
    budget: BodyBudget | None = None,
) -> FastAPI:
    """Return the operator API of ``engine`` as an ASGI application.

    Request bodies count against ``budget``, by default one of the application's own.

    ``on_stop(now)`` is called, after the answer's event is committed, when an operator stops the daemon; None: this is
    no daemon but a process that ends with its jobs, and nobody stops it otherwise. ``url`` is
    the daemon's A2A endpoint and ``started_ms`` its beginning, for ``GET status``. The app has no authentication: serve
    it on a Unix socket that only its user may open. ``app.state.operator`` is its :class:`Operator`.
    """
    app = FastAPI(
        title="Headway operator API",
        version=__version__,
        description=_DESCRIPTION,
        openapi_url=f"{API_PREFIX}/openapi.json",
        docs_url=None,  # those pages load scripts from elsewhere
        redoc_url=None,
        middleware=[Middleware(SafetyMiddleware, max_body=MAX_BODY, budget=budget)],
    )
    began = engine.clock.time_ms() if started_ms is None else started_ms
    app.state.operator = Operator(engine, on_stop, url, began)
    answers.install(app)
    spec.install(app)
    for router in ROUTERS:
        app.include_router(router, prefix=API_PREFIX)
    return app
