"""A crawler that a token bucket slows down, and that is cancelled once it has enough.

What had not started is skipped, what is in flight ends, and what was fetched is kept.

    python examples/crawler.py
"""

from __future__ import annotations

import asyncio

import headway

SITE = {f"/page/{n}": f"<h1>Page {n}</h1>" for n in range(40)}
ENOUGH = 12


@headway.tool(rate_limit=(4, 0.25), idempotent=True)
async def fetch(path: str) -> str:
    """Fetch a page of a site that is a dict here: at most four requests per quarter of a second."""
    return SITE[path]


def make_plan() -> headway.Plan:
    """Return a plan that fetches every page; a page that is missing does not stop the others."""
    plan = headway.Plan(goal="fetch the site")
    for path in [*SITE, "/gone"]:
        plan.call(fetch, path).options(id=path, failure_behavior="skip")
    return plan


async def crawl(
    enough: int = ENOUGH, clock: headway.clock.Clock = headway.clock.SYSTEM_CLOCK
) -> headway.ProposalResult:
    """Fetch pages until ``enough`` have come, and return what became of each."""
    async with headway.Runtime(tools=[fetch], clock=clock) as runtime:

        def on_news(view: headway.RunView) -> None:
            fetched = sum(action.status == "succeeded" for action in view.actions)
            if fetched >= enough and run.cancel(f"{fetched} pages are enough"):
                print(f"cancelled after {fetched} pages")

        run = runtime.start(make_plan(), progress=on_news)
        return await run


def main() -> None:
    """Crawl, and print how it ended."""
    result = asyncio.run(crawl())
    pages = [action for action in result.results if action.status is headway.ActionStatus.SUCCEEDED]
    left = [action for action in result.results if action.status is headway.ActionStatus.SKIPPED]
    slowest = max(action.waited_ms or 0 for action in pages)
    print(f"{result.status}: {len(pages)} pages, the last waited {slowest:.0f} ms for a token; {len(left)} not fetched")
    print(f"of those, for example {left[0].action_id}: {left[0].error}")


if __name__ == "__main__":
    main()
