"""``headway.toml``: what it may say, where a value came from, and how it is found.

::

    from headway.config import load_config

    config = load_config()          # walks up from the working directory; HEADWAY_* variables win over the file
    config.a2a.port                 # 8420
    config.source("a2a.port")       # Source(kind="default", where="")
"""

from headway.config.control import control_files
from headway.config.load import FILE_NAME, find_file, load_config
from headway.config.model import (
    A2AConfig,
    BudgetsConfig,
    Config,
    ConsoleConfig,
    OperatorConfig,
    RateLimitConfig,
    RuntimeConfig,
    StoreConfig,
    ToolsConfig,
    WorkflowConfig,
    json_schema,
)
from headway.config.source import Source, Value

__all__ = [
    "FILE_NAME",
    "A2AConfig",
    "BudgetsConfig",
    "Config",
    "ConsoleConfig",
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
