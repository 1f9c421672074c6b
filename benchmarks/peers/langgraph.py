"""langgraph: a map over ``Send`` for what is flat, a step for each layer; in memory, and with its SQLite checkpointer.

The graph is compiled, and the database opened, before the clock starts. Durability is the default one, in which the
writes of a step are made while the next one runs.
"""

from __future__ import annotations

import contextlib
import operator
import tempfile
import uuid
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver  # type: ignore[import-not-found]  # in the peer's own environment
from langgraph.graph import END, START, StateGraph  # type: ignore[import-not-found]  # in the peer's own environment
from langgraph.types import Send  # type: ignore[import-not-found]  # in the peer's own environment

from benchmarks.peers._serve import Cpu, peak_rss_mb, serve


class Plan(TypedDict):
    """The graph's state: layers still to run, how wide they are, and what came out."""

    left: int
    width: int
    results: Annotated[list[int], operator.add]


async def _noop(state: Plan) -> dict[str, Any]:
    return {"results": [1]}


async def _count(state: Plan) -> dict[str, Any]:
    return {"left": state["left"] - 1}


def _fan_out(state: Plan) -> list[Send] | str:
    return [Send("noop", state) for _ in range(state["width"])] if state["left"] else END


def _layered(saver: Any) -> Any:
    """Return a graph of layers: each is counted, then fanned out, then joined by the next one's count."""
    graph = StateGraph(Plan)
    graph.add_node("noop", _noop)
    graph.add_node("count", _count)
    graph.add_conditional_edges(START, _fan_out, ["noop", END])
    graph.add_edge("noop", "count")
    graph.add_conditional_edges("count", _fan_out, ["noop", END])
    return graph.compile(checkpointer=saver)


async def _step(state: Plan) -> dict[str, Any]:
    return {"left": state["left"] - 1, "results": [1]}


def _chained(saver: Any) -> Any:
    """Return a graph of one node that goes on until nothing is left."""
    graph = StateGraph(Plan)
    graph.add_node("step", _step)
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda state: "step" if state["left"] else END, ["step", END])
    return graph.compile(checkpointer=saver)


async def _cost(graph: Any, layers: int, width: int) -> float:
    config = {"configurable": {"thread_id": uuid.uuid4().hex}, "recursion_limit": 3 * layers + 10}
    with Cpu() as cpu:
        state = await graph.ainvoke({"left": layers, "width": width, "results": []}, config)
    assert len(state["results"]) == layers * width
    return cpu.us(layers * width)


@contextlib.asynccontextmanager
async def _saver() -> AsyncIterator[AsyncSqliteSaver]:
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncSqliteSaver.from_conn_string(str(Path(folder) / "graph.db")) as saver:
            await saver.setup()
            yield saver


async def layers(count: int, width: int) -> float:
    """Return µs of CPU an action, in memory."""
    return await _cost(_layered(None), count, width)


async def chain(count: int) -> float:
    """Return µs of CPU an action, in memory."""
    return await _cost(_chained(None), count, 1)


async def durable_layers(count: int, width: int) -> float:
    """Return µs of CPU an action, with SQLite."""
    async with _saver() as saver:
        return await _cost(_layered(saver), count, width)


async def durable_chain(count: int) -> float:
    """Return µs of CPU an action, with SQLite."""
    async with _saver() as saver:
        return await _cost(_chained(saver), count, 1)


async def memory(count: int) -> float:
    """Return the peak of this process's resident memory in MB once it has run that many flat actions."""
    if count:
        await layers(1, count)
    return peak_rss_mb()


if __name__ == "__main__":
    serve(
        version("langgraph"),
        {
            "flat": lambda count: layers(1, count),
            "layers": layers,
            "chain": chain,
            "durable_flat": lambda count: durable_layers(1, count),
            "durable_layers": durable_layers,
            "durable_chain": durable_chain,
            "memory": memory,
        },
        warm=("flat 50", "chain 5", "durable_flat 20"),
    )
