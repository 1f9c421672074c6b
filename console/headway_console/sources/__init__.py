"""The places a console can look at: every one a :class:`headway_console.source.Source`.

- :class:`MemorySource` a log in this process
- :class:`StoreSource` the store file of a local home, commands over its daemon's socket
- :class:`RemoteSource` a daemon's operator API, over its socket or a URL
- :class:`ReplaySource` a recording, with a clock of its own

They are imported on first use: a replay needs no HTTP client, and a console on a store no recording.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway._lazy import attach

if TYPE_CHECKING:
    from headway_console.sources.memory import MemorySource
    from headway_console.sources.remote import RemoteSource
    from headway_console.sources.replay import ReplaySource
    from headway_console.sources.store import StoreSource

_HOME = {"MemorySource": "memory", "RemoteSource": "remote", "ReplaySource": "replay", "StoreSource": "store"}

__all__ = ["MemorySource", "RemoteSource", "ReplaySource", "StoreSource"]

__getattr__, __dir__ = attach(__name__, _HOME)
