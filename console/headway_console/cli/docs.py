"""Writes the pages of ``docs`` that are made: of the commands, the configuration, the errors and the operator API.

``python -m headway_console.cli.docs docs`` writes them into that folder; a test holds them to it.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from headway.config import json_schema
from headway.errors import HeadwayError, ToolError
from headway_bridge.operator import operator_app
from headway_bridge.operator.answers import status_of as http_status
from headway_console.cli.exits import code_of_kind as exit_code
from headway_console.cli.root import cli

WIDTH = 100

CLI_HEAD = """\
# Command line

Results go to stdout, progress and notes to stderr; with `--json` there is nothing but JSON on stdout. No command prints
a traceback: an error is one line, `headway: error: …`, and an exit code. `HEADWAY_DEBUG=1` shows the traceback.

| exit code | meaning |
|---|---|
| 0 | completed |
| 1 | failed |
| 2 | bad input: a plan, a file, an option, a name that there is none of, a home that is in use |
| 3 | no daemon answers, or there is no store |
| 130 | cancelled |

`--home` and `--config` may stand before or after the command; the nearest wins over `HEADWAY_HOME` and
`HEADWAY_CONFIG`.

Ctrl-C while a run is followed cancels it: what is in flight runs to its end, the rest is skipped. A second Ctrl-C
kills what is in flight, a third ends the command as it stands. SIGTERM and SIGHUP cancel, and kill after 5 seconds. The
log is durable throughout: the next start closes what was open.

This page is made of what the commands say of themselves: `python -m headway_console.cli.docs docs` writes it.
"""

CONFIG_HEAD = """\
# headway.toml

The file is found by walking up from the working directory, as far as a folder that everyone may write to;
`--config FILE` names another one. `headway run PLAN` and `headway verify PLAN` look from the plan's folder upwards when
there is none. It must be yours or root's and nobody else's to write, and what it names is out of reach of plans
([trust](trust.md)).

Flags win over `HEADWAY_<SECTION>_<KEY>` variables, and these over the file; an empty variable counts as unset, lists
are separated by commas or written as JSON.

Types are exact and unknown keys are refused, with the file, the line and the nearest key that there is. Relative paths
count from the file's folder, `~` is your home. `headway config path` names the file that holds, `headway config check`
says where each value came from, `headway config schema` prints a JSON Schema for editors.

This page is made from that schema: `python -m headway_console.cli.docs docs` writes it.
"""

ERRORS_HEAD = """\
# Errors

Every error that Headway raises on purpose is a `headway.HeadwayError` with a stable `code`. The command line prints its
message on one line and ends with the exit code below; the operator API answers with the HTTP status and
`{"error": {"code": …, "message": …}}`; in Python, catch the class or one above it. Errors of tools become the error
of an action, which has an `error_code` of its own: [plans.md](plans.md) lists those.

This page is made from the error tree: `python -m headway_console.cli.docs docs` writes it.
"""

EXAMPLE = """
## Example

```toml
[tools]
python = ["tools.py"]
workspace = "."

[rate_limits.fetch]
max_calls = 5
interval_secs = 1.0

[budgets]
tool_calls = 200
duration_ms = 60_000

[workflows.audit]
plan = "plans/audit.json"
description = "Audits the workspace."

[a2a]
port = 8420
tools = ["read_file", "fetch"]

[store]
keep_days = 30
```
"""


def cli_page() -> str:
    """Return ``docs/cli.md``."""
    parts = [CLI_HEAD]
    root = click.Context(cli, info_name="headway", terminal_width=WIDTH, **cli.context_settings)
    for context in _contexts(root):
        help_text = context.command.get_help(context)
        level = "##" if context.parent is None or context.parent is root else "###"
        parts.append(f"\n{level} {context.command_path}\n\n```text\n{help_text.strip()}\n```\n")
    return "".join(parts)


def _contexts(context: click.Context) -> Iterator[click.Context]:
    yield context
    command = context.command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None:
                yield from _contexts(click.Context(found, parent=context, info_name=name, terminal_width=WIDTH))


def config_page() -> str:
    """Return ``docs/config.md``."""
    schema = json_schema()
    parts = [CONFIG_HEAD, EXAMPLE]
    for section, node in schema["properties"].items():
        free = node.get("type") == "object"
        name = f"{section}.NAME" if free else section
        parts.append(_section(schema, name, node["additionalProperties"] if free else node, free=free))
    return "".join(parts)


def _section(schema: dict[str, Any], name: str, node: dict[str, Any], *, free: bool) -> str:
    """Return a table of the file, and the tables of free names in it; those have no variables."""
    table = _table(schema, node)
    rows, inner = [], []
    required = table.get("required", [])
    for key, leaf in table["properties"].items():
        if _is_tables(leaf):
            inner.append(_section(schema, f"{name}.{key}.NAME", leaf["additionalProperties"], free=True))
            continue
        default = "required" if key in required else _default(leaf)
        variable = "" if free else f"`HEADWAY_{name}_{key}`".upper()
        rows.append(f"| `{key}` | {_type(leaf)} | {default} | {variable} | {leaf['description']} |\n")
    head = "| key | type | default | variable | meaning |\n|---|---|---|---|---|\n" if rows else ""
    own = f"\n## [{name}]\n\n{table['description']}\n\n{head}{''.join(rows)}" if rows else ""
    return own + "".join(inner)


def _is_tables(leaf: dict[str, Any]) -> bool:
    """Return whether a setting is tables of free names."""
    return leaf.get("type") == "object" and "$ref" in leaf.get("additionalProperties", {})


def _table(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return found


def _type(leaf: dict[str, Any]) -> str:
    options = [option for option in leaf.get("anyOf", [leaf]) if option.get("type") != "null"]
    [option] = options
    if "enum" in option:
        return " or ".join(f'`"{value}"`' for value in option["enum"])
    if "$ref" in option or option["type"] == "object":
        return "table"
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    if option["type"] == "array":
        return "list of tables" if "$ref" in option["items"] else "list of texts"
    return words[option["type"]]


def _default(leaf: dict[str, Any]) -> str:
    import msgspec

    value = leaf.get("default")
    return "none" if value is None else f"`{msgspec.json.encode(value).decode()}`"


def errors_page() -> str:
    """Return ``docs/errors.md``."""
    parts = [ERRORS_HEAD, "\n| code | exit code | HTTP status |\n|---|---|---|\n"]
    classes = list(_tree(HeadwayError))
    for kind in classes:
        ends = ("-", "-") if issubclass(kind, ToolError) else (exit_code(kind), http_status(kind))
        parts.append(f"| [`{kind.code}`](#{kind.code}) | {ends[0]} | {ends[1]} |\n")
    for kind in classes:
        above = ", ".join(f"`{base.__name__}`" for base in kind.__bases__)
        meaning = (kind.__doc__ or "").strip()
        parts.append(f"\n## {kind.code}\n\n`{kind.__name__}`, a {above}. {_line(meaning)}\n\n{kind.remedy}\n")
    return "".join(parts)


def _tree(kind: type[HeadwayError]) -> Iterator[type[HeadwayError]]:
    """Yield an error class and those below it, each once, as the tree in ``errors.py`` lists them."""
    found: dict[type[HeadwayError], None] = {}
    waiting = [kind]
    while waiting:
        taken = waiting.pop(0)
        if taken not in found and taken.__module__ == HeadwayError.__module__:
            found[taken] = None
            waiting = [*taken.__subclasses__(), *waiting]
    yield from found


def _line(text: str) -> str:
    return " ".join(text.split())


OPERATOR_HEAD = """\
# Operator API

