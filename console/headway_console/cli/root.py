"""``headway``: the list of commands, the options they share, and the one exit of all of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from headway._version import __version__
from headway_console.cli import exits
from headway_console.cli.examples import add_examples
from headway_console.cli.lazy import Entry, LazyGroup
from headway_console.cli.options import place_options

SECTIONS = {
    "Begin": [
        Entry("init", "Write a headway.toml, a tool and a first plan."),
        Entry("trust", "Let the code of a project be loaded."),
        Entry("up", "Start or find the daemon and open the console on it."),
        Entry("doctor", "Look whether all is well here: versions, terminal, project, home, daemon, sandbox."),
        Entry("completion", "Print the completion script of a shell."),
    ],
    "Plans and runs": [
        Entry("run", "Run a plan and wait for its end."),
        Entry("verify", "Check a plan without running it."),
        Entry("jobs", "List, show and steer jobs: cancel, kill, pause, resume, retry, fork."),
        Entry("inbox", "List what waits for a person, and answer it."),
        Entry("schedule", "List, add and steer what is started at set times."),
        Entry("checkpoints", "List, save, compare, restore and fork checkpoints."),
        Entry("threads", "List threads and show what was said in them."),
        Entry("events", "Print the event log."),
    ],
    "Daemon and console": [
        Entry("serve", "Run the daemon in the foreground."),
        Entry("status", "Say whether the daemon runs, and what it does."),
        Entry("stop", "Stop the daemon."),
        Entry("restart", "Restart the daemon, with the options that it was started with."),
        Entry("projects", "List the projects of this machine and their homes."),
        Entry("send", "Send a message to an A2A agent and follow its task."),
        Entry("token", "Say where the A2A token of the home is."),
        Entry("console", "Open the console on a home."),
    ],
    "Recordings, configuration, store": [
        Entry("replay", "Play a recording."),
        Entry("recordings", "List and check recordings."),
        Entry("mcp", "List and try the MCP servers of headway.toml, and serve MCP clients."),
        Entry("config", "Say what is configured, and where."),
        Entry("models", "List models and say which one a name means."),
        Entry("store", "Look after the event store."),
        Entry("policies", "Say what the exec policy allows, and why."),
    ],
}

EPILOG = (
    "Exit codes: 0 completed, 1 failed, 2 bad input, 3 no daemon or store, 130 cancelled. "
    "Results go to stdout, progress and notes to stderr."
)


@click.group(
    cls=LazyGroup,
    sections=SECTIONS,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", prog_name="headway", message="%(prog)s %(version)s")
@place_options(environment=True)
def cli() -> None:
    """Run agent plans as verified DAGs, and steer them."""


add_examples(cli, ())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (default: the process's) and return its exit code."""
    # httpx takes its own command line, with rich and pygments, from here: three quarters of its import, for nothing.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type] # as the import system has it: no such module
    return exits.run(cli, list(sys.argv[1:] if arguments is None else arguments))
