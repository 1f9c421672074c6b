"""Makes the recordings beside it: each is what the runtime records of a made-up plan, on a virtual clock.

    python recordings/make.py             writes the files
    python recordings/make.py --check     exit status 1 if a file is not what would be written

The tools do nothing but wait on the clock, so a run of a minute takes no time and every run gives the same bytes. Job
ids and process ids, which the runtime takes from elsewhere, are replaced by fixed ones.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from headway import CancellationToken, CostBudget, EventLog, Runtime, ToolContext, ToolError, ToolResult
from headway.events.event import Event
from headway.events.recording import write_recording
from headway.testing import VirtualClock

FOLDER = Path(__file__).resolve().parent

START_MS = 1_767_258_000_000
START = "2026-01-01T09:00:00.000Z"
PID = 4711

# What a page may hold that must reach no terminal as it is: markup, escapes, wide and joined and backward characters.
HOSTILE = (
    "[red]not a colour[/red] [/] [bold\n"
    "\x1b[31mno escape\x1b[0m \x1b]0;no title\x07 \x9b2J\r\ttab\x00\x7f\n"
    "見出し：年次報告書 한국어 ｗｉｄｅ 👩‍👩‍👧 e\u0301 \u202eright to left\u202c \u200bzero width"
)

Json = dict[str, Any]


@dataclass(frozen=True)
class Recipe:
    """One recording: a plan, what it runs under, and who interferes."""

    title: str
    job_id: str
    plan: Json
    budget: CostBudget
    limits: dict[str, tuple[int, float]]
    max_concurrency: int = 64
    cancel_at: float | None = None
    cancel_reason: str = ""
    cancel_by: str = ""


def tool(name: str, tool: str, parameters: Json | None = None, **more: Any) -> Json:
    """An action that calls a tool. Its documents flow by ``$id.output``, which also orders it."""
    return {"id": name, "type": "tool_call", "tool": tool, "parameters": parameters or {}, **more}


def proposal(name: str, title: str, actions: list[Json]) -> Json:
    """A whole plan."""
    return {"id": name, "source": "recordings", "timestamp": START, "actions": actions, "context": {"title": title}}


def write(name: str, key: str, value: Any, **more: Any) -> Json:
    """An action that writes state."""
    return {"id": name, "type": "state_write", "parameters": {"key": key, "value": value}, **more}


# -- the tools ---------------------------------------------------------------------------------------------------------


class Tools:
    """Tools that take their time on the clock and fail as the plan says."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def all(self) -> list[Callable[..., Awaitable[Any]]]:
        """Every tool, as functions to register."""
        clock = self._clock

        async def list_archive(folder: str) -> list[str]:
            """List what an archive holds."""
            await clock.sleep(0.42)
            return [f"{folder}/{name}.pdf" for name in ("jan", "feb", "mar", "apr", "may", "jun")]

        async def fetch(url: str, seconds: float = 0.9) -> Json:
            """Fetch a document."""
            await clock.sleep(seconds)
            return {"url": url, "bytes": 18_000 + round(seconds * 7000), "etag": f"w-{round(seconds * 100)}"}

        async def parse(document: Json, pages: int, ctx: ToolContext, fails: int = 0) -> Json:
            """Parse a document, page by page; its first ``fails`` attempts break off half-way."""
            for page in range(1, pages + 1):
                await clock.sleep(0.35)
                ctx.report_progress(page, pages, f"page {page} of {pages}")
                if ctx.attempt <= fails and page > pages // 2:
                    raise ToolError(f"page {page}: unexpected end of stream (attempt {ctx.attempt})")
            return {"url": document["url"], "pages": pages, "words": pages * 412}

        async def classify(document: Json) -> ToolResult:
            """Say what a document is about."""
            await clock.sleep(0.8)
            kind = "invoice" if document["pages"] % 2 else "report"
            return ToolResult({"url": document["url"], "kind": kind}, usage={"input_tokens": 300 + document["words"]})

        async def convert(document: Json, to: str) -> Json:
            """Convert a document; knows two formats."""
            await clock.sleep(0.6)
            if to not in ("text", "html"):
                raise ToolError(f"cannot convert to [{to}]: no such format")
            return {"url": document["url"], "format": to}

        async def merge(parts: list[Json], ctx: ToolContext) -> ToolResult:
            """Merge what was found into one index."""
            for done in range(1, len(parts) + 1):
                await clock.sleep(0.3)
                ctx.report_progress(done, len(parts))
            words = sum(part.get("words", 0) for part in parts)
            return ToolResult({"documents": len(parts), "words": words}, effects={"index": {"documents": len(parts)}})

        async def summarize(index: Json, style: str) -> ToolResult:
            """Write a summary."""
            await clock.sleep(2.4)
            text = f"{index['documents']} documents, {index['words']} words.\n{HOSTILE}"
            return ToolResult({"style": style, "text": text}, usage={"input_tokens": 900, "output_tokens": 260})

        async def deploy(service: str, seconds: float, broken: bool = False) -> ToolResult:
            """Bring a service to its new version."""
            await clock.sleep(seconds)
            if broken:
                raise ToolError(f"{service}: health check answered 503 \x1b[1m[service unavailable]\x1b[0m")
            return ToolResult({"service": service, "version": "2.4.0"}, effects={f"version.{service}": "2.4.0"})

        async def undo(service: str) -> str:
            """Bring a service back to its old version."""
            await clock.sleep(0.7)
            return f"{service} is back at 2.3.1"

        return [list_archive, fetch, parse, classify, convert, merge, summarize, deploy, undo]


