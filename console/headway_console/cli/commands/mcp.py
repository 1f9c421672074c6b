"""``headway mcp ls|test|serve``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headway_console.cli import exits
from headway_console.cli.completing import mcp_servers
from headway_console.cli.options import Place, json_option, pass_place, place_options

if TYPE_CHECKING:
    from headway.config import Config
    from headway.tools.mcp.report import McpServerStatus


@click.group("mcp")
def command() -> None:
    """List and try the MCP servers of headway.toml, and serve MCP clients."""


@command.command("ls")
@json_option()
@place_options()
@pass_place
def ls(place: Place, as_json: bool) -> None:
    """List the MCP servers of headway.toml. Nothing is started: headway mcp test does that."""
    from headway_console.cli.output import say, table, write_json

    servers = place.config().mcp.servers
    if as_json:
        write_json(
            [
                {
                    "name": name,
                    "command": [server.command, *server.args] if server.command is not None else None,
                    "url": server.url,
                    "enabled": server.enabled,
                    "network": server.network,
                    "writes_files": server.writes_files,
                    "permission": server.permission,
                    "allow": server.allow,
                    "deny": server.deny,
                }
                for name, server in servers.items()
            ]
        )
    elif not servers:
        say("no MCP servers: [mcp.servers.NAME] of headway.toml names one")
    else:
        rows = [(name, "on" if one.enabled else "off", one.shown) for name, one in servers.items()]
        table(("SERVER", "IS", "TARGET"), rows)


@command.command("test")
@click.argument("name", required=False, shell_complete=mcp_servers)
@json_option()
@place_options()
@pass_place
def test(place: Place, name: str | None, as_json: bool) -> int:
    """Start the MCP servers of headway.toml, or the one called NAME, list their tools, and end them.

    They run as they do for plans: in the sandbox, with the secrets that they are given; the project must be trusted.
    Exit code 1 if one is not ready in its time.
    """
    from headway.errors import NotFound, one_line
    from headway_console.cli import loop
    from headway_console.cli.output import say, write_json
    from headway_console.cli.trusting import require_trust
    from headway_console.text import count

    config = place.config()
    chosen = config.mcp.servers if name is None else {}
    if name is not None:
        if name not in config.mcp.servers:
            raise NotFound(f"there is no [mcp.servers.{one_line(name, 80)}] in headway.toml")
        chosen = {name: config.mcp.servers[name].model_copy(update={"enabled": True})}
    require_trust(config, as_json=as_json)
    narrowed = config.model_copy(update={"mcp": config.mcp.model_copy(update={"servers": chosen})})
    statuses = loop.run(_tried(place, narrowed)) if chosen else []
    if as_json:
        write_json(statuses)
    elif not statuses:
        say("no MCP servers: [mcp.servers.NAME] of headway.toml names one")
    for status in statuses if not as_json else ():
        if status.status != "ready":
            say(f"{status.name}: {status.status}: {status.error}")
            continue
        who = f"{status.server} {status.version}".strip() or "a server without a name"
        say(f"{status.name}: ready: {who}, protocol {status.protocol}, {count(len(status.tools), 'tool')}")
        for line in (*status.tools, *status.problems):
            say(f"  {line}")
    return exits.FAILED if any(status.status in ("failed", "lost") for status in statuses) else exits.COMPLETED


@command.command("serve")
@json_option("Ignored: stdout belongs to the protocol.")
@place_options()
@pass_place
def serve(place: Place, as_json: bool) -> None:
    """Serve an MCP client over stdin and stdout: for its configuration, not for people.

    It is offered what [mcp] serve of headway.toml names, workflows and tools, and start_job, get_job and cancel_job for
    what takes long. Jobs run in the daemon of the home if there is one, else in this process, which stays until those
    that were started have ended.
    """
    from headway.errors import InvalidConfig
    from headway_console.cli import loop
    from headway_console.cli.trusting import require_trust

    config = place.config()
    if not config.mcp.serve:
        raise InvalidConfig("nothing is served: [mcp] serve of headway.toml names workflows and tools")
    require_trust(config, as_json=True)
    loop.run(_served(place, config))


async def _served(place: Place, config: Config) -> None:
    from functools import partial

    from headway.tools.recorded import recorded_tools
    from headway_bridge.mcp.endpoint import McpEndpoint
    from headway_bridge.mcp.offer import offers_of
    from headway_console.cli.plans import read_plan
    from headway_console.cli.runner import open_runner

    home = place.home()
    runner = await open_runner(home, config)
    try:
        offers = offers_of(config, recorded_tools(home.tools_file), partial(read_plan, config=config))
        await McpEndpoint(offers, runner).serve()
    finally:
        await runner.close()


async def _tried(place: Place, config: Config) -> list[McpServerStatus]:
    """Start the servers of ``config`` as an engine does, end them, and return how they were."""
    import asyncio

    from headway.config import control_files
    from headway.provision import mcp_of, sandbox_of, vault_of
    from headway.tools.registry import ToolRegistry

    vault = vault_of(config)
    await asyncio.to_thread(vault.learn)
    sandbox = sandbox_of(config, control_files(config, place.home_to_look()))
    async with mcp_of(config, ToolRegistry(), sandbox, vault) as servers:
        await servers.start()
        return servers.reports()
