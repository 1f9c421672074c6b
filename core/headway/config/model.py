"""The settings of ``headway.toml``: one strict model a section.

Types are exact (``port = "8420"`` is an error, not a number) and unknown keys are refused, because a key that is
misspelt and ignored is worse than none. Durations end in ``_secs``, ``_ms`` or ``_days``, sizes in ``_bytes``.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from headway.addresses import is_loopback
from headway.config.hooks import BeforeToolConfig, HookConfig, HookName
from headway.config.mcp import McpConfig, hidden
from headway.config.schedules import ScheduleConfig
from headway.config.section import FilePath, Name, PythonName, Section
from headway.config.services import EgressConfig, ModelsConfig, ProviderConfig, provider_name
from headway.config.source import DEFAULT, Source, Value
from headway.errors import NotTrusted, one_line
from headway.secrets.reference import is_name


class StoreConfig(Section):
    """What the event store keeps. Finished jobs beyond a limit are pruned, oldest first."""

    keep_days: float | None = Field(default=None, gt=0, description="Days that a finished job is kept; none: for ever.")
    max_bytes: int | None = Field(
        default=None, ge=1_000_000, description="Size of the store above which finished jobs go; none: no limit."
    )


class ToolsConfig(Section):
    """Where tools come from and what they may touch."""

    python: list[FilePath] = Field(default=[], description="Python files whose @headway.tool functions are loaded.")
    path: list[FilePath] = Field(
        default=[],
        description="Folders that tool files may import modules from. No plan can write to anything in them.",
    )
    workspace: FilePath | None = Field(
        default=None, description="The folder that file tools are confined to; none: the folder of this file."
    )
    sandbox: Literal["auto", "off", "require"] = Field(
        default="auto",
        description='The sandbox of tools that start programs. "auto": they run in one, and are refused where none'
        ' works; "require": without one the daemon does not start; "off": they have all rights of this user.',
    )
    sandbox_network: list[Name] = Field(default=[], description="Tools whose programs reach the network.")
    sandbox_readable: list[FilePath] = Field(
        default=[], description="Files and folders that programs may read besides the system's and the workspace."
    )


class RateLimitConfig(Section):
    """A token bucket of one tool."""

    max_calls: int = Field(ge=1, description="Tokens in the bucket: calls that may go at once.")
    interval_secs: float = Field(gt=0, description="Seconds in which an empty bucket fills.")


class BudgetsConfig(Section):
    """What one job may use; a job that reaches a limit fails with its remaining actions skipped, or asks for more."""

    tool_calls: int | None = Field(default=None, ge=0, description="Tool calls.")
    actions: int | None = Field(default=None, ge=0, description="Actions of any type.")
    duration_ms: int | None = Field(default=None, ge=0, description="Milliseconds spent in tools, summed.")
    tokens: int | None = Field(default=None, ge=0, description="Model tokens that tools report.")
    usd_micros: int | None = Field(default=None, ge=0, description="Millionths of a US dollar that tools report.")
    on_exhausted: Literal["stop", "ask"] = Field(
        default="stop",
        description='"ask": a job that reaches a limit waits until somebody tops its budget up (`headway inbox`).',
    )


class InboxConfig(Section):
    """Questions to people: approvals, values, budgets that ran out."""

    expires_secs: float = Field(
        default=604_800.0,
        ge=0,
        le=315_360_000,
        description="Seconds that a question stays open; after them its default answer counts, which is no.",
    )


class SecretConfig(Section):
    """A secret that plans name as `secret://NAME`; its value comes from one of `env`, `file` and `keyring`."""

    env: str | None = Field(default=None, min_length=1, description="The environment variable that holds it.")
    file: FilePath | None = Field(
        default=None, description="The file that holds it, of mode 600, without the line break at its end."
    )
    keyring: str | None = Field(
        default=None,
        pattern="^[^:]+:.+$",
        description='The entry of the system\'s keyring, as "service:user"; needs `headway[keyring]`.',
    )
    tools: list[Name] = Field(default=[], description="The tools that get it, in parameters that their schema marks.")
    remote: bool = Field(default=False, description="Whether they get it in plans of remote agents, too.")

    @model_validator(mode="after")
    def _one_source(self) -> SecretConfig:  # noqa: N804 - it is called with the model in this mode
        given = [name for name in ("env", "file", "keyring") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("must have exactly one of env, file and keyring")
        return self


def _secret_name(name: str) -> str:
    if not is_name(name):
        raise ValueError("the name of a secret has letters, digits, '_', '.' and '-' only, at most 128")
    return name


SecretName = Annotated[Name, AfterValidator(_secret_name)]


class WorkflowConfig(Section):
    """A plan that may be started by its name."""

    plan: FilePath = Field(description="The plan's JSON file.")
    description: str = Field(default="", description="What it does, for those who choose.")


class A2AConfig(Section):
    """The A2A endpoint."""

    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(default=8420, ge=0, le=65535, description="TCP port; 0: a free one.")
    auth: Literal["token", "none"] = Field(
        default="token",
        description='Who is let in: "token": who sends the token of the home; "none": everybody, which is refused but'
        " on a loopback address, where it means every user of the machine.",
    )
    tools: list[Name] = Field(default=[], description="Tools that plans of remote agents may call; none by default.")
    workflows: list[Name] = Field(
        default=[],
        description="Workflows that remote agents may start, whatever tools they use; none by default.",
    )
    cancel_wait: float = Field(
        default=30.0, ge=0, le=3600, description="Seconds that a cancel waits for tools in flight before it answers."
    )
    name: str = Field(default="Headway", min_length=1, description="The agent's name on its card.")
    description: str | None = Field(default=None, description="The agent's description on its card.")
    public_url: str | None = Field(default=None, description="The address on the card, where a proxy stands in front.")
    allowed_hosts: list[Name] = Field(
        default=[], description="Host headers to accept besides the loopback names and the address listened on."
    )


class OperatorConfig(Section):
    """The operator API of the daemon."""

    shutdown_secs: float = Field(
        default=5.0, ge=0, le=8, description="Seconds that tools in flight get to end when the daemon stops."
    )


class AdmissionConfig(Section):
    """What is taken in; beyond it callers are told to come back. Connections count on each address listened on."""

    max_connections: int = Field(
        default=1000, ge=2, le=100_000, description="Connections at a time; fewer where the process may open few files."
    )
    max_connections_per_peer: int = Field(
        default=500, ge=1, le=100_000, description="Of these, from one address, or of one user of the Unix socket."
    )
    max_unauthenticated: int = Field(
        default=500,
        ge=1,
        le=100_000,
        description="Connections whose sender is not known yet; the longest silent one gives way to a new one.",
    )
    head_secs: float = Field(default=10.0, gt=0, le=600, description="Seconds in which a request's head must come.")
    body_secs: float = Field(default=15.0, gt=0, le=600, description="Seconds in which a request's body must come.")
    idle_secs: float = Field(
        default=60.0, gt=0, le=3600, description="Seconds that a connection may wait for a further request."
    )
    body_bytes: int = Field(
        default=33_554_432,
        ge=8_454_144,
        description="Bytes of all request bodies over 64 KiB that are in memory together.",
    )

    max_actions: int = Field(default=10_000, ge=1, le=1_000_000, description="The most actions of one plan.")
    max_waiting: int = Field(default=1000, ge=1, le=1_000_000, description="Jobs that wait for their turn.")
    max_plan_bytes: int = Field(
        default=67_108_864,
        ge=8_388_608,
        description="Bytes that the plans of all unfinished jobs may take in memory, as estimated.",
    )


class ConsoleConfig(Section):
    """The terminal console."""

    theme: str | None = Field(default=None, min_length=1, description="A theme's name; none: the console's default.")
    fps: int | None = Field(
        default=None, ge=1, le=60, description="Frames a second; none: 10, and 4 over a remote shell."
    )


class RuntimeConfig(Section):
    """The executor."""

    max_concurrency: int = Field(default=64, ge=1, le=4096, description="Actions of one level that run at once.")
    concurrency: Literal["level", "car"] = Field(
        default="level", description='"car": a level with an action that aborts runs one by one.'
    )
    compat: Literal["car"] | None = Field(
        default=None,
        description='"car": fields that the plan format does not know are left out, and `verify` warns of them;'
        " none: they are errors.",
    )
    on_restart: Literal["resume", "fail"] = Field(
        default="resume",
        description="What becomes of unfinished jobs of a dead process when a daemon starts or an `Engine` opens."
        " `headway run` in process always ends them.",
    )
    replan: PythonName | None = Field(
        default=None, description='The callback that proposes another plan when a job aborts, as "file.py:name".'
    )
    max_replans: int = Field(default=1, ge=0, le=100, description="How often one job is replanned at most.")
    replan_delay_ms: int = Field(
        default=0, ge=0, le=3_600_000, description="Milliseconds between a job's abort and the call for another plan."
    )
    grant: Literal["read_only", "sandbox_edit", "full_access"] | None = Field(
        default=None, description="The tier up to which actions may go; none: what the tools' permissions allow."
    )
    approval: (
        Literal[
            "unless_trusted", "on_failure", "on_request", "reject", "never", "deny", "suggest", "ask", "auto", "bypass"
        ]
        | None
    ) = Field(
        default=None,
        description="What becomes of a command that no `[[exec]]` rule denies, asks for or allows; none: commands are"
        " judged only where there is such a rule, as `on_failure`.",
    )
    approval_rejects: list[Literal["sandbox_approval", "rules", "mcp_elicitations"]] = Field(
        default=["sandbox_approval", "rules", "mcp_elicitations"],
        description='The questions that `approval = "reject"` answers with no.',
    )


class CapabilitiesConfig(Section):
    """What plans may use, whoever submits them. An empty list allows everything."""

    allowed_tools: list[Name] = Field(default=[], description="The tools that plans may call.")
    denied_tools: list[Name] = Field(default=[], description="Tools that no plan may call.")
    allowed_state_keys: list[Name] = Field(default=[], description="The state keys that plans may read and write.")
    max_actions: int | None = Field(default=None, ge=0, description="The most actions of one plan; none: no limit.")


class InferenceConfig(Section):
    """A model behind an OpenAI-compatible API: it gives jobs the tools infer, embed and classify."""

    url: str | None = Field(default=None, min_length=1, description="The API's base URL; none: no such tools.")
    model: str | None = Field(default=None, min_length=1, description="The model that completes texts.")
    embedding_model: str | None = Field(default=None, min_length=1, description="The model that embeds texts.")
    api_key_env: str | None = Field(
        default=None, min_length=1, description="The environment variable that holds the API's key."
    )


class LearningConfig(Section):
    """What is learned from jobs."""

    memory: FilePath | None = Field(
        default=None, description="The JSON file of facts and skills; none: nothing is learned into a memory."
    )
    distill: bool = Field(default=True, description="Whether skills are distilled after each job.")
    trajectories: FilePath | None = Field(
        default=None, description="The folder that keeps the trajectory of each job; none: none is kept."
    )


class Config(Section):
    """The whole configuration. Paths are absolute once :func:`headway.config.load_config` has read them."""

    store: StoreConfig = Field(default_factory=StoreConfig, description="What the event store keeps.")
    tools: ToolsConfig = Field(default_factory=ToolsConfig, description="Where tools come from, what they may touch.")
    rate_limits: dict[Name, RateLimitConfig] = Field(default={}, description="Token buckets, by tool.")
    budgets: BudgetsConfig = Field(default_factory=BudgetsConfig, description="What one job may use.")
    inbox: InboxConfig = Field(default_factory=InboxConfig, description="Questions to people.")
    secrets: dict[SecretName, SecretConfig] = Field(
        default={}, description="Secrets that plans may name, by name: see secrets.md."
    )
    mcp: McpConfig = Field(default_factory=McpConfig, description="Tools of MCP servers.")
    hooks: dict[HookName, HookConfig] = Field(default={}, description="Who is told of events, by name: see hooks.md.")
    before_tool: dict[HookName, BeforeToolConfig] = Field(
        default={}, description="What judges calls before they are made, by name: see hooks.md."
    )
    workflows: dict[Name, WorkflowConfig] = Field(default={}, description="Plans that may be started by name.")
    schedules: dict[Name, ScheduleConfig] = Field(default={}, description="What is started at set times, by name.")
    a2a: A2AConfig = Field(default_factory=A2AConfig, description="The A2A endpoint.")
    operator: OperatorConfig = Field(default_factory=OperatorConfig, description="The operator API.")
    admission: AdmissionConfig = Field(
        default_factory=AdmissionConfig, description="What is taken in; beyond it callers are told to come back."
    )
    console: ConsoleConfig = Field(default_factory=ConsoleConfig, description="The terminal console.")
    runtime: RuntimeConfig = Field(default_factory=RuntimeConfig, description="The executor.")
    capabilities: CapabilitiesConfig = Field(
        default_factory=CapabilitiesConfig, description="What plans may use, whoever submits them."
    )
    inference: InferenceConfig = Field(default_factory=InferenceConfig, description="A model that jobs may use.")
    providers: dict[Annotated[Name, AfterValidator(provider_name)], ProviderConfig] = Field(
        default={}, description="Services of models, by name: see models.md."
    )
    models: ModelsConfig = Field(default_factory=ModelsConfig, description="Which model is meant by what.")
    egress: EgressConfig = Field(default_factory=EgressConfig, description="What may be reached over the network.")
    learning: LearningConfig = Field(default_factory=LearningConfig, description="What is learned from jobs.")

    @field_validator("a2a")
    @classmethod
    def _workflows_exist(cls, a2a: A2AConfig, info: ValidationInfo) -> A2AConfig:
        known = info.data.get("workflows")
        missing = [name for name in a2a.workflows if known is not None and name not in known]
        if missing:
            raise ValueError(f"workflows names {missing[0]!r}, and there is no [workflows.{missing[0]}]")
        return a2a

    _file: Path | None = PrivateAttr(default=None)
    _folder: Path | None = PrivateAttr(default=None)
    _start: Path | None = PrivateAttr(default=None)
    _trusted: bool = PrivateAttr(default=True)
    _load: Callable[[], Config] | None = PrivateAttr(default=None)
    _in_file: Mapping[str, Any] = PrivateAttr(default_factory=lambda: MappingProxyType({}))
    _sources: Mapping[str, Source] = PrivateAttr(default_factory=lambda: MappingProxyType({}))

    @property
    def file(self) -> Path | None:
        """The ``headway.toml`` that was read; None if there is none."""
        return self._file

    @property
    def folder(self) -> Path | None:
        """The folder that it holds in: the file's, else the one it was looked for from; None if nothing was read."""
        return self._folder

    @property
    def digest(self) -> str:
        """The hash of all that decides what becomes of a plan; where others listen or look is not in it."""
        elsewhere: dict[str, Any] = dict.fromkeys(
            ("a2a", "admission", "console", "hooks", "operator", "schedules", "store"), True
        )
        elsewhere["tools"] = {"workspace"}  # as it was found to be instead
        values = f"{os.path.realpath(self.workspace)}\n{self.model_dump_json(exclude=elsewhere)}"
        return hashlib.sha256(values.encode("utf-8", "surrogateescape")).hexdigest()

    def again(self) -> Config:
        """Return what the same files, variables and flags say now; this configuration itself if it was not read.

        Raises what :func:`headway.config.load_config` does.
        """
        return self._load() if self._load is not None else self

    @property
    def workspace(self) -> Path:
        """The folder that file tools are confined to: ``tools.workspace``, else the file's, else the working folder."""
        return self.tools.workspace or self._folder or Path.cwd()

    @property
    def project(self) -> Path:
        """The folder that this is the configuration of: the file's, else the working folder it was looked for in.

        Of a configuration that a program made, the workspace.
        """
        return self._folder or self.workspace

    @property
    def start(self) -> Path:
        """The folder from which the file was looked for, upwards; the file's own if it was named."""
        return self._start or self.project

    @property
    def tool_files(self) -> list[Path]:
        """The Python files whose tools are loaded: ``tools.python``."""
        return list(self.tools.python)

    @property
    def code(self) -> list[Path]:
        """The project's own code: the files that are run to make its tools and callbacks, in no order."""
        named = [self.runtime.replan, *(hook.python for hook in self.before_tool.values())]
        return [*self.tools.python, *(Path(name.rpartition(":")[0]) for name in named if name is not None)]

    @property
    def opens(self) -> list[str]:
        """The settings of the file that are no code and open more than its folder: they need the same trust.

        A workspace, a memory or trajectories outside of it, an environment variable that is sent to a model's address,
        a provider of models that gets a key, an A2A endpoint for other machines or for everybody, private addresses, a
        proxy, MCP servers, and hooks that run a program, write a file or send something elsewhere.
        """
        found = [key for key in ("tools.workspace", "learning.memory", "learning.trajectories") if self._leaves(key)]
        sent = [self.source(key).kind for key in ("inference.url", "inference.api_key_env")]
        if self.inference.url is not None and self.inference.api_key_env is not None and "file" in sent:
            found.append("inference.api_key_env")
        if self.a2a.auth == "none" and self.source("a2a.auth").kind == "file":
            found.append("a2a.auth")
        if not is_loopback(self.a2a.host) and self.source("a2a.host").kind == "file":
            found.append("a2a.host")
        found += [f"providers.{name}" for name, one in self.providers.items() if one.api_key or one.api_key_env]
        given = {"egress.allow": bool(self.egress.allow), "egress.proxy": self.egress.proxy is not None}
        found += [key for key, there in given.items() if there and self.source(key).kind == "file"]
        found += [f"mcp.servers.{name}" for name in self.mcp.started]
        found += [f"hooks.{name}" for name, hook in self.hooks.items() if hook.opens]
        found += [f"before_tool.{name}" for name, hook in self.before_tool.items() if hook.python is None]
        return found

    def _leaves(self, key: str) -> bool:
        """Return whether the file has a path at ``key`` that lies outside of the project, links resolved."""
        section, _, name = key.partition(".")
        path = getattr(getattr(self, section), name)
        if path is None or self.source(key).kind != "file":
            return False
        return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.project))

    @property
    def trusted(self) -> bool:
        """True if :attr:`code` may be loaded and what the file :attr:`opens` is open.

        That is so if the user trusts the project, or a program made this configuration.
        """
        return self._trusted

    def trust(self) -> None:
        """Let :attr:`code` be loaded by whoever opens this configuration. The user's list is not changed."""
        self._trusted = True

    def require_trust(self) -> None:
        """Raise :class:`headway.errors.NotTrusted` if there is code that may not be loaded, or what may not be open."""
        if self._trusted:
            return
        project = one_line(str(self.project), 500)
        if self.code:
            names = one_line(", ".join(path.name for path in self.code), 200)
            raise NotTrusted(f"{project} is not trusted: look at its code ({names}), then run headway trust {project}")
        if opened := ", ".join(self.opens):
            raise NotTrusted(
                f"{project} is not trusted, and its {opened} opens more than its folder: run headway trust {project}"
            )

    def without_code(self) -> Config:
        """Return this configuration without what needs trust: for what needs none of it."""
        left_out: dict[str, dict[str, Any]] = {"tools": {"python": []}, "runtime": {"replan": None}}
        opened = self.opens
        keyless = {name: one for name, one in self.providers.items() if f"providers.{name}" not in opened}
        for key in opened:
            if key.startswith(("hooks.", "before_tool.")):
                continue
            if key.startswith("providers."):
                left_out["models"] = {"default": None, "failover": [], "aliases": {}}
                continue
            section, name, *_ = key.split(".")
            default = type(getattr(self, section)).model_fields[name].get_default(call_default_factory=True)
            left_out.setdefault(section, {})[name] = default
        update = {section: getattr(self, section).model_copy(update=values) for section, values in left_out.items()}
        told = {name: hook for name, hook in self.hooks.items() if not hook.opens}
        return self.model_copy(update={**update, "providers": keyless, "hooks": told, "before_tool": {}})

    def in_file(self, key: str) -> Any:
        """Return what the file has at the dotted ``key``, whatever flags and variables say; None if nothing."""
        found: Any = self._in_file
        for part in key.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return found

    def source(self, key: str) -> Source:
        """Return where the value of the dotted ``key`` came from; ``default`` for what nobody set."""
        parts = key.split(".")
        for length in range(len(parts), 0, -1):
            found = self._sources.get(".".join(parts[:length]))
            if found is not None:
                return found
        return DEFAULT

    def values(self) -> Iterator[Value]:
        """Yield every leaf as (dotted key, JSON value, source), in the order of the sections; no secret is in it."""
        for section, content in self.model_dump(mode="json").items():
            for key, value in content.items():
                if isinstance(value, dict):
                    for name, leaf in value.items():
                        shown = hidden(leaf) if section == "mcp" else leaf
                        yield self._value(f"{section}.{key}.{name}", shown)
                else:
                    yield self._value(f"{section}.{key}", value)

    def _value(self, key: str, value: Any) -> Value:
        return Value(key, value, self.source(key))


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``headway.toml``, for editors."""
    schema = Config.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "headway.toml"}
