"""What a process prints, without secret values: for the daemon, whose output is its log, and for the command line."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from headway.secrets.redactor import Redactor
from headway.secrets.stream import RedactedStream


class RedactedOutput:
    """A text stream that writes to another one, without secret values; from any thread.

    The end of what was written may be held back, if it may be the beginning of a value, until more is written or the
    stream is finished. Everything else is the other stream's.
    """

    def __init__(self, stream: Any, redactor: Redactor) -> None:
        self._stream = stream
        self._text = RedactedStream(redactor)
        self._lock = threading.RLock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text; return its length."""
        with self._lock:
            shown = self._text.feed(text)
            if shown:
                self._stream.write(shown)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def finish(self) -> None:
        """Write what was held back: no more comes."""
        with self._lock:
            rest = self._text.rest()
            if rest:
                self._stream.write(rest)


@contextmanager
def redacted_output(redactor: Redactor) -> Iterator[None]:
    """Have standard output and standard error show no value that ``redactor`` knows, inside of the block."""
    before = sys.stdout, sys.stderr
    made = [RedactedOutput(stream, redactor) for stream in before]
    sys.stdout, sys.stderr = made
    try:
        yield
    finally:
        if [sys.stdout, sys.stderr] == made:
            sys.stdout, sys.stderr = before
        for stream in made:
            stream.finish()
