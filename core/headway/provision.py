"""Provision of an engine from ``headway.toml``: its tools, replanning, rights, a model, and learning."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headway.arguments import expect_call, expect_many
from headway.errors import HeadwayError, InvalidConfig
from headway.reload import approval_of, capabilities_of
from headway.secrets.reference import SCHEME
from headway.tools.loader import admit_modules, load_name
from headway.trust.names import GIT
from headway.trust.ownership import check_path

_log = logging.getLogger("headway.mcp")

if TYPE_CHECKING:
    from headway.config import Config
    from headway.config.model import InferenceConfig, LearningConfig
    from headway.config.services import ProviderConfig
    from headway.egress.door import Door
    from headway.execution.environment import Environment
    from headway.face import Face
    from headway.hooks.sinks.sink import Around
    from headway.inference.registry import ModelRegistry, RegisteredProvider
    from headway.learning.memory import Memgine
    from headway.policy.gates import Gates
    from headway.secrets.redactor import Redactor
    from headway.secrets.vault import Vault
    from headway.store import StoreLog
    from headway.tools.mcp.elicit import Elicitor
    from headway.tools.mcp.servers import McpServers
    from headway.tools.mcp.settings import McpServer
    from headway.tools.registry import ToolEntry, ToolRegistry
    from headway.tools.sandbox import Sandbox
    from headway.trust.control import ControlFiles


def tools_of(
    config: Config, control: ControlFiles, tools: Iterable[Callable[..., Any] | ToolEntry] = ()
) -> ToolRegistry:
    """Return the agent basics, which keep away from ``control``, the tools of ``[tools] python``, and ``tools``.

    Raises :class:`InvalidConfig` for a file that does not load, :class:`headway.errors.NotTrusted` before any is run if
    the project is not trusted.
    """
    from headway.tools.basics import register_agent_basics
    from headway.tools.decorator import entry_of
    from headway.tools.files.workspace import Workspace
    from headway.tools.loader import load_tool_files
    from headway.tools.registry import ToolEntry, ToolRegistry

    config.require_trust()
    registry = ToolRegistry()
    register_agent_basics(registry, Workspace(config.workspace, control))
    load_tool_files(config.tools.python, registry, config.tools.path if config.tools.python else ())
    for tool in expect_many(tools, "tools"):
        registry.register(tool if isinstance(tool, ToolEntry) else entry_of(tool))
    return registry


def sandbox_of(config: Config, control: ControlFiles) -> Sandbox:
    """Return the sandbox of ``[tools]``, in which ``control`` is read-only and the homes are not there.

    Of the project's ``.git`` a sandbox closes what git would run, not all: children may commit. A memory that does not
    exist yet is for Headway to make.
    """
    from headway.tools.sandbox import Sandbox

    tools, memory = config.tools, config.learning.memory
    closed = [path for path in (*control.files, *control.folders) if path != config.project / GIT]
    if memory is not None and not memory.exists():
        closed = [path for path in closed if path != memory]
    return Sandbox(
        tools.sandbox,
        workspace=config.workspace,
        project=config.project,
        control=closed,
        hidden=control.homes,
        network=tools.sandbox_network,
        readable=tools.sandbox_readable,
    )


def provision(face: Face, config: Config, opened: AsyncExitStack) -> None:
    """Set on ``face`` what ``config`` says; what has to be closed or written at the end is left to ``opened``.

    Raises :class:`InvalidConfig` in one line for a callback, a model or a file that cannot be used.
    """
    runtime = config.runtime
    if runtime.replan is not None:
        _replan(face, config)
    if runtime.grant is not None:
        face.set_permission_grant(runtime.grant)
    if (approval := approval_of(config)) is not None:
        face.policies.exec.ask_for(approval)
    if (capabilities := capabilities_of(config)) is not None:
        face.set_capabilities(capabilities)
    _before_tool(face, config, opened)
    _models(face, config, opened)
    _learn(face, config.learning, opened)
    _hooks(face, config, opened)


def door_of(config: Config, redactor: Redactor | None = None) -> Door:
    """Return the door that ``[egress]`` describes; ``redactor`` knows what its errors must not hold."""
    from headway.egress.door import Door
    from headway.egress.rules import Rules

    egress = config.egress
    only = None if egress.only is None else tuple(egress.only)
    return Door(Rules(tuple(egress.allow), only), proxy=egress.proxy, redactor=redactor)


def mcp_servers_of(config: Config) -> list[McpServer]:
    """Return the MCP servers of ``[mcp]``, as their settings are. Nothing is started.

    Raises :class:`InvalidConfig` in one line for one that cannot be, :class:`headway.errors.NotTrusted` if the project
    is not trusted.
    """
    from headway.tools.mcp.settings import McpServer

    config.require_trust()
    found: list[McpServer] = []
    for name, one in config.mcp.servers.items():
        try:
            found.append(
                McpServer(
                    name=name,
                    command=[one.command, *one.args] if one.command is not None else [],
                    env=one.env,
                    cwd=one.cwd or config.project,
                    readable=[*one.readable, *one.files],
                    network=one.network,
                    writes_files=one.writes_files,
                    url=one.url,
                    headers=one.headers,
                    enabled=one.enabled,
                    allow=one.allow,
                    deny=one.deny,
                    permission=one.permission,
                    startup_secs=one.startup_secs,
                    call_secs=one.call_secs,
                    max_message_bytes=one.max_message_bytes,
                )
            )
        except HeadwayError as error:
            raise InvalidConfig(f"mcp.servers.{name}: {error.message}") from None
    return found


def mcp_of(config: Config, registry: ToolRegistry, sandbox: Sandbox, vault: Vault, **options: Any) -> McpServers:
    """Return the MCP servers of ``config``, whose tools go into ``registry``; none is started.

    ``options`` are others of :class:`headway.tools.McpServers`. Raises as :func:`mcp_servers_of` does.
    """
    from headway.tools.mcp.servers import McpServers

    return McpServers(
        mcp_servers_of(config),
        registry,
        sandbox=sandbox,
        door=door_of(config, vault.redactor) if config.mcp.servers else None,  # its client is loaded for who needs it
        resolve=vault.own,
        **options,
    )


def elicitor_of(face: Face) -> Elicitor:
    """Return who answers MCP servers: the person whom the call's job asks, unless the mode of asking rejects that."""
    from headway.tools.mcp.elicit import McpAnswer, McpQuestion, ask_person

    async def elicit(question: McpQuestion) -> McpAnswer:
        if face.policies.exec.refuses("mcp_elicitations"):
            return McpAnswer("decline")
        return await ask_person(question)

    return elicit


