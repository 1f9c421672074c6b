"""Public helpers for tests of Headway and of what is built on it: a virtual clock, made-up event streams, a model that
says what it is told, a dispatcher that answers without tools."""

from headway.testing.clock import VirtualClock, settle
from headway.testing.dispatcher import Answer, FakeDispatcher
from headway.testing.inference import InferenceCall, ScriptedProvider
from headway.testing.streams import event_stream

__all__ = ["Answer", "FakeDispatcher", "InferenceCall", "ScriptedProvider", "VirtualClock", "event_stream", "settle"]
