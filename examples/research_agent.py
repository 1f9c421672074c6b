"""A research agent: plans searches, replans when a source is down, and stays within a budget of tokens.

The sources and the model are local fakes; what is real is what Headway does with them.

    python examples/research_agent.py
"""

from __future__ import annotations

import asyncio

import headway

LIBRARY: dict[str, dict[str, list[str]]] = {
    "archive": {},  # down: see search
    "library": {
        "durable execution": ["Write-ahead logs", "Sagas in practice", "Replay and determinism"],
        "token buckets": ["Leaky and token buckets", "Fair queues"],
    },
}
TOKENS_A_PAGE = 300


@headway.tool
async def search(source: str, topic: str) -> list[str]:
    """Return the titles that a source has on a topic."""
    if source == "archive":
        raise headway.ToolError("the archive is down for maintenance")
    return LIBRARY[source].get(topic, [])


@headway.tool(estimate={"tokens": TOKENS_A_PAGE}, returns={"type": "string"})
async def summarise(titles: list[str], number: int) -> headway.ToolResult:
    """Sum up one of the titles. A fake model, which uses a little less than it declares."""
    title = titles[number % len(titles)]
    return headway.ToolResult(f"{title}: in short.", usage={"tokens": TOKENS_A_PAGE - 20})


@headway.tool
async def write_answer(topic: str, notes: list[str]) -> str:
    """Make one answer of the notes."""
    return f"On {topic}: {' '.join(notes)}"


def make_plan(topic: str, source: str, pages: int) -> headway.Plan:
    """Return a plan that answers a topic from one source."""
    plan = headway.Plan(goal=topic, source="research-agent", context={"source": source, "pages": pages})
    titles = plan.call(search, source, topic)
    notes = [plan.call("summarise", titles=titles.output, number=number) for number in range(pages)]
    plan.call(write_answer, topic, [note.output for note in notes])
    return plan


async def next_source(context: headway.ReplanContext) -> headway.Plan | None:
    """Answer an abort: try the library where the archive failed, else give up."""
    tried = context.proposal.context
    if tried["source"] == "archive" and any(failed.tool == "search" for failed in context.failed):
        return make_plan(context.goal, "library", tried["pages"])
    return None


async def research(
    runtime: headway.Runtime, topic: str, *, pages: int = 2, budget: headway.CostBudget | None = None
) -> headway.ProposalResult:
    """Answer one topic in a scope of its own, so that many can be worked on concurrently."""
    plan = make_plan(topic, "archive", pages)
    run = runtime.start(plan, scope=headway.Scope.new(), budget=budget, replan=next_source)
    async for event in run.events():
        if event.kind == "action_failed":
            print(f"  {topic}: {event.data['error']}")
        elif event.kind == "budget_exhausted":
            print(f"  {topic}: the budget is used up")
    return await run


async def answer_all() -> list[headway.ProposalResult]:
    """Work on three topics concurrently: two fit their budget, one does not."""
    async with headway.Runtime(tools=[search, summarise, write_answer]) as runtime:
        tokens = headway.CostBudget(tokens=2 * TOKENS_A_PAGE)
        return list(
            await asyncio.gather(
                research(runtime, "durable execution", budget=tokens),
                research(runtime, "token buckets", budget=tokens),
                research(runtime, "durable execution", pages=4, budget=tokens),
            )
        )


def main() -> None:
    """Print what became of each topic: how many plans it took, what it cost, and the answer."""
    for result in asyncio.run(answer_all()):
        plans = len(result.replan_lineage)
        print(f"{result.status} ({result.outcome or 'ok'}) after {plans} plans, {result.cost.tokens} tokens")
        if result.ok:
            print(f"  {result['write_answer'].output}")


if __name__ == "__main__":
    main()
