"""``headway threads ls|show``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from headway_console.cli.completing import thread_ids
from headway_console.cli.options import Place, json_option, pass_place, place_options

if TYPE_CHECKING:
    from headway.events.views import ThreadRow
    from headway.threads import StoredMessage


@click.group("threads")
def command() -> None:
    """List threads and show what was said in them."""


@command.command("ls")
@click.option("--archived", is_flag=True, help="Also those that are archived.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="The most threads.")
@click.option("--cursor", metavar="CURSOR", help="The page after this one, as the page before told it.")
@json_option()
@place_options()
@pass_place
def ls(place: Place, archived: bool, limit: int, cursor: str | None, as_json: bool) -> None:
    """List threads, the newest first."""
    from headway.threads.reading import list_threads
    from headway_console.cli import loop
    from headway_console.cli.output import note, say, table, when, write_json
    from headway_console.cli.reading import open_store

    async def main() -> None:
        async with open_store(place.home_to_read()) as reader:
            view = await reader.threads_view()
        rows, after = list_threads(view, include_archived=archived, limit=limit, cursor=cursor)
        if as_json:
            write_json({"threads": rows, "next": after})
            return
        if not rows:
            say("no threads")
        else:
            columns = ("THREAD", "STATUS", "MESSAGES", "MODEL", "CREATED", "NAME")
            table(columns, [_row(row, when(row.created_ms)) for row in rows])
        if after is not None:
            note(f"there are more: --cursor {after}")

    loop.run(main())


@command.command("show")
@click.argument("thread_id", metavar="THREAD", shell_complete=thread_ids)
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="The most messages.")
@click.option("--cursor", metavar="CURSOR", help="The page after this one, as the page before told it.")
@json_option()
@place_options()
@pass_place
def show(place: Place, thread_id: str, limit: int, cursor: str | None, as_json: bool) -> None:
    """Show a thread: its settings, goal and usage, and a page of its messages, oldest first."""
    from headway.threads.reading import read_page, row_of
    from headway_console.cli import loop
    from headway_console.cli.output import note, say, table, when, write_json
    from headway_console.cli.reading import open_store

    async def main() -> None:
        async with open_store(place.home_to_read()) as reader:
            view = await reader.threads_view()
            row = row_of(view, thread_id)
            page = await read_page(reader, view, thread_id, cursor=cursor, limit=limit)
        if as_json:
            write_json({"thread": row, "messages": page.messages, "next": page.next, "total": page.total})
            return
        table(("", ""), _facts(row, when(row.created_ms)))
        for one in page.messages:
            say("")
            say(f"{one.index} {_speaker(one)}")
            say(_text(one))
        if page.next is not None:
            note(f"there are more: --cursor {page.next}")

    loop.run(main())


def _row(row: ThreadRow, created: str) -> tuple[Any, ...]:
    return (row.id, row.status, row.messages, row.answered_by or row.model or "-", created, row.name or row.preview)


def _facts(row: ThreadRow, created: str) -> list[tuple[str, Any]]:
    facts: list[tuple[str, Any]] = [("thread", row.id), ("status", row.status), ("created", created)]
    named = {
        "name": row.name,
        "error": row.error if row.status == "failed" else "",
        "forked from": row.forked_from,
        "model": row.model,
        "provider": row.provider,
        "cwd": row.cwd,
        "approval": row.approval_policy,
        "sandbox": row.sandbox,
        "checkpoints": ", ".join(row.checkpoints),
    }
    facts += [(name, value) for name, value in named.items() if value]
    facts.append(("tokens", f"{row.input_tokens:,} read, {row.output_tokens:,} written"))
    if row.goal is not None:
        budget = "" if row.goal.token_budget is None else f" of {row.goal.token_budget:,}"
        facts.append(("goal", f"{row.goal.objective} ({row.goal.status}, {row.goal.tokens_used:,}{budget} tokens)"))
    return facts


def _speaker(one: StoredMessage) -> str:
    return one.message.role if one.message.name is None else f"{one.message.role} {one.message.name}"


def _text(one: StoredMessage) -> str:
    called = [f"calls {call.name}" for call in one.message.calls]
    return "\n".join([*([one.message.text] if one.message.text else []), *called])
