"""Public helpers for tests of Headway and of what is built on it: a virtual clock, made-up event streams, a model that
says what it is told."""

from headway.testing.clock import VirtualClock, settle
from headway.testing.inference import InferenceCall, ScriptedProvider
from headway.testing.streams import event_stream

__all__ = ["InferenceCall", "ScriptedProvider", "VirtualClock", "event_stream", "settle"]
