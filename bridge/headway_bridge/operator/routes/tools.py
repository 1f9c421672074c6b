"""The tools that plans may call."""

from __future__ import annotations

from fastapi import APIRouter, Response

from headway.client.wire import ToolInfo
from headway_bridge.operator.answers import answer
from headway_bridge.operator.context import Op
from headway_bridge.operator.spec import documented

router = APIRouter(tags=["tools"])


@router.get("/tools", **documented(list[ToolInfo]))
async def tools(operator: Op) -> Response:
    """Return every registered tool with its schema, by name."""
    entries = sorted(operator.engine.registry.entries(), key=lambda entry: entry.schema.name)
    return answer(
        [
            ToolInfo(
                name=entry.schema.name,
                description=entry.schema.description,
                parameters=entry.schema.parameters,
                returns=entry.schema.returns,
                idempotent=entry.schema.idempotent,
                rate_limit=None if entry.schema.rate_limit is None else entry.schema.rate_limit.to_dict(),
                source=entry.source,
                permission=entry.permission,
                category=entry.category,
                writes_files=entry.writes_files,
            )
            for entry in entries
        ]
    )