The daemon's API for operators and their programs: HTTP on the Unix socket of the home (mode 0600), which
`headway status --json` names. Whoever may open that socket may steer.

```sh
curl --unix-socket "$(headway status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["socket"])')" \\
  http://headway/operator/v1/jobs
```

An error is `{"error": {"code": …, "message": …}}` with the status that [errors.md](errors.md) gives for its code. The
whole schema, for programs, is at `GET /operator/v1/openapi.json`.

This page is made from that schema: `python -m headway_console.cli.docs docs` writes it.
"""


def operator_page() -> str:
    """Return ``docs/operator-api.md``."""
    no_engine: Any = None  # no request comes
    schema = operator_app(no_engine, on_stop=bool, started_ms=0).openapi()
    parts = [OPERATOR_HEAD]
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            parts.append(f"\n## {method.upper()} {path}\n\n{_prose(operation['description'])}\n")
            parameters = [
                f"| `{one['name']}` | {one['in']} | {_kind(one['schema'])} | {_line(one.get('description', ''))} |\n"
                for one in operation.get("parameters", ())
            ]
            if parameters:
                parts += ["\n| parameter | in | type | meaning |\n|---|---|---|---|\n", *parameters]
            parts.append("\n")
            if "requestBody" in operation:
                parts.append(f"Takes {_content(operation['requestBody'])}. ")
            given = {code: _content(found) for code, found in operation["responses"].items()}
            parts.append("Gives " + ", ".join(f"{code} {body}".strip() for code, body in given.items()) + ".\n")
    parts.append("\n## Structs\n")
    for name, struct in sorted(schema["components"]["schemas"].items()):
        parts.append(f"\n### {name}\n\n{_prose(struct.get('description', ''))}\n")
        fields = struct.get("properties", {})
        if fields:
            parts.append("\n| field | type |\n|---|---|\n")
            parts += [f"| `{field}` | {_kind(kind)} |\n" for field, kind in fields.items()]
        elif "enum" in struct:
            parts.append(f"\nOne of {_kind(struct)}.\n")
    return "".join(parts)


def _content(found: dict[str, Any]) -> str:
    schemas = [(kind, content.get("schema", {})) for kind, content in found.get("content", {}).items()]
    return " or ".join(_kind(schema) if kind == "application/json" else f"`{kind}`" for kind, schema in schemas)


def _kind(schema: dict[str, Any]) -> str:
    """Return the type of a JSON schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_kind(option) for option in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_kind(schema['additionalProperties'])}"
    return str(schema.get("type", "any JSON"))


def _prose(text: str) -> str:
    """Return a docstring as Markdown: literals with single backquotes, references as literals."""
    return re.sub(r":\w+:`~?([^`]+)`", r"`\1`", inspect.cleandoc(text)).replace("``", "`")


PAGES = {"cli.md": cli_page, "config.md": config_page, "errors.md": errors_page, "operator-api.md": operator_page}

if __name__ == "__main__":
    for page, make in PAGES.items():
        (Path(sys.argv[1]) / page).write_text(make(), encoding="utf-8")
