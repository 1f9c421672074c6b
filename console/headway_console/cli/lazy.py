"""A click group that imports a command when it is used, not when it is listed."""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

import click
from click.shell_completion import CompletionItem

from headway_console.cli.examples import add_examples

PACKAGE = "headway_console.cli.commands"


class Entry(NamedTuple):
    """A command in the list: its name, and the one line that its own help starts with."""

    name: str
    summary: str


class LazyGroup(click.Group):
    """The commands of :data:`sections`, each the object ``command`` of the module of its name."""

    def __init__(self, *args: object, sections: dict[str, list[Entry]], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # click's own parameters, handed on as they come
        self.sections = sections

    @property
    def entries(self) -> list[Entry]:
        """All commands, in the order of the help."""
        return [entry for section in self.sections.values() for entry in section]

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the help."""
        return [entry.name for entry in self.entries]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; None if there is none of that name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = import_module(f"{PACKAGE}.{cmd_name}").command
        add_examples(command, (cmd_name,))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; one that is mistyped is told the nearest name."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None and not ctx.resilient_parsing:
            from headway.arguments import nearest

            near = nearest(name, self.list_commands(ctx))
            hint = f" Did you mean '{near}'?" if near is not None else ""
            raise click.UsageError(f"No such command '{name}'.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections from the table, so that help imports no command."""
        for title, entries in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([(entry.name, entry.summary) for entry in entries], col_max=14)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the names from the table, and this group's options."""
        named = [
            CompletionItem(entry.name, help=entry.summary)
            for entry in self.entries
            if entry.name.startswith(incomplete)
        ]
        return named + click.Command.shell_complete(self, ctx, incomplete)
