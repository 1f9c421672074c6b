"""Inference: answering prompts, embedding and classifying text, behind one small protocol.

:class:`~headway.inference.provider.InferenceProvider` is the protocol,
:class:`~headway.inference.local.LocalProvider` runs small models in this process,
:class:`~headway.inference.http.HttpProvider` asks a service that speaks OpenAI's API, and
:func:`~headway.tools.inference.inference_tools` makes the tools of any of them. The names below are imported on first
use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway._lazy import attach

if TYPE_CHECKING:
    from headway.inference.answer import Completion, Metered, Prices, Usage
    from headway.inference.http import HttpProvider
    from headway.inference.local import LocalProvider
    from headway.inference.provider import InferenceProvider, Provider
    from headway.inference.request import InferRequest

_HOME = {
    "Completion": "answer",
    "HttpProvider": "http",
    "InferRequest": "request",
    "InferenceProvider": "provider",
    "LocalProvider": "local",
    "Metered": "answer",
    "Prices": "answer",
    "Provider": "provider",
    "Usage": "answer",
}

__all__ = [
    "Completion",
    "HttpProvider",
    "InferRequest",
    "InferenceProvider",
    "LocalProvider",
    "Metered",
    "Prices",
    "Provider",
    "Usage",
]

__getattr__, __dir__ = attach(__name__, _HOME)
