"""Tools of the demo: each waits for as long as its parameter says, and touches neither network nor disk."""

import asyncio
from typing import Any

import headway

STEP_S = 0.25


async def _work(seconds: float, ctx: headway.ToolContext, message: str) -> None:
    """Spend that many seconds in small steps, telling how far it is; a cancel ends it early."""
    steps = max(1, round(seconds / STEP_S))
    for step in range(1, steps + 1):
        if ctx.cancel.is_cancelled():
            raise headway.ToolError(f"stopped after {step - 1} of {steps} steps: {ctx.cancel.reason}")
        await asyncio.sleep(seconds / steps)
        ctx.report_progress(step, steps, message)


@headway.tool(idempotent=True)
async def fetch_page(page: str, seconds: float, flaky: bool = False, *, ctx: headway.ToolContext) -> dict[str, Any]:
    """Pretend to fetch a page; a flaky one answers 503 to the first attempt."""
    await _work(seconds, ctx, page)
    if flaky and ctx.attempt == 1:
        raise headway.ToolError(f"{page}: 503 service unavailable")
    return {"page": page, "words": 100 + 37 * len(page)}


@headway.tool
async def ask_model(ticket: str, tokens: int, seconds: float, *, ctx: headway.ToolContext) -> headway.ToolResult:
    """Pretend to ask a model about a ticket, which uses that many tokens."""
    await _work(seconds, ctx, ticket)
    label = ("bug", "question", "wish")[len(ticket) % 3]
    return headway.ToolResult({"ticket": ticket, "label": label}, usage={"total_tokens": tokens}, cost=3 * tokens)


@headway.tool
async def read_rows(source: str, seconds: float, *, ctx: headway.ToolContext) -> int:
    """Pretend to read rows; there is something wrong with those of "legacy"."""
    await _work(seconds, ctx, source)
    if source == "legacy":
        raise headway.ToolError("legacy: row 1,204 has 3 columns where 4 were expected")
    return 1000 + len(source)


@headway.tool
async def store_rows(rows: int, seconds: float, *, ctx: headway.ToolContext) -> str:
    """Pretend to store rows."""
    await _work(seconds, ctx, f"{rows} rows")
    return f"{rows} rows stored"


@headway.tool(idempotent=True)
async def render_frame(frame: int, seconds: float, *, ctx: headway.ToolContext) -> str:
    """Pretend to render a frame."""
    await _work(seconds, ctx, f"frame {frame}")
    return f"frame-{frame:03}.png"


@headway.tool
async def deploy(target: str, seconds: float, *, ctx: headway.ToolContext) -> str:
    """Pretend to deploy to a target."""
    await _work(seconds, ctx, target)
    return f"deployed to {target}"


@headway.tool
async def withdraw(target: str, seconds: float, *, ctx: headway.ToolContext) -> str:
    """Pretend to take a deployment back."""
    await _work(seconds, ctx, target)
    return f"withdrawn from {target}"
