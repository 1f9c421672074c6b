"""Tool executors: one object that runs tools registered by name or schema alone, as CAR's ``ToolExecutor``."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, runtime_checkable

from headway.errors import InvalidInput, ToolError, describe
from headway.plan.model import ToolSchema
from headway.tools.registry import ToolEntry


@runtime_checkable
class ToolExecutor(Protocol):
    """Runs tools by name."""

    async def execute(self, tool: str, params: dict[str, Any]) -> Any:
        """Return the tool's output (plain JSON or a :class:`headway.ToolResult`); raise to say that it failed."""


Execute = Callable[[str, dict[str, Any]], Awaitable[Any]]


class ExecutorTools:
    """Makes entries for tools that have no function of their own: ``executor`` is asked at each call."""

    def __init__(self, executor: ToolExecutor | Execute | None = None) -> None:
        self._execute: Execute | None = None
        self.set(executor)

    def set(self, executor: ToolExecutor | Execute | None) -> None:
        """Use this executor from the next call on; a plain coroutine function ``(tool, params)`` will do.

        So will an object that is called like one. Raises :class:`InvalidInput` for anything else.
        """
        if executor is None:
            self._execute = None
            return
        execute: Any = getattr(executor, "execute", executor)
        if not (inspect.iscoroutinefunction(execute) or inspect.iscoroutinefunction(type(execute).__call__)):
            raise InvalidInput("a tool executor has a method `async def execute(tool, params)`")
        self._execute = execute

    def entry(self, schema: ToolSchema) -> ToolEntry:
        """Return an entry for ``schema`` that calls the executor."""

        async def call(**params: Any) -> Any:
            if self._execute is None:
                raise ToolError(f"no executor is set for tool '{schema.name}'")
            try:
                return await self._execute(schema.name, params)
            except SystemExit as error:  # asyncio would let it end the process
                raise ToolError(describe(error)) from error

        return ToolEntry(schema, call=call, is_async=True)
