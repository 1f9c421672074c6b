"""Reload of ``headway.toml`` in a running engine: what can change without a restart does, together or not at all.

What a section says to the outside (addresses), what was loaded (tools, callbacks, models) and what was opened with it
stays as it was until ``headway restart``; the log says which keys wait for that.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from headway.config.find import FILE_NAME
from headway.errors import HeadwayError, InvalidConfig, one_line
from headway.events import kinds
from headway.events.event import Event
from headway.limits.budget import CostBudget
from headway.policy.capabilities import CapabilitySet

if TYPE_CHECKING:
    from headway.config import Config
    from headway.face import Face
    from headway.policy.exec.asking import Approval

_log = logging.getLogger("headway.engine")

LIVE: dict[str, frozenset[str] | None] = {
    "store": None,
    "rate_limits": None,
    "budgets": None,
    "inbox": None,
    "capabilities": None,
    "console": None,
    "operator": None,
    "schedules": None,
    "a2a": frozenset({"cancel_wait"}),
    "runtime": frozenset(
        {"max_concurrency", "concurrency", "compat", "on_restart", "max_replans", "replan_delay_ms", "grant"}
        | {"approval", "approval_rejects"}
    ),
}
"""The sections, or their keys, that take effect without a restart."""


def merged(old: Config, new: Config) -> tuple[Config, list[str], list[str]]:
    """Return what holds now, the keys that have changed with it, and those that wait for a restart."""
    before, after = _leaves(old), _leaves(new)
    different = [key for key in dict.fromkeys([*before, *after]) if before.get(key) != after.get(key)]
    waiting = [key for key in different if not _is_live(key)]
    kept: dict[str, Any] = {}
    for section in type(new).model_fields:
        keys = LIVE.get(section, frozenset())
        if keys is None:
            continue
        theirs, ours = getattr(new, section), getattr(old, section)
        kept[section] = ours.model_copy(update={key: getattr(theirs, key) for key in keys}) if keys else ours
    return new.model_copy(update=kept), [key for key in different if key not in waiting], waiting


def apply(face: Face, old: Config, new: Config) -> None:
    """Set on ``face`` what ``new`` says otherwise than ``old``; jobs that run keep the budget they began with."""
    if new.rate_limits != old.rate_limits:
        face._tool_limits.override(
            {tool: (limit.max_calls, limit.interval_secs) for tool, limit in new.rate_limits.items()}
        )
    if new.budgets != old.budgets:
        face.set_cost_budget(budget_of(new))
    if new.inbox != old.inbox:
        face.elicitations.attend(expires_secs=new.inbox.expires_secs)
    if new.capabilities != old.capabilities:
        face.set_capabilities(capabilities_of(new))
    runtime = new.runtime
    if runtime.grant != old.runtime.grant:
        face.set_permission_grant(runtime.grant)
    if (approval := approval_of(new)) != approval_of(old):
        face.policies.exec.ask_for(approval)
    if (runtime.max_replans, runtime.replan_delay_ms) != (old.runtime.max_replans, old.runtime.replan_delay_ms):
        from headway.jobs.replan import ReplanConfig

        face.set_replan_config(ReplanConfig(runtime.max_replans, runtime.replan_delay_ms))
    env = face._powers.env
    env.max_concurrency, env.concurrency = runtime.max_concurrency, runtime.concurrency
    face._powers.compat = runtime.compat


def budget_of(config: Config) -> CostBudget | None:
    """Return the budget of ``[budgets]``; None if it sets no limit."""
    limits = {name: value for name, value in config.budgets.model_dump().items() if value is not None}
    return CostBudget(**limits) if len(limits) > 1 else None  # on_exhausted is always there


def approval_of(config: Config) -> Approval | None:
    """Return when people are asked about commands, by ``[runtime] approval``; None if that is not set."""
    if config.runtime.approval is None:
        return None
    from headway.policy.exec.asking import Approval, AskForApproval, Reject
    from headway.policy.exec.asking import approval_of as named

    found = named(config.runtime.approval)
    if found.mode is not AskForApproval.REJECT:
        return found
    return Approval(found.mode, Reject(**dict.fromkeys(config.runtime.approval_rejects, True)))


def capabilities_of(config: Config) -> CapabilitySet | None:
    """Return what ``[capabilities]`` allows; None if it allows everything."""
    section = config.capabilities
    if not any(section.model_dump(exclude_defaults=True).values()):
        return None
    return CapabilitySet(
        allowed_tools=frozenset(section.allowed_tools),
        denied_tools=frozenset(section.denied_tools),
        allowed_state_keys=frozenset(section.allowed_state_keys),
        max_actions=section.max_actions,
    )


class ConfigFile:
    """The configuration in force and the file that it came from. ``config`` is what holds."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._seen = self._stamp()
        self.waiting: list[str] = []

    def look(self, face: Face) -> list[Event]:
        """Take over what the file says now; return what the log is to be told: nothing if it says what it did."""
        seen = self._stamp()
        if seen == self._seen:
            return []
        self._seen = seen
        try:
            new = self.config.again()
            if new.project != self.config.project:
                raise InvalidConfig(f"{new.project} is another project: headway restart")
            config, changed, waiting = merged(self.config, new)
            apply(face, self.config, config)
        except HeadwayError as error:
            _log.warning("headway.toml was not taken over: %s", one_line(error.message, 1000))
            return [Event(kinds.CONFIG_REFUSED, {"error": error.message})]
        if waiting and waiting != self.waiting:
            _log.warning("headway.toml changed and waits for headway restart: %s", one_line(", ".join(waiting), 1000))
        self.config, self.waiting = config, waiting
        return [Event(kinds.CONFIG_RELOADED, {"changed": changed, "restart": waiting})] if changed or waiting else []

    def _stamp(self) -> tuple[int, ...]:
        """Return what tells whether the file has changed; of one that is not there, or not looked for, nothing."""
        path = self.config.file or (self.config.folder / FILE_NAME if self.config.folder is not None else None)
        if path is None:
            return ()
        try:
            found = path.stat()
        except OSError:
            return ()
        return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def _leaves(config: Config) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for section, content in config.model_dump(mode="json").items():
        for key, value in content.items():
            found[f"{section}.{key}"] = value
    return found


def _is_live(key: str) -> bool:
    section, _, name = key.partition(".")
    keys = LIVE.get(section, frozenset())
    return keys is None or name in keys