# -- the plans ---------------------------------------------------------------------------------------------------------

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun")


def fetches(seconds: tuple[float, ...]) -> list[Json]:
    """One fetch a month; the archive's limit makes most of them wait."""
    return [
        tool(
            f"fetch-{month}",
            "fetch",
            {"url": f"https://archive.example/2025/{month}.pdf", "seconds": took},
            dependencies=["list"],
            idempotent=True,
            timeout_ms=8000,
        )
        for month, took in zip(MONTHS, seconds, strict=False)
    ]


def good_run() -> Recipe:
    """Seven levels, all of it done but for two actions: one that fails and may, and the one that needs it."""
    pages = {"jan": 4, "feb": 7, "mar": 3, "apr": 8, "may": 5, "jun": 6}
    actions = [
        write("begin", "report", {"year": 2025, "status": "begun"}),
        tool("list", "list_archive", {"folder": "archive/2025"}),
        *fetches((0.9, 1.3, 0.7, 1.1, 0.8, 1.6)),
        *[
            tool(
                f"parse-{month}",
                "parse",
                {"document": f"$fetch-{month}.output", "pages": count, "fails": 2 if month == "apr" else 0},
                failure_behavior="retry",
                max_retries=3,
            )
            for month, count in pages.items()
        ],
        tool("convert-feb", "convert", {"document": "$parse-feb.output", "to": "html"}),
        tool("convert-mar", "convert", {"document": "$parse-mar.output", "to": "見出し"}, failure_behavior="skip"),
        *[
            tool(f"classify-{month}", "classify", {"document": f"$parse-{month}.output"})
            for month in ("jan", "apr", "jun")
        ],
        tool("merge", "merge", {"parts": [f"$parse-{month}.output" for month in MONTHS]}, dependencies=["convert-feb"]),
        tool("cover-mar", "merge", {"parts": ["$convert-mar.output"]}),
        tool("summary", "summarize", {"index": "$merge.output", "style": "[bold]short[/bold]"}),
        write("finish", "report", {"year": 2025, "status": "written"}, dependencies=["summary"]),
    ]
    plan = proposal("good-run", "Yearly report", actions)
    limits = {"fetch": (2, 4.0), "classify": (1, 1.5)}
    return Recipe("A good run: the yearly report", "900d00000001", plan, CostBudget(tool_calls=26), limits)


def cancelled_run() -> Recipe:
    """Cancelled in the middle of its third level, with calls in flight and others waiting for the bucket."""
    actions = [
        tool("list", "list_archive", {"folder": "archive/2025"}),
        write("begin", "batch", {"name": "half-year", "status": "begun"}),
        *fetches((0.6, 0.9, 0.8, 1.2, 0.7, 0.5)),
        *[
            tool(f"parse-{month}", "parse", {"document": f"$fetch-{month}.output", "pages": 5 + number})
            for number, month in enumerate(MONTHS)
        ],
        *[tool(f"classify-{month}", "classify", {"document": f"$parse-{month}.output"}) for month in MONTHS],
        tool("merge", "merge", {"parts": [f"$parse-{month}.output" for month in MONTHS]}),
        tool("summary", "summarize", {"index": "$merge.output", "style": "long"}),
    ]
    plan = proposal("cancelled-run", "Half-year batch", actions)
    return Recipe(
        "A cancelled run: the half-year batch",
        "ca9ce1000001",
        plan,
        CostBudget(tool_calls=40, tokens=20_000),
        {"fetch": (3, 3.0), "parse": (3, 9.0)},
        max_concurrency=3,
        cancel_at=5.9,
        cancel_reason="wrong archive, see [TICKET-7] \x1b[5mblink\x1b[0m",
        cancel_by="ana",
    )


