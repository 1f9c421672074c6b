"""The agent card: what this agent is called, where it is, what it can do.

One hybrid card serves every generation: v1.0's ``supportedInterfaces`` beside v0.3's ``url`` and ``protocolVersion``,
merged by the SDK. v0.1 and v0.2 clients read the same from ``/.well-known/agent.json``.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec
from a2a.server.request_handlers.response_helpers import agent_card_to_dict
from a2a.types.a2a_pb2 import (
    AgentCapabilities,
    AgentCard,
    AgentInterface,
    AgentSkill,
    SecurityRequirement,
    SecurityScheme,
    StringList,
)
from a2a.utils.constants import AGENT_CARD_WELL_KNOWN_PATH, PROTOCOL_VERSION_0_3, PROTOCOL_VERSION_1_0
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headway import __version__
from headway.config import Config
from headway_bridge.a2a.engine import Tool
from headway_bridge.a2a.generation import OUTPUT_TYPES
from headway_bridge.a2a.reach import Reach
from headway_bridge.auth import Authenticator

CARD_PATHS = (AGENT_CARD_WELL_KNOWN_PATH, "/.well-known/agent.json")

_DESCRIPTION = "Runs plans of tool calls as verified DAGs: send a plan, follow its actions, cancel it."


def agent_card(config: Config, reach: Reach, url: str, authenticator: Authenticator) -> dict[str, Any]:
    """Return the card of an agent at ``url``, with a skill for each tool and each workflow in reach."""
    a2a = config.a2a
    skills = [_tool_skill(entry) for entry in reach.tools()]
    skills += [_workflow_skill(name, flow.description) for name, flow in reach.workflows.items()]
    card = AgentCard(
        name=a2a.name,
        description=a2a.description or _DESCRIPTION,
        version=__version__,
        supported_interfaces=[
            AgentInterface(url=url, protocol_binding="JSONRPC", protocol_version=version)
            for version in (PROTOCOL_VERSION_1_0, PROTOCOL_VERSION_0_3)
        ],
        capabilities=AgentCapabilities(streaming=True, push_notifications=False, extended_agent_card=False),
        default_input_modes=list(OUTPUT_TYPES),
        default_output_modes=list(OUTPUT_TYPES),
        skills=skills or [_workflow_skill("none", "")],  # for the SDK, which complains of a card without any
        security_schemes={name: SecurityScheme(**scheme) for name, scheme in authenticator.schemes.items()},
        security_requirements=[SecurityRequirement(schemes={name: StringList()}) for name in authenticator.schemes],
    )
    body = agent_card_to_dict(card)
    if not skills:
        body["skills"] = []
    if authenticator.schemes:
        body["authentication"] = {"schemes": [_old_name(name, body) for name in authenticator.schemes]}
    return body


def _old_name(name: str, body: dict[str, Any]) -> str:
    """Return what v0.1 calls a security scheme: HTTP's own name of it."""
    scheme = str(body["securitySchemes"][name].get("scheme", name))
    return scheme[:1].upper() + scheme[1:]


def _tool_skill(entry: Tool) -> AgentSkill:
    schema = entry.schema
    example = json.dumps({"tool": schema.name, "parameters": {}})
    return AgentSkill(
        id=schema.name,
        name=schema.name,
        description=schema.description or f"Calls the tool {schema.name}.",
        tags=["tool"],
        examples=[example],
        input_modes=[OUTPUT_TYPES[0]],
        output_modes=list(OUTPUT_TYPES),
    )


def _workflow_skill(name: str, description: str) -> AgentSkill:
    return AgentSkill(
        id=f"workflow:{name}",
        name=name,
        description=description or f"Runs the workflow {name}.",
        tags=["workflow"],
        examples=[name],
        input_modes=[OUTPUT_TYPES[1]],
        output_modes=list(OUTPUT_TYPES),
    )


class CardRoutes:
    """Serves the card at both of its well-known places, with an ETag."""

    def __init__(self, config: Config, reach: Reach, authenticator: Authenticator) -> None:
        self._config = config
        self._reach = reach
        self._authenticator = authenticator

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [Route(path, self._serve, methods=["GET"]) for path in CARD_PATHS]

    async def _serve(self, request: Request) -> Response:
        url = self._config.a2a.public_url or str(request.base_url)
        body = msgspec.json.encode(agent_card(self._config, self._reach, url, self._authenticator))
        tag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers={"ETag": tag})
        return Response(body, headers={"ETag": tag}, media_type="application/json")
