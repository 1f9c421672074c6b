"""Vectors of texts by wordllama, whose wheel carries its weights: a table of word pieces, averaged. Blocking.

256 dimensions, of length 1 (all zeros for an empty text), rounded to 6 decimals, which is what single precision holds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from headway.errors import HeadwayError, InferenceError, describe
from headway.inference.answer import Metered, Usage
from headway.inference.extra import folder_of

MODEL = "wordllama-l2_supercat_256"

_PIECE_CHARS = 4096  # a long text is the weighted average of its pieces: memory stays small
_BATCH_BYTES = 32 * 1024


class WordVectors:
    """The table, loaded at its first use and then kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._model: Any = None

    def embed(self, texts: list[str], given_up: threading.Event) -> Metered[list[float]]:
        """Return one vector a text. Raises ``InferenceError`` where the library fails."""
        with self._lock:
            try:
                self._load()
                return self._vectors(texts, given_up)
            except HeadwayError:
                raise
            except Exception as error:
                raise InferenceError(f"wordllama failed: {describe(error)}") from error

    def close(self) -> None:
        """Forget the table; the next call loads it again."""
        with self._lock:
            self._model = None

    def _load(self) -> None:
        if self._model is not None:
            return
        folder = folder_of("wordllama")
        with _root_logger_kept():
            library = import_module("wordllama")
        self._model = library.WordLlama.load(cache_dir=folder, disable_download=True)

    def _vectors(self, texts: list[str], given_up: threading.Event) -> Metered[list[float]]:
        numpy = import_module("numpy")
        sums = numpy.zeros((len(texts), self._model.embedding.shape[1]), dtype=numpy.float64)
        tokens = 0
        for batch in _batches(texts):
            if given_up.is_set():
                raise InferenceError("the vectors were given up")
            pieces = [piece for _, piece in batch]
            counts = [sum(found.attention_mask) for found in self._model.tokenize(pieces)]
            vectors = self._model.embed(pieces, norm=False)
            for (index, _), count, vector in zip(batch, counts, vectors, strict=True):
                sums[index] += vector * count
                tokens += count
        lengths = numpy.linalg.norm(sums, axis=1, keepdims=True)
        vectors = numpy.round(sums / numpy.where(lengths > 0, lengths, 1.0), 6)
        return Metered(vectors.tolist(), Usage(tokens, cost=0), MODEL)


def _batches(texts: list[str]) -> Iterator[list[tuple[int, str]]]:
    """Cut ``texts`` into pieces and yield them, with the index of their text, in batches of like length."""
    pieces = [
        (index, text[start : start + _PIECE_CHARS])
        for index, text in enumerate(texts)
        for start in range(0, len(text), _PIECE_CHARS)
    ]
    pieces.sort(key=lambda piece: len(piece[1]))
    batch: list[tuple[int, str]] = []
    for piece in pieces:
        # Padded to the longest, which is this one; a character is at most 4 bytes and a byte at most one token.
        if batch and (len(batch) + 1) * len(piece[1].encode()) > _BATCH_BYTES:
            yield batch
            batch = []
        batch.append(piece)
    if batch:
        yield batch


@contextmanager
def _root_logger_kept() -> Iterator[None]:
    """Import wordllama, which would configure this process's logging."""
    root = logging.getLogger()
    placeholder = logging.NullHandler()
    root.addHandler(placeholder)  # basicConfig does nothing where there is a handler
    try:
        yield
    finally:
        root.removeHandler(placeholder)