def failing_run() -> Recipe:
    """A roll-out that aborts in its fourth level: retries used up, siblings finished, everything rolled back."""
    services = ("auth", "search", "billing", "mail")
    actions = [
        write("freeze", "freeze", True),
        tool("manifest", "fetch", {"url": "https://releases.example/2.4.0.json", "seconds": 0.5}),
        *[
            tool(
                f"deploy-{service}",
                "deploy",
                {"service": service, "seconds": 1.2 + number * 0.7},
                dependencies=["manifest", "freeze"],
                reversibility="compensable",
                compensation={"type": "tool", "tool": "undo", "parameters": {"service": service}},
            )
            for number, service in enumerate(services)
        ],
        *[
            tool(
                f"verify-{service}",
                "fetch",
                {"url": f"https://{service}.example/health", "seconds": 0.4 + number * 0.2},
                dependencies=[f"deploy-{service}"],
                idempotent=True,
            )
            for number, service in enumerate(services)
        ],
        write("traffic", "traffic", {"canary": 25}, dependencies=[f"verify-{service}" for service in services]),
        tool(
            "deploy-gateway",
            "deploy",
            {"service": "gateway", "seconds": 0.9, "broken": True},
            dependencies=["verify-auth", "verify-search"],
            failure_behavior="retry",
            max_retries=2,
        ),
        tool("deploy-edge", "deploy", {"service": "edge", "seconds": 2.6}, dependencies=["verify-mail"]),
        tool("verify-gateway", "fetch", {"url": "https://gateway.example/health"}, dependencies=["deploy-gateway"]),
        tool("announce", "summarize", {"index": "$verify-gateway.output", "style": "news"}),
        write("thaw", "freeze", False, dependencies=["announce"]),
    ]
    plan = proposal("failing-run", "Roll out 2.4.0", actions)
    limits = {"fetch": (1, 0.75), "deploy": (2, 1.0)}
    return Recipe("A failing run: roll-out of 2.4.0", "fa1100000001", plan, CostBudget(tool_calls=14), limits)


RECIPES = {"good-run": good_run, "cancelled-run": cancelled_run, "failing-run": failing_run}


# -- making them -------------------------------------------------------------------------------------------------------


async def record(recipe: Recipe) -> list[Event]:
    """Run the plan and return what was recorded."""
    clock = VirtualClock(start_ms=START_MS, autojump=True)
    log = EventLog(clock=clock)
    runtime = Runtime(log=log, clock=clock, max_concurrency=recipe.max_concurrency)
    for function in Tools(clock).all():
        runtime.register_tool(function)
    for name, (calls, seconds) in recipe.limits.items():
        runtime.set_rate_limit(name, calls, seconds)
    runtime.set_cost_budget(recipe.budget)
    token = CancellationToken()
    if recipe.cancel_at is not None:
        clock.call_later(recipe.cancel_at, token.cancel, recipe.cancel_reason, recipe.cancel_by)
    await runtime.execute_with_cancel(recipe.plan, token)
    events = await log.read(limit=100_000)
    await log.close()
    return settled(events, recipe.job_id)


def settled(events: list[Event], job_id: str) -> list[Event]:
    """Put fixed ids in the place of those that are made by chance."""
    made = next(event.job_id for event in events if event.job_id)
    text = msgspec.json.encode(events).replace(made.encode(), job_id.encode())
    events = msgspec.json.decode(text, type=list[Event])
    for event in events:
        if "pid" in event.data:
            event.data["pid"] = PID
    return events


def make(name: str, path: Path) -> None:
    """Write the recording ``name`` to ``path``."""
    recipe = RECIPES[name]()
    write_recording(path, recipe.title, asyncio.run(record(recipe)))
    path.chmod(0o644)


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or compare them."""
    parser = argparse.ArgumentParser(description="Make the shipped recordings.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if a file would change")
    check: bool = parser.parse_args(arguments).check
    stale = []
    for name in RECIPES:
        path = FOLDER / f"{name}.jsonl"
        if not check:
            make(name, path)
            continue
        with tempfile.TemporaryDirectory() as folder:
            fresh = Path(folder) / path.name
            make(name, fresh)
            if not path.exists() or path.read_bytes() != fresh.read_bytes():
                stale.append(path.name)
    if stale:
        sys.stderr.write(f"not what recordings/make.py makes: {', '.join(stale)}; run it and look at the change\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
