"""``headway.toml``: what it may say, where a value came from, and how it is found.

::

    from headway.config import load_config

    config = load_config()          # walks up from the working directory; HEADWAY_* variables win over the file
    config.a2a.port                 # 8420
    config.source("a2a.port")       # Source(kind="default", where="")
"""

from typing import TYPE_CHECKING

from headway._lazy import attach

if TYPE_CHECKING:
    from headway.config.control import control_files
    from headway.config.find import FILE_NAME, find_file
    from headway.config.load import load_config
    from headway.config.model import (
        A2AConfig,
        BudgetsConfig,
        Config,
        ConsoleConfig,
        InboxConfig,
        OperatorConfig,
        RateLimitConfig,
        RuntimeConfig,
        StoreConfig,
        ToolsConfig,
        WorkflowConfig,
        json_schema,
    )
    from headway.config.source import Source, Value

_HOME = {
    "A2AConfig": "model",
    "BudgetsConfig": "model",
    "InboxConfig": "model",
    "Config": "model",
    "ConsoleConfig": "model",
    "FILE_NAME": "find",
    "OperatorConfig": "model",
    "RateLimitConfig": "model",
    "RuntimeConfig": "model",
    "Source": "source",
    "StoreConfig": "model",
    "ToolsConfig": "model",
    "Value": "source",
    "WorkflowConfig": "model",
    "control_files": "control",
    "find_file": "find",
    "json_schema": "model",
    "load_config": "load",
}

__all__ = [
    "FILE_NAME",
    "A2AConfig",
    "BudgetsConfig",
    "Config",
    "ConsoleConfig",
    "InboxConfig",
    "OperatorConfig",
    "RateLimitConfig",
    "RuntimeConfig",
    "Source",
    "StoreConfig",
    "ToolsConfig",
    "Value",
    "WorkflowConfig",
    "control_files",
    "find_file",
    "json_schema",
    "load_config",
]

__getattr__, __dir__ = attach(__name__, _HOME)
