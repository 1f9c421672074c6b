"""The examples that each command's help ends with: lines that a test parses as they stand."""

from __future__ import annotations

import click

EXAMPLES: dict[tuple[str, ...], tuple[str, ...]] = {
    (): ("headway up --demo", "headway init", "headway run hello"),
    ("init",): ("headway init", "headway init my-project"),
    ("trust",): ("headway trust", "headway trust ls"),
    ("trust", "add"): ("headway trust", "headway trust add ../other --yes"),
    ("trust", "ls"): ("headway trust ls",),
    ("trust", "rm"): ("headway trust rm ../other",),
    ("up",): ("headway up", "headway up --demo", "headway up --demo --plain", "headway up --detach --port 0"),
    ("doctor",): ("headway doctor", "headway doctor --json"),
    ("completion",): ("headway completion bash",),
    ("run",): (
        "headway run hello",
        "headway run plans/hello.json --workspace .",
        "headway run - --json < plans/hello.json",
    ),
    ("verify",): ("headway verify hello", "headway verify plans/hello.json --json"),
    ("jobs",): ("headway jobs ls", "headway jobs cancel 143ecae24d24"),
    ("jobs", "ls"): ("headway jobs ls --status running", "headway jobs ls --where 'waiting:bucket age:>10m' --json"),
    ("jobs", "show"): ("headway jobs show 143ecae24d24", "headway jobs show 143ecae24d24 --json"),
    ("jobs", "cancel"): (
        "headway jobs cancel 143ecae24d24",
        "headway jobs cancel 143ecae24d24 --reason 'wrong folder'",
        "headway jobs cancel --where 'status:queued title:nightly' --yes --json",
    ),
    ("jobs", "kill"): ("headway jobs kill 143ecae24d24", "headway jobs kill --where 'status:running age:>1h'"),
    ("jobs", "pause"): ("headway jobs pause 143ecae24d24", "headway jobs pause --where waiting:bucket --yes"),
    ("jobs", "resume"): ("headway jobs resume 143ecae24d24", "headway jobs resume --where status:paused --yes"),
    ("jobs", "retry"): (
        "headway jobs retry 143ecae24d24",
        "headway jobs retry --where 'ended:<1h' --yes",
    ),
    ("jobs", "fork"): ("headway jobs fork 143ecae24d24", "headway jobs fork --where 'error:timeout' --yes --json"),
    ("inbox",): ("headway inbox", "headway inbox --follow", "headway inbox answer 143ecae24d24.1 --allow"),
    ("inbox", "ls"): ("headway inbox ls --json", "headway inbox --follow"),
    ("inbox", "show"): ("headway inbox show 143ecae24d24.1",),
    ("inbox", "answer"): (
        "headway inbox answer 143ecae24d24.1 --allow",
        "headway inbox answer 143ecae24d24.1 --deny --reason 'not today' --yes",
        "headway inbox answer 143ecae24d24.2 --value 5 --yes --json",
        "headway inbox answer 143ecae24d24.3 --top-up tool_calls=10",
    ),
    ("schedule",): ("headway schedule ls", "headway schedule add nightly report --cron '30 2 * * *'"),
    ("schedule", "ls"): ("headway schedule ls", "headway schedule ls --json"),
    ("schedule", "add"): (
        "headway schedule add nightly report --cron '30 2 * * *' --timezone Europe/Berlin",
        "headway schedule add launch report --at 2026-12-24T18:00:00+01:00",
    ),
    ("schedule", "rm"): ("headway schedule rm nightly",),
    ("schedule", "run"): ("headway schedule run nightly --json",),
    ("schedule", "pause"): ("headway schedule pause nightly",),
    ("schedule", "resume"): ("headway schedule resume nightly",),
    ("checkpoints",): ("headway checkpoints ls", "headway checkpoints fork 143ecae24d24@L2"),
    ("checkpoints", "ls"): ("headway checkpoints ls", "headway checkpoints ls --job 143ecae24d24 --json"),
    ("checkpoints", "save"): ("headway checkpoints save --job 143ecae24d24 --name before-the-move",),
    ("checkpoints", "diff"): ("headway checkpoints diff 143ecae24d24@L2",),
    ("checkpoints", "restore"): (
        "headway checkpoints restore 143ecae24d24@L2",
        "headway checkpoints restore 143ecae24d24@L2 --yes --json",
    ),
    ("checkpoints", "fork"): ("headway checkpoints fork 143ecae24d24@L2 --plain",),
    ("threads",): ("headway threads ls", "headway threads show thread-4f1c"),
    ("threads", "ls"): ("headway threads ls --archived", "headway threads ls --limit 10 --json"),
    ("threads", "show"): ("headway threads show thread-4f1c", "headway threads show thread-4f1c --limit 20 --json"),
    ("events",): ("headway events --follow", "headway events --job 143ecae24d24 --json", "headway events --after 1000"),
    ("models",): ("headway models ls", "headway models resolve fast"),
    ("models", "ls"): ("headway models ls", "headway models ls --json"),
    ("models", "show"): ("headway models show openai/gpt-4o-mini",),
    ("models", "resolve"): ("headway models resolve fast", "headway models resolve sonnet --provider anthropic --json"),
    ("serve",): ("headway serve", "headway serve --port 0 --json", "headway serve --reload"),
    ("status",): ("headway status", "headway status --json"),
    ("stop",): ("headway stop", "headway stop --now"),
    ("restart",): ("headway restart", "headway restart --now"),
    ("projects",): ("headway projects ls",),
    ("projects", "ls"): ("headway projects ls --json",),
    ("send",): ("headway send --workflow hello", "headway send --plan plans/hello.json --json"),
    ("token",): ("headway token", "headway token --header", "headway token --rotate"),
    ("console",): ("headway console", "headway --home ~/other console"),
    ("replay",): ("headway replay good-run", "headway replay recordings/good-run.jsonl --speed 10"),
    ("recordings",): ("headway recordings ls", "headway recordings check recordings/good-run.jsonl"),
    ("recordings", "ls"): ("headway recordings ls", "headway recordings ls --json"),
    ("recordings", "check"): ("headway recordings check recordings/good-run.jsonl --json",),
    ("config",): ("headway config check --all", "headway config path"),
    ("config", "check"): ("headway config check", "headway config check --all --json"),
    ("config", "path"): ("headway config path",),
    ("config", "schema"): ("headway config schema > headway.schema.json",),
    ("mcp",): ("headway mcp ls", "headway mcp test"),
    ("mcp", "serve"): ("headway mcp serve",),
    ("mcp", "ls"): ("headway mcp ls --json",),
    ("mcp", "test"): ("headway mcp test", "headway mcp test notes --json"),
    ("policies",): ("headway policies explain -- git push --force", "headway policies ls"),
    ("policies", "explain"): (
        "headway policies explain -- git push --force",
        "headway policies explain 'ls && rm -rf build' --json",
    ),
    ("policies", "ls"): ("headway policies ls --all", "headway policies ls --json"),
    ("store",): ("headway store check", "headway store backup /backup/headway.db"),
    ("store", "backup"): ("headway store backup /backup/headway.db --force",),
    ("store", "check"): ("headway store check --json",),
    ("store", "prune"): ("headway store prune",),
    ("store", "redact"): ("headway store redact",),
}
"""By the path of the command; a line ends where the shell takes over (``<``, ``>``)."""


def add_examples(command: click.Command, path: tuple[str, ...]) -> None:
    """End the help of ``command`` with its examples, once; commands without any keep theirs."""
    lines = EXAMPLES.get(path)
    text = "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines or ())
    if lines and text not in (command.epilog or ""):
        command.epilog = f"{text}\n\n{command.epilog}" if command.epilog else text
    if isinstance(command, click.Group) and path:
        for name, child in command.commands.items():
            add_examples(child, (*path, name))
