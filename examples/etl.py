"""An ETL of 200 actions: 66 days are extracted, cleaned and loaded side by side, then one report sums them up.

The tools take and return dates, paths, dataclasses and pydantic models; the plan passes them on as JSON.

    python examples/etl.py
"""

from __future__ import annotations

import csv
import datetime as dt
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

import headway

DAYS = 66


class Order(BaseModel):
    """One line of a day's orders."""

    number: int
    customer: str
    cents: int


@dataclass
class Loaded:
    """What one day brought into the warehouse."""

    day: dt.date
    file: Path
    orders: int
    cents: int


class Report(BaseModel):
    """The sum over all days."""

    days: int
    orders: int
    cents: int
    best_day: dt.date


@headway.tool
async def extract(day: dt.date) -> list[Order]:
    """Read the orders of a day. This source makes them up; each seventh is broken."""
    count = 3 + day.toordinal() % 5
    return [Order(number=n, customer=f"c{n % 3}", cents=-1 if n % 7 == 6 else 100 * (n + 1)) for n in range(count)]


@headway.tool
async def clean(orders: list[Order]) -> list[Order]:
    """Drop the orders that cannot be."""
    return [order for order in orders if order.cents >= 0]


@headway.tool
def load(day: dt.date, orders: list[Order], folder: Path) -> Loaded:
    """Write a day's orders into the warehouse. A tool that is not async has a thread, and may block."""
    file = folder / f"{day.isoformat()}.csv"
    with file.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([order.number, order.customer, order.cents] for order in orders)
    return Loaded(day, file, len(orders), sum(order.cents for order in orders))


@headway.tool
async def report(loads: list[Loaded]) -> Report:
    """Sum up what was loaded."""
    return Report(
        days=len(loads),
        orders=sum(load.orders for load in loads),
        cents=sum(load.cents for load in loads),
        best_day=max(loads, key=lambda load: load.cents).day,
    )


def make_plan(folder: Path, first: dt.date = dt.date(2026, 1, 1)) -> headway.Plan:
    """Return the plan: three actions a day, the report, and a state key that keeps it."""
    plan = headway.Plan(goal="load the quarter's orders")
    loads = []
    for day in (first + dt.timedelta(days=n) for n in range(DAYS)):
        orders = plan.call(extract, day).options(failure_behavior="retry")
        kept = plan.call(clean, orders.output)
        loads.append(plan.call(load, day, kept.output, folder))
    total = plan.call(report, [step.output for step in loads])
    plan.write("report", total.output)
    return plan


def main() -> None:
    """Check the plan, run it, print the report."""
    with tempfile.TemporaryDirectory() as folder:
        plan = make_plan(Path(folder))
        checked = plan.verify()
        print(f"{len(plan.proposal().actions)} actions in {len(checked.levels)} levels, valid: {checked.valid}")
        result = headway.run_sync(plan)  # with the functions that the plan calls as its tools
        total = Report.model_validate(result["report"].output)
        files = len(list(Path(folder).glob("*.csv")))
        print(f"{result.status}: {total.orders} orders of {total.days} days in {files} files")
        print(f"{total.cents / 100:.2f} in all, best day {total.best_day}")


if __name__ == "__main__":
    main()
