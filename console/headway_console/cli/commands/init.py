"""``headway init``."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from headway.errors import InvalidInput
from headway_console.cli.options import FOLDER, json_option

CONFIG = """\
# What this file may say: headway config schema. What holds, and from where: headway config check --all.

[tools]
python = ["tools.py"]

[rate_limits.word_count]
max_calls = 5
interval_secs = 1.0

[budgets]
tool_calls = 100

[workflows.hello]
plan = "plans/hello.json"
description = "Counts the words of headway.toml."

# What remote agents reach, with the token of the home: these workflows, and these tools in plans of their own.
[a2a]
workflows = ["hello"]
tools = []
"""

TOOLS = '''\
"""Tools for plans in this folder."""

import headway


@headway.tool(idempotent=True)
def word_count(text: str) -> int:
    """Count the words of a text."""
    return len(text.split())
'''

PLAN = """\
{
  "source": "headway init",
  "actions": [
    {"id": "read", "type": "tool_call", "tool": "read_file", "parameters": {"path": "headway.toml"}},
    {"id": "count", "type": "tool_call", "tool": "word_count", "parameters": {"text": "$read.output.content"}},
    {"id": "keep", "type": "state_write", "parameters": {"key": "words", "value": "$count.output"}}
  ]
}
"""

POLICY = """\
# What no plan may do here, read anew when this file changes.

[[deny_tool_param]]
name = "keep-out-of-plans"
tool = "write_file"
param = "path"
contains = "plans/"
"""

IGNORED = "__pycache__/\n"

FILES = {"headway.toml": CONFIG, "tools.py": TOOLS, "plans/hello.json": PLAN, "policies/base.toml": POLICY}

GITIGNORE = ".gitignore"

NEXT = ("headway run hello", "headway events", "headway up")


@click.command("init")
@click.argument("folder", type=FOLDER, default=".")
@json_option()
def command(folder: Path, as_json: bool) -> None:
    """Write a headway.toml, a tool and a first plan.

    Also a policy, and a workflow that remote agents may start. They are trusted from then on (headway trust). Into
    FOLDER, by default the working directory. Files that exist are never changed: if one of them does, nothing is
    written and the exit code is 2; a .gitignore that exists stays as it is.
    """
    from headway.trust import TrustedProjects, check_path
    from headway_console.cli.output import say, write_json

    check_path(folder)
    trusted = TrustedProjects()
    trusted.all()  # a list that cannot be read is told before anything is written
    taken = next((name for name in FILES if (folder / name).exists()), None)
    if taken:
        raise InvalidInput(f"{folder / taken} exists; nothing was written")
    files = FILES if (folder / GITIGNORE).exists() else {**FILES, GITIGNORE: IGNORED}
    try:
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise InvalidInput(f"cannot write {error.filename or folder}: {error.strerror}") from None
    trusted.add(folder)
    if as_json:
        write_json({"folder": str(folder.absolute()), "files": list(files), "next": list(NEXT)})
        return
    for name in files:
        say(f"wrote {folder / name}")
    say("next:")
    if folder.resolve() != Path.cwd().resolve():
        say(f"  cd {shlex.quote(str(folder))}")
    for line in NEXT:
        say(f"  {line}")
