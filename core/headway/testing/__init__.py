"""Public helpers for tests of Headway and of what is built on it: a virtual clock, made-up event streams."""

from headway.testing.clock import VirtualClock, settle
from headway.testing.streams import event_stream

__all__ = ["VirtualClock", "event_stream", "settle"]
