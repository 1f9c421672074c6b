"""The environment of runs: all that the runs of one runtime share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from headway.arguments import expect, expect_one_of, path_of
from headway.cancellation import LeftBehind
from headway.clock import SYSTEM_CLOCK, Clock, clock_of, rfc3339
from headway.dispatch.local import LocalDispatcher
from headway.dispatch.protocol import dispatcher_of
from headway.errors import Conflict, one_line
from headway.events import kinds
from headway.events.event import Event
from headway.events.log import EventLog
from headway.execution.asking import AskPort, Nobody
from headway.jsonvalue import copy_members
from headway.limits.bucket import RateLimiter
from headway.limits.cache import ResultCache
from headway.limits.exclusion import Exclusion
from headway.limits.idempotency import IdempotencyCache
from headway.limits.prices import Prices
from headway.limits.reuse import Reuse
from headway.numbers import whole_number
from headway.policy.gates import Gates
from headway.secrets.vault import Vault
from headway.thread_pool import DaemonThreads
from headway.tools.registry import ToolRegistry
from headway.tools.sandbox import Sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from headway.dispatch.protocol import Dispatcher
    from headway.hooks.gate import ToolHook
    from headway.tools.code_files import CodeFiles
    from headway.tools.registry import ToolEntry


class Versioned(Protocol):
    """A set of rules."""

    @property
    def version(self) -> int:
        """A number that grows with each change of the rules."""


class Rules:
    """All that may bring a rule into a run that is under way."""

    def __init__(self, policies: Versioned, tools: Versioned, results: Versioned, limiter: Versioned) -> None:
        self._policies = policies
        self._tools = tools
        self._results = results
        self._limiter = limiter
        self.hooks = 0  # changes of the hooks before tools

    @property
    def version(self) -> int:
        """A number that grows with each change of any rule."""
        policies, tools, results = self._policies.version, self._tools.version, self._results.version
        return policies + tools + results + self._limiter.version + self.hooks


class Environment:
    """Log, clock, tools, limits, caches and the dispatcher. ``concurrency`` is "level", or "car" for CAR's rule.

    Tools are called through ``dispatcher``: by default in this process, blocking ones in ``threads``. Questions to
    people go through ``asking``: by default nobody is there. ``reuse`` is "ttl", or "runtime" for CAR's rule: results
    of idempotent actions are kept for as long as this environment lives. Programs that tools start run in ``sandbox``,
    by default one for ``workspace``. ``vault`` has the secrets that plans may name; the log's redactor looks for them.
    ``before_tool`` are the hooks that judge calls, in their order.
    ``code`` are the files that the tools were loaded from: once they have changed, nothing new begins here.
    """

    def __init__(
        self,
        *,
        log: EventLog | None = None,
        registry: ToolRegistry | None = None,
        limiter: RateLimiter | None = None,
        clock: Clock = SYSTEM_CLOCK,
        max_concurrency: int = 64,
        concurrency: str = "level",
        workspace: Path | None = None,
        results: ResultCache | None = None,
        gates: Gates | None = None,
        dispatcher: Dispatcher | None = None,
        asking: AskPort | None = None,
        reuse: str = "ttl",
        sandbox: Sandbox | None = None,
        vault: Vault | None = None,
        code: CodeFiles | None = None,
    ) -> None:
        self.code = code
        expect_one_of(concurrency, ("level", "car"), "concurrency")
        expect_one_of(reuse, ("ttl", "runtime"), "reuse")
        self.clock = clock_of(clock)
        self.log = expect(log, EventLog, "log") if log is not None else EventLog(clock=clock)
        self.registry = expect(registry, ToolRegistry, "registry") if registry is not None else ToolRegistry()
        self.limiter = expect(limiter, RateLimiter, "limiter") if limiter is not None else RateLimiter(clock)
        self.vault = expect(vault, Vault, "secrets") if vault is not None else Vault()
        self.vault.tell(self.log.redactor)
        self.vault.learn(immediate=True)
        self.results = results if results is not None else ResultCache(clock)
        self.reuse = Reuse(self.results, IdempotencyCache(clock, keep=reuse == "runtime"))
        self.prices = Prices()
        self.exclusion = Exclusion()
        self.gates = gates if gates is not None else Gates()
        self.asking: AskPort = asking if asking is not None else Nobody()
        self.before_tool: tuple[ToolHook, ...] = ()
        self.rules = Rules(self.gates.policies, self.registry, self.results, self.limiter)
        self.max_concurrency = whole_number(max_concurrency, "max_concurrency", 1)
        self.threads = DaemonThreads(max_concurrency)
        self.left_behind = LeftBehind()
        local = LocalDispatcher(self.clock, self.threads, self.left_behind)
        self.dispatcher: Dispatcher = local if dispatcher is None else dispatcher_of(dispatcher)
        self.concurrency = concurrency
        self.workspace = None if workspace is None else path_of(workspace, "workspace")
        self.sandbox = sandbox if sandbox is not None else Sandbox(workspace=self.workspace)
        self._second = -1
        self._prefix = ""

    def add_before_tool(self, hook: ToolHook) -> None:
        """Have ``hook`` judge calls, after those there are. Raises :class:`Conflict` for a name that is taken."""
        if any(one.name == hook.name for one in self.before_tool):
            raise Conflict(f"there is already a hook '{one_line(hook.name, 100)}' before tools")
        self.before_tool = (*self.before_tool, hook)
        self.rules.hooks += 1

    def remove_before_tool(self, name: str) -> bool:
        """Have the hook of that name judge no further call; return whether there was one."""
        before = self.before_tool
        self.before_tool = tuple(hook for hook in before if hook.name != name)
        self.rules.hooks += 1
        return len(self.before_tool) < len(before)

    def call_parameters(self, entry: ToolEntry | None, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters by which equal calls of a tool are known: of secrets a keyed hash."""
        if entry is None or entry.marks is None:
            return parameters
        return self.vault.keyed(entry.marks, copy_members(parameters))

    def require_current(self) -> None:
        """Raise :class:`headway.errors.Conflict` if the code of the tools is not what was loaded, and tell the log."""
        if self.code is not None:
            if names := self.code.news():
                self.log.append(Event(kinds.TOOLS_CHANGED, {"files": names}))
            self.code.require_current()

    def timestamp(self, ms: int) -> str:
        """Return ``ms`` as RFC 3339; the part up to the second is kept from call to call."""
        second, millis = divmod(ms, 1000)
        if second != self._second:
            self._second, self._prefix = second, rfc3339(second * 1000)[:-4]
        return f"{self._prefix}{millis:03d}Z"
