"""The policy files that a configuration finds, for commands that check without opening a home."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headway.config import Config


def check_policies(config: Config) -> None:
    """Read the files as an engine does; :class:`headway.errors.InvalidConfig` for those that cannot be understood."""
    from headway.jobs.policy_files import PolicyFiles
    from headway.policy.engine import PolicyEngine

    PolicyFiles(PolicyEngine(), config.project, config.start)
