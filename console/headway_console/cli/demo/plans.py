"""The plans of one round of the demo, and the second of the round at which each starts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

AUDIT = Path("plans") / "audit.json"
PAGES = 24
FRAMES = 13
SCENES = ("sea", "sky", "town")


class Entry(NamedTuple):
    """One run of a round: ``at_s`` seconds after the round's begin."""

    at_s: float
    title: str
    plan: dict[str, Any]
    cancel_s: float | None = None
    """Where nobody is there to cancel it: the second of the round at which the demo does."""
    checkpoint: str | None = None
    """The name of a checkpoint that is saved when the run has ended."""


def entries(workspace: Path, *, pace: float = 1.0) -> list[Entry]:
    """Return the runs of a round in the order of their start; ``pace`` stretches every wait of theirs.

    The last one outlasts the round: a console follows the newest run until one ends in sight.
    """
    audit = json.loads((workspace / AUDIT).read_bytes())
    return [
        Entry(0.0, "audit", audit),
        Entry(0.5 * pace, "release: a policy refuses it", _release(pace)),
        Entry(1 * pace, "crawl: a queue at a bucket, two retries", _crawl(pace)),
        Entry(2 * pace, "triage: a budget near its end", _triage(pace)),
        Entry(4 * pace, "import: a branch fails", _import(pace), checkpoint="imported"),
        Entry(6 * pace, "render: long; press x to cancel it", _render(pace), cancel_s=24 * pace),
    ]


def _plan(*actions: dict[str, Any]) -> dict[str, Any]:
    return {"source": "demo", "actions": list(actions)}


def _call(name: str, tool: str, parameters: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"id": name, "type": "tool_call", "tool": tool, "parameters": parameters, **options}


def _crawl(pace: float) -> dict[str, Any]:
    """Return a fetch of an index, then of all pages: more than their bucket lets through."""

    def fetch(number: int) -> dict[str, Any]:
        parameters = {"page": f"/docs/{number:02}", "seconds": 2 * pace, "flaky": number in (4, 9)}
        return _call(f"page_{number:02}", "fetch_page", parameters, dependencies=["index"], failure_behavior="retry")

    pages = [fetch(number) for number in range(1, PAGES + 1)]
    index = _call("index", "fetch_page", {"page": "/docs", "seconds": pace})
    words = {"items": [f"$page_{number:02}.output.words" for number in range(1, PAGES + 1)]}
    return _plan(index, *pages, _call("count", "count_items", words), _keep("pages", "$count.output"))


def _triage(pace: float) -> dict[str, Any]:
    """Return questions to a model, two at a time; together they take 94 of 100 tokens of the budget."""

    def asked() -> Iterator[dict[str, Any]]:
        for number in range(1, 9):
            parameters = {"ticket": f"ticket {100 + number}", "tokens": 1_175, "seconds": 5 * pace}
            before = {} if number < 3 else {"dependencies": [f"ticket_{number - 2}"]}
            yield _call(f"ticket_{number}", "ask_model", parameters, **before)

    labels = {"items": [f"$ticket_{number}.output.label" for number in range(1, 9)]}
    return _plan(*asked(), _call("labels", "count_items", labels), _keep("triaged", "$labels.output"))


def _import(pace: float) -> dict[str, Any]:
    """Return three branches of which one fails and is skipped."""
    sources = ("orders", "legacy", "customers")
    read = [_call(f"read_{name}", "read_rows", {"source": name, "seconds": 2 * pace}) for name in sources]
    stored = [
        _call(f"store_{name}", "store_rows", {"rows": f"$read_{name}.output", "seconds": 3 * pace}) for name in sources
    ]
    kept = [_keep(f"rows_{name}", f"$store_{name}.output") for name in sources]
    return _plan(*({**action, "failure_behavior": "skip"} for action in [*read, *stored]), *kept)


def _render(pace: float) -> dict[str, Any]:
    """Return three scenes whose frames are rendered one after the other, for a little more than a minute."""
    frames = []
    for number in range(1, FRAMES + 1):
        for scene in SCENES:
            before = {} if number == 1 else {"dependencies": [f"{scene}_{number - 1:02}"]}
            parameters = {"frame": number, "seconds": (3.5 + 0.5 * SCENES.index(scene)) * pace}
            frames.append(_call(f"{scene}_{number:02}", "render_frame", parameters, **before))
    return _plan(*frames)


def _release(pace: float) -> dict[str, Any]:
    """Return a deployment to two targets; the second is refused, and the first is undone."""

    def deployed(target: str, **options: Any) -> dict[str, Any]:
        undo = {"type": "tool", "tool": "withdraw", "parameters": {"target": target, "seconds": 2 * pace}}
        parameters = {"target": target, "seconds": 3 * pace}
        return _call(target, "deploy", parameters, reversibility="compensable", compensation=undo, **options)

    return _plan(deployed("staging"), deployed("production", dependencies=["staging"]))


def _keep(key: str, value: str) -> dict[str, Any]:
    return {"id": f"keep_{key}", "type": "state_write", "parameters": {"key": key, "value": value}}
