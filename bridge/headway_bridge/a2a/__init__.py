"""The A2A endpoint: tasks of three protocol generations over one engine."""

from headway_bridge.a2a.app import a2a_app
from headway_bridge.a2a.engine import TaskEngine
from headway_bridge.a2a.interpreter import Interpreter, NeedInput, Reject, Reply, Run
from headway_bridge.a2a.model import DataPart, Message, TextPart

__all__ = [
    "DataPart",
    "Interpreter",
    "Message",
    "NeedInput",
    "Reject",
    "Reply",
    "Run",
    "TaskEngine",
    "TextPart",
    "a2a_app",
]
