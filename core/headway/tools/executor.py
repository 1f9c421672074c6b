"""Tool executors: one object that runs tools registered by name or schema alone, as CAR's ``ToolExecutor``."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, runtime_checkable

from headway.errors import InvalidInput, ToolError, describe
from headway.tools.context import ToolContext
from headway.tools.registry import ToolEntry
from headway.tools.schema import ToolSchema
from headway.tools.signature import takes_context
from headway.tools.stream import CONTEXT


@runtime_checkable
class ToolExecutor(Protocol):
    """Runs tools by name. With a third parameter annotated ``ToolContext`` it is a :class:`ContextualExecutor`."""

    async def execute(self, tool: str, params: dict[str, Any]) -> Any:
        """Return the tool's output (plain JSON or a :class:`headway.ToolResult`); raise to say that it failed."""


class ContextualExecutor(Protocol):
    """Runs tools by name and is told about each call, as CAR's executors with ``execute_with_action`` are."""

    async def execute(self, tool: str, params: dict[str, Any], context: ToolContext, /) -> Any:
        """Do what :meth:`ToolExecutor.execute` does; ``context`` has the action, attempt, key, deadline and so on."""


Execute = Callable[[str, dict[str, Any]], Awaitable[Any]] | Callable[[str, dict[str, Any], ToolContext], Awaitable[Any]]

Executor = ToolExecutor | ContextualExecutor | Execute
"""An object with ``execute`` that runs tools by name, or such a function."""


class ExecutorTools:
    """Makes entries for tools that have no function of their own: ``executor`` is asked at each call."""

    def __init__(self, executor: Executor | None = None) -> None:
        self._execute: Callable[..., Awaitable[Any]] | None = None
        self._contextual = False
        self.set(executor)

    def set(self, executor: Executor | None) -> None:
        """Use this executor from the next call on; a plain coroutine function ``(tool, params)`` will do.

        So will an object that is called like one. Each may take a :class:`ToolContext` as its third parameter, which
        its annotation tells. Raises :class:`InvalidInput` for anything else.
        """
        if executor is None:
            self._execute = None
            return
        execute: Any = getattr(executor, "execute", executor)
        if not (inspect.iscoroutinefunction(execute) or inspect.iscoroutinefunction(type(execute).__call__)):
            raise InvalidInput("a tool executor has a method `async def execute(tool, params)`")
        self._contextual = takes_context(execute, "a tool executor", position=2)
        self._execute = execute

    def entry(self, schema: ToolSchema) -> ToolEntry:
        """Return an entry for ``schema`` that calls the executor."""

        async def call(**params: Any) -> Any:
            context = params.pop(CONTEXT, None) or ToolContext()
            if self._execute is None:
                raise ToolError(f"no executor is set for tool '{schema.name}'")
            told = (context,) if self._contextual else ()
            try:
                return await self._execute(schema.name, params, *told)
            except SystemExit as error:  # asyncio would let it end the process
                raise ToolError(describe(error)) from error

        return ToolEntry(schema, call=call, is_async=True, context_param=CONTEXT)
