"""Shared state under load: 150 orders come for 100 pieces, from two faces, and none is sold twice.

Runs on one scope take turns, whoever started them: the shop embedded in this program, or jobs submitted to the engine.

    python examples/shared_stock.py
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

import headway

PIECES = 100
ORDERS = 150
SCOPE = "warehouse"


@headway.tool
async def take(customer: str, ctx: headway.ToolContext) -> headway.ToolResult:
    """Take one piece from the stock, which is state: the tool reads it and says what it becomes."""
    stock = ctx.state["stock"]
    if stock == 0:
        raise headway.TerminalToolError("sold out")
    await asyncio.sleep(0)  # others could come between, were there no turns
    return headway.ToolResult({"customer": customer, "piece": stock}, effects={"stock": stock - 1})


def order(number: int) -> headway.Plan:
    """Return the plan of one order."""
    plan = headway.Plan(goal=f"order {number}")
    plan.call("take", customer=f"c{number}").options(id="take", read_set=["stock"], write_set=["stock"])
    return plan


async def sell(home: Path) -> tuple[Counter[str], list[int], int]:
    """Sell until nothing is left; return how the orders ended, the pieces sold, and the stock."""
    async with await headway.Engine.open(home, tools=[take]) as engine:
        shop = await engine.runtime(SCOPE)
        shop.state.set("stock", PIECES)

        async def at_the_counter(number: int) -> headway.ProposalResult:
            return await shop.start(order(number))

        async def by_mail(number: int) -> headway.ProposalResult:
            job = await engine.submit(headway.Submission(order(number), context_id=SCOPE, title=f"Order {number}"))
            return (await engine.wait(job.job_id)).result()

        ways = (at_the_counter, by_mail)
        results = await asyncio.gather(*(ways[number % 2](number) for number in range(ORDERS)))
        ended = Counter(result["take"].error or result.status for result in results)
        pieces = [result["take"].output["piece"] for result in results if result.ok]
        return ended, pieces, shop.state["stock"]


def main() -> None:
    """Sell, and print that each piece was sold once."""
    with tempfile.TemporaryDirectory() as folder:
        ended, pieces, left = asyncio.run(sell(Path(folder) / "home"))
    print(f"{ORDERS} orders: {ended['completed']} completed, {ended['sold out']} sold out, {left} pieces left")
    print(f"each piece was sold once: {sorted(pieces) == list(range(1, PIECES + 1))}")


if __name__ == "__main__":
    main()