async def start_mcp(face: Face, config: Config, opened: AsyncExitStack) -> McpServers:
    """Start the MCP servers of ``config``, if any, and register their tools on ``face``; ``opened`` ends them.

    Each change of one is an event, and the end of the start another. Nothing is raised for a server that fails.
    """
    from headway.events import kinds
    from headway.events.event import Event
    from headway.tools.mcp.report import McpServerStatus, McpStartup

    env = face._powers.env
    settled: set[str] = set()

    def changed(status: McpServerStatus) -> None:
        kind = kinds.MCP_SERVER_CHANGED if status.name in settled else kinds.MCP_STARTUP_UPDATE
        if status.status != "starting":
            settled.add(status.name)
        data: dict[str, object] = {"server": status.name, "status": status.status}
        if status.status == "ready":
            data["tools"] = status.tools
        if status.error:
            data["error"] = status.error
        if status.status in ("failed", "lost"):
            _log.warning("MCP server '%s' %s", status.name, status.error)
        for problem in status.problems if status.status == "ready" else ():
            _log.warning("MCP server '%s': %s", status.name, problem)
        env.log.append(Event(kind, data))

    def complete(startup: McpStartup) -> None:
        if config.mcp.servers:
            env.log.append(Event(kinds.MCP_STARTUP_COMPLETE, startup.data()))

    servers = mcp_of(
        config,
        env.registry,
        env.sandbox,
        env.vault,
        clock=env.clock,
        elicit=elicitor_of(face),
        on_update=changed,
        on_complete=complete,
    )
    opened.push_async_callback(servers.aclose)
    await servers.start()
    return servers


