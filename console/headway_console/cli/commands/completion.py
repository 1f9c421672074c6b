"""``headway completion SHELL``."""

from __future__ import annotations

import os
from pathlib import Path

import click

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_HEADWAY_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS), required=False)
def command(shell: str | None) -> None:
    """Print the completion script of a shell.

    Without SHELL, of the one that SHELL names in the environment. To switch it on:

    \b
      bash:  headway completion bash > ~/.local/share/bash-completion/completions/headway
      zsh:   headway completion zsh > "${fpath[1]}/_headway"
      fish:  headway completion fish > ~/.config/fish/completions/headway.fish
    """
    from click.shell_completion import get_completion_class

    from headway_console.cli.root import cli

    name = shell or Path(os.environ.get("SHELL", "")).name
    kind = get_completion_class(name) if name in SHELLS else None
    if kind is None:
        raise click.UsageError(f"Name the shell: {', '.join(SHELLS)}.")
    completer = kind(cli, {}, "headway", VARIABLE)
    # Not .source(): it starts the shell to ask its version, and the script works in every one of this decade.
    click.echo(completer.source_template % completer.source_vars())
