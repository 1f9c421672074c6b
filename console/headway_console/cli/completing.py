"""Completion of names that the command line's own tables do not have: jobs, questions, servers, recordings and others.

Only looks: the store is read, nothing is asked, started or loaded. What goes wrong or takes long completes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from headway.inference import ModelRegistry
    from headway.store import Reader
    from headway_console.cli.place import Place

LIMIT_S = 1.0
"""The longest that a store may take to answer."""

NEWEST = 200


def job_ids(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the ids of the newest jobs."""

    async def read(reader: Reader) -> list[tuple[str, str]]:
        rows = await reader.jobs(limit=NEWEST)
        return [(row.job_id, f"{row.status}: {row.title}") for row in rows]

    return _items(incomplete, _ask(ctx, read))


def question_ids(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the ids of open questions, the most blocking first."""

    async def read(reader: Reader) -> list[tuple[str, str]]:
        return [(question.id, question.prompt) for question in (await reader.inbox_view()).waiting()[:NEWEST]]

    return _items(incomplete, _ask(ctx, read))


def checkpoint_ids(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the ids of checkpoints: those saved by hand, and level ends of the newest jobs."""

    async def read(reader: Reader) -> list[tuple[str, str]]:
        from headway.jobs.history import History

        found = await History(reader).checkpoints(None, None)
        return [(point.checkpoint_id, point.name or point.kind) for point in found]

    return _items(incomplete, _ask(ctx, read))


def thread_ids(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the ids of the newest threads."""

    async def read(reader: Reader) -> list[tuple[str, str]]:
        from headway.threads.reading import list_threads

        rows, _ = list_threads(await reader.threads_view(), include_archived=True, limit=NEWEST)
        return [(row.id, f"{row.status}: {row.name or row.preview}") for row in rows]

    return _items(incomplete, _ask(ctx, read))


def schedule_names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the names of schedules: those of the home."""

    async def read(reader: Reader) -> list[tuple[str, str]]:
        rows = (await reader.schedules_view()).schedules.values()
        return [(row.name, f"{row.cron or row.at}: {row.workflow or row.plan}") for row in rows]

    return _items(incomplete, _ask(ctx, read))


def time_zones(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the names of time zones."""
    from zoneinfo import available_timezones

    return _items(incomplete, [(name, "") for name in sorted(available_timezones())])


def workflows(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the names of the workflows of headway.toml."""
    return _items(incomplete, _workflows(ctx))


def mcp_servers(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the names of the MCP servers of headway.toml."""
    try:
        servers = _place(ctx).config().mcp.servers
    except Exception:  # noqa: BLE001 - a completion never fails, whatever is wrong with what it reads
        return []
    return _items(incomplete, [(name, server.shown) for name, server in servers.items()])


def plans(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the names of workflows, else files."""
    return workflows(ctx, parameter, incomplete) or [CompletionItem(incomplete, type="file")]


def recordings(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the names of recordings, else files."""
    from headway_console.cli.library import recordings_by_name

    found = _items(incomplete, [(name, str(path.parent)) for name, path in recordings_by_name().items()])
    return found or [CompletionItem(incomplete, type="file")]


def model_names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete aliases and the names of models, as PROVIDER/MODEL."""

    def read(registry: ModelRegistry) -> list[tuple[str, str]]:
        named = [(f"{one.name}/{model.id}", one.vendor) for one in registry.providers for model in one.models]
        return [*registry.aliases.items(), *named]

    return _items(incomplete, _models(ctx, read))


def provider_names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the names of providers of models."""
    return _items(incomplete, _models(ctx, lambda registry: [(one.name, one.vendor) for one in registry.providers]))


def _models(ctx: click.Context, read: Callable[[ModelRegistry], list[tuple[str, str]]]) -> list[tuple[str, str]]:
    try:
        from headway_console.cli.models import registry_at

        return [(name, text) for name, text in read(registry_at(_place(ctx))) if name.isprintable()]
    except Exception:  # noqa: BLE001 - likewise
        return []


def _items(incomplete: str, found: list[tuple[str, str]]) -> list[CompletionItem]:
    return [CompletionItem(name, help=_plain(text)) for name, text in found if name.startswith(incomplete)]


def _plain(text: str) -> str:
    """Return a text from a log as shells may show it: one line, no control characters."""
    from headway.errors import one_line
    from headway_console.text import clean

    return clean(one_line(text, 60))


def _workflows(ctx: click.Context) -> list[tuple[str, str]]:
    try:
        config = _place(ctx).config()
    except Exception:  # noqa: BLE001 - a completion never fails, whatever is wrong with what it reads
        return []
    return [(name, workflow.description) for name, workflow in config.workflows.items() if name.isprintable()]


def _ask(ctx: click.Context, read: Callable[[Reader], Awaitable[list[tuple[str, str]]]]) -> list[tuple[str, str]]:
    import asyncio

    from headway_console.cli.reading import open_store

    async def main() -> list[tuple[str, str]]:
        async with asyncio.timeout(LIMIT_S), open_store(_place(ctx).home_to_look()) as reader:
            return await read(reader)

    try:
        return asyncio.run(main())
    except Exception:  # noqa: BLE001 - likewise
        return []


def _place(ctx: click.Context) -> Any:
    from headway_console.cli.place import Place

    found: Place = ctx.ensure_object(Place)
    return found