def _hooks(face: Face, config: Config, opened: AsyncExitStack) -> None:
    """Start telling the hooks of ``[hooks]`` of events; nothing is loaded where there are none."""
    if not config.hooks:
        return
    from headway.hooks.hooks import Hook, Hooks
    from headway.hooks.sinks.table import SINKS

    config.require_trust()
    env = face._powers.env
    around = _around(face, config)
    found: list[Hook] = []
    for name, one in config.hooks.items():
        try:
            sink = SINKS[one.sink](name, one, around)
        except HeadwayError as error:
            raise InvalidConfig(f"hooks.{name}: {error.message}") from None
        found.append(Hook(name, one.on, sink, one.queue, one.timeout_secs, one.retries))
    face._hooks = hooks = Hooks(env.log, found, clock=env.clock)
    hooks.start()
    opened.push_async_callback(hooks.aclose)


def _before_tool(face: Face, config: Config, opened: AsyncExitStack) -> None:
    """Have the hooks of ``[before_tool]`` judge calls, in the order of the file."""
    if not config.before_tool:
        return
    from headway.hooks.gate import ToolHook
    from headway.hooks.judges import FunctionJudge, Judge, RemoteJudge
    from headway.hooks.post import Post
    from headway.hooks.program import Program

    config.require_trust()
    around = _around(face, config)
    judge: Judge
    for name, one in config.before_tool.items():
        try:
            if one.python is not None:
                admit_modules(config.tools.path)
                judge = FunctionJudge(expect_call(load_name(one.python), one.python))
            elif one.url is not None:
                post = Post.of(name, one, around)
                opened.push_async_callback(post.aclose)
                judge = RemoteJudge.webhook(post)
            else:
                judge = RemoteJudge.program(Program.of(name, one, around))
        except HeadwayError as error:
            raise InvalidConfig(f"before_tool.{name}: {error.message}") from None
        face._powers.env.add_before_tool(
            ToolHook(name, judge, tuple(one.tools), strict=one.strict, timeout=one.timeout_secs)
        )


def _around(face: Face, config: Config) -> Around:
    from headway.hooks.sinks.sink import Around

    env = face._powers.env
    return Around(env.clock, door_of(config, env.vault.redactor), env.vault, env.sandbox, config.project)


def vault_of(config: Config) -> Vault:
    """Return the secrets that ``config`` declares; nothing is read."""
    from headway.secrets.sources import EnvironmentSource, FileSource, KeyringSource, Source
    from headway.secrets.vault import Vault

    vault = Vault()
    for name, section in config.secrets.items():
        source: Source
        if section.env is not None:
            source = EnvironmentSource(section.env)
        elif section.file is not None:
            source = FileSource(section.file)
        else:
            service, _, user = (section.keyring or "").partition(":")
            source = KeyringSource(service, user)
        vault.declare(name, source, tools=section.tools, remote=section.remote)
    return vault


async def secrets_of(config: Config) -> Vault:
    """Return the secrets that are declared, all of them read: the log must not hold one from the first event on."""
    vault = vault_of(config)
    if vault.names:
        for problem in await asyncio.to_thread(vault.learn):
            _log.warning("%s", problem)
    return vault


def _replan(face: Face, config: Config) -> None:
    from headway.jobs.replan import ReplanConfig

    runtime = config.runtime
    assert runtime.replan is not None
    config.require_trust()
    admit_modules(config.tools.path)
    callback = load_name(runtime.replan)
    try:
        face.with_replan(callback, ReplanConfig(runtime.max_replans, runtime.replan_delay_ms))
    except HeadwayError as error:
        raise InvalidConfig(f"{runtime.replan}: {error.message}") from None


def models_of(config: Config, vault: Vault, door: Door) -> ModelRegistry:
    """Return the models that ``config`` names; nobody is asked and no key is read.

    ``[inference]`` is a provider called ``inference``. Raises :class:`InvalidConfig` in one line.
    """
    from headway.inference.registry import ModelRegistry

    models, section = config.models, "inference"
    try:
        providers = [_inference(config.inference, door)] if config.inference.url is not None else []
        section = "models"
        providers += [_provider(name, one, vault, door) for name, one in config.providers.items()]
        return ModelRegistry(
            providers,
            aliases=models.aliases,
            default=models.default,
            failover=models.failover,
            configured=config.in_file("models.default"),
        )
    except HeadwayError as error:
        raise InvalidConfig(f"{section}: {error.message}") from None


