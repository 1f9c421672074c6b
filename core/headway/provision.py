"""Provision of an engine from ``headway.toml``: its tools, replanning, rights, a model, and learning."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from headway.errors import HeadwayError, InvalidConfig
from headway.reload import capabilities_of
from headway.tools.loader import admit_modules, load_name
from headway.trust.names import GIT
from headway.trust.ownership import check_path

if TYPE_CHECKING:
    from headway.config import Config
    from headway.config.model import InferenceConfig, LearningConfig
    from headway.egress.door import Door
    from headway.face import Face
    from headway.learning.memory import Memgine
    from headway.secrets.redactor import Redactor
    from headway.secrets.vault import Vault
    from headway.tools.registry import ToolRegistry
    from headway.tools.sandbox import Sandbox
    from headway.trust.control import ControlFiles


def tools_of(config: Config, control: ControlFiles) -> ToolRegistry:
    """Return the agent basics, which keep away from ``control``, and the tools of ``[tools] python``.

    Raises :class:`InvalidConfig` for a file that does not load, :class:`headway.errors.NotTrusted` before any is run if
    the project is not trusted.
    """
    from headway.tools.basics import register_agent_basics
    from headway.tools.files.workspace import Workspace
    from headway.tools.loader import load_tool_files
    from headway.tools.registry import ToolRegistry

    config.require_trust()
    registry = ToolRegistry()
    register_agent_basics(registry, Workspace(config.workspace, control))
    load_tool_files(config.tools.python, registry, config.tools.path if config.tools.python else ())
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
    if (capabilities := capabilities_of(config)) is not None:
        face.set_capabilities(capabilities)
    if config.inference.url is not None:
        _infer(face, config.inference, door_of(config, face.secrets.redactor), opened)
    _learn(face, config.learning, opened)


def door_of(config: Config, redactor: Redactor | None = None) -> Door:
    """Return the door that ``[egress]`` describes; ``redactor`` knows what its errors must not hold."""
    from headway.egress.door import Door
    from headway.egress.rules import Rules

    egress = config.egress
    only = None if egress.only is None else tuple(egress.only)
    return Door(Rules(tuple(egress.allow), only), proxy=egress.proxy, redactor=redactor)


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


def _infer(face: Face, section: InferenceConfig, door: Door, opened: AsyncExitStack) -> None:
    from headway.inference.http import HttpProvider

    assert section.url is not None
    try:
        provider = HttpProvider(
            section.url,
            model=section.model,
            embedding_model=section.embedding_model,
            api_key_env=section.api_key_env,
            door=door,
        )
        opened.push_async_callback(provider.aclose)
        face.with_inference(provider)
    except HeadwayError as error:
        raise InvalidConfig(f"inference: {error.message}") from None


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
