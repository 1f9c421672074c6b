"""Inference: answering prompts, conversations, embedding and classifying text, behind one small protocol.

:class:`~headway.inference.provider.InferenceProvider` is the protocol,
:class:`~headway.inference.local.LocalProvider` runs small models in this process,
:class:`~headway.inference.http.HttpProvider` asks a service in one of four dialects,
:class:`~headway.inference.registry.ModelRegistry` knows models by name, and
:func:`~headway.tools.inference.inference_tools` makes the tools of any of them. The names below are imported on first
use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway._lazy import attach

if TYPE_CHECKING:
    from headway.inference.answer import Completion, Metered, Prices, Usage
    from headway.inference.catalogue import ModelInfo
    from headway.inference.chat import ChatRequest, Message, Piece, Reply, ToolCall, ToolOffer
    from headway.inference.http import HttpProvider
    from headway.inference.local import LocalProvider
    from headway.inference.provider import InferenceProvider, Provider
    from headway.inference.registry import ModelRegistry, RegisteredProvider, Resolution
    from headway.inference.request import InferRequest

_HOME = {
    "ChatRequest": "chat",
    "Completion": "answer",
    "HttpProvider": "http",
    "InferRequest": "request",
    "InferenceProvider": "provider",
    "LocalProvider": "local",
    "Message": "chat",
    "Metered": "answer",
    "ModelInfo": "catalogue",
    "ModelRegistry": "registry",
    "Piece": "chat",
    "Prices": "answer",
    "Provider": "provider",
    "RegisteredProvider": "registry",
    "Reply": "chat",
    "Resolution": "registry",
    "ToolCall": "chat",
    "ToolOffer": "chat",
    "Usage": "answer",
}

__all__ = [
    "ChatRequest",
    "Completion",
    "HttpProvider",
    "InferRequest",
    "InferenceProvider",
    "LocalProvider",
    "Message",
    "Metered",
    "ModelInfo",
    "ModelRegistry",
    "Piece",
    "Prices",
    "Provider",
    "RegisteredProvider",
    "Reply",
    "Resolution",
    "ToolCall",
    "ToolOffer",
    "Usage",
]

__getattr__, __dir__ = attach(__name__, _HOME)