def _models(face: Face, config: Config, opened: AsyncExitStack) -> None:
    """Give ``face`` the models, and its tools ``infer`` and so on the one of ``[inference]``, else the default."""
    if not config.providers and config.inference.url is None and config.models == type(config.models)():
        return  # nothing is loaded for what nobody asks for
    registry = models_of(config, face.secrets, door_of(config, face.secrets.redactor))
    opened.push_async_callback(registry.aclose)
    face.with_models(registry)
    if config.inference.url is not None:
        face.with_inference(registry.provider("inference").provider)
    elif registry.provider_default().effective is not None:
        face.with_inference(registry.routed())


def _inference(section: InferenceConfig, door: Door) -> RegisteredProvider:
    from headway.inference.http import HttpProvider
    from headway.inference.registry import RegisteredProvider

    assert section.url is not None
    provider = HttpProvider(
        section.url,
        model=section.model,
        embedding_model=section.embedding_model,
        api_key_env=section.api_key_env,
        door=door,
    )
    return RegisteredProvider("inference", provider, default=section.model, open=True, vendor="openai")


def _provider(name: str, section: ProviderConfig, vault: Vault, door: Door) -> RegisteredProvider:
    from headway.inference.catalogue import ModelInfo, catalogue, merged
    from headway.inference.dialects.table import dialect
    from headway.inference.http import HttpProvider
    from headway.inference.key import secret_key
    from headway.inference.local import LocalProvider
    from headway.inference.registry import RegisteredProvider

    given = [ModelInfo(**{**one.model_dump(), "aliases": tuple(one.aliases)}) for one in section.models]
    if section.kind == "local":
        local = section.file.stem if section.file is not None else "smollm2"
        models = merged([ModelInfo(local, tools=False, input_price=0, output_price=0)], given)
        return RegisteredProvider(name, LocalProvider(section.file), models, section.default or local, vendor="local")
    speaks = dialect(section.kind)
    known = catalogue().get(section.kind.partition("-")[0]) if section.url is None else None
    models = merged(known.models if known is not None else (), given)
    key = None
    if section.api_key is not None:
        secret = section.api_key.removeprefix(SCHEME)
        vault.must_declare(secret)
        key = secret_key(secret, lambda: vault.own(secret))
    provider = HttpProvider(
        section.url if section.url is not None else speaks.url,
        api_key_env=section.api_key_env,
        key=key,
        prices={one.id: one.prices for one in models if one.prices is not None},
        door=door,
        dialect=section.kind,
    )
    default = section.default or (given[0].id if given else known.default if known is not None else None)
    return RegisteredProvider(
        name,
        provider,
        models,
        default,
        section.url is not None if section.open is None else section.open,
        section.kind,
    )


def _learn(face: Face, section: LearningConfig, opened: AsyncExitStack) -> None:
    try:
        if section.memory is not None:
            from headway.learning.memory import Memgine

            _check(section.memory)
            memory = Memgine.load(section.memory) if section.memory.exists() else Memgine()
            face.with_learning(memory, section.distill)
            opened.callback(_keep, memory, section.memory)
        if section.trajectories is not None:
            from headway.learning.trajectory_store import TrajectoryStore

            _check(section.trajectories)
            face.with_trajectory_store(TrajectoryStore(section.trajectories))
    except HeadwayError as error:
        raise InvalidConfig(f"learning: {error.message}") from None


def _keep(memory: Memgine, path: Path) -> None:
    """Write a memory to its file; where nothing was learned none is made."""
    if len(memory) or len(memory.skills) or path.exists():
        memory.save(path)


def _check(path: Path) -> None:
    try:
        check_path(path)
    except OSError as error:
        raise InvalidConfig(f"{path}: cannot be read: {error.strerror or error}") from None


def environment_of(
    config: Config, log: StoreLog, registry: ToolRegistry, gates: Gates, sandbox: Sandbox, vault: Vault
) -> Environment:
    """Return what the runs of an engine work with."""
    from headway.execution.environment import Environment
    from headway.limits.bucket import RateLimiter

    return Environment(
        log=log,
        registry=registry,
        limiter=RateLimiter(log.clock),
        clock=log.clock,
        max_concurrency=config.runtime.max_concurrency,
        concurrency=config.runtime.concurrency,
        workspace=config.workspace,
        sandbox=sandbox,
        gates=gates,
        vault=vault,
    )
