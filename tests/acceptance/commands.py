"""``headway`` as a user runs it: a process of its own, in a home of its own, every wait bounded."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import tempfile
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from tests.launch import LIMIT_S, Process, launch

_ESCAPE = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[=>()][A-Z0-9]?)")


class Done(NamedTuple):
    """The outcome of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON document that it must be."""
        return json.loads(self.out)


class Headway:
    """Runs commands in the folder ``here`` with the home ``home``."""

    def __init__(self, root: Path) -> None:
        self.here = root / "here"
        self.home = root / "home"
        self.here.mkdir()
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        self.env = {
            **kept,
            "HOME": str(root),
            "XDG_CONFIG_HOME": str(root / "config"),
            "HEADWAY_HOME": str(self.home),
            "HEADWAY_RUNTIME_ON_RESTART": "fail",  # how jobs go on is for test_resume.py
            "PYTHONWARNINGS": "default",
            "TERM": "xterm-256color",
        }

    def trust(self, project: Path) -> None:
        """Trust ``project``, as ``headway trust --yes`` does."""
        from headway.trust import TrustedProjects

        TrustedProjects(Path(self.env["XDG_CONFIG_HOME"]) / "headway" / "trusted.json").add(project)

    def run(self, *arguments: str | Path, stdin: str | None = None) -> Done:
        """Run a command to its end, without a terminal."""
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            given.write((stdin or "").encode())
            given.seek(0)
            process = self._launch(arguments, [given, out, err])
            try:
                code = process.wait(LIMIT_S)
            finally:
                process.kill()
            out.seek(0)
            err.seek(0)
            done = Done(code, out.read().decode(), err.read().decode())
        assert "Traceback" not in done.err, done.err
        return done

    def _launch(
        self, arguments: Sequence[str | Path], streams: Sequence[int | IO[Any]], **how: bool
    ) -> subprocess.Popen[bytes] | Process:
        return launch([*map(str, arguments)], cwd=self.here, env=self.env, streams=streams, **how)

    @contextmanager
    def start(self, *arguments: str | Path) -> Iterator[Running]:
        """Start a command with pipes; whatever is left of it at the end is killed."""
        ours, theirs = os.pipe()
        with os.fdopen(ours, "rb", buffering=0) as out:
            with os.fdopen(theirs, "wb") as both, Path(os.devnull).open("rb") as nothing:
                process = self._launch(arguments, [nothing, both, both], session=True)
            process.stdout = out
            with _ended(process):
                yield Running(process, ours)

    @contextmanager
    def terminal(self, *arguments: str | Path) -> Iterator[Running]:
        """Start a command on a terminal of its own, 100 columns wide."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        try:
            process = self._launch(arguments, [theirs] * 3, terminal=True)
        finally:
            os.close(theirs)
        try:
            with _ended(process):
                yield Running(process, ours)
        finally:
            os.close(ours)

    @contextmanager
    def daemon(self, *arguments: str) -> Iterator[dict[str, Any]]:
        """Have a daemon for the time being; yield its status."""
        with self.start("serve", "--port", "0", *arguments) as serving:
            serving.wait_for("serving A2A")
            yield self.run("status", "--json").json
            serving.process.send_signal(signal.SIGTERM)
            assert serving.end() == 0


class Running:
    """A command that runs. Output is read only while something is waited for."""

    def __init__(self, process: subprocess.Popen[bytes] | Process, descriptor: int) -> None:
        self.process = process
        self._descriptor = descriptor
        self._raw = b""

    @property
    def text(self) -> str:
        """All that was written, without escape sequences."""
        return _ESCAPE.sub("", self._raw.decode("utf-8", "replace"))

    def wait_for(self, words: str, *, times: int = 1) -> str:
        """Read on until ``words`` have been written so many times; fail with what was written instead."""
        deadline = time.monotonic() + LIMIT_S
        while self.text.count(words) < times:
            if not self._read(deadline):
                raise AssertionError(f"{words!r} never came; the output:\n{self.text}")
        return self.text

    def type(self, keys: str) -> None:
        """Type into the terminal."""
        os.write(self._descriptor, keys.encode())

    def end(self) -> int:
        """Read to the end and return the exit code."""
        deadline = time.monotonic() + LIMIT_S
        while self._read(deadline):
            pass
        return self.process.wait(timeout=max(0.1, deadline - time.monotonic()))

    def answer(self, key: str) -> int:
        """Type an answer that ends the command, whenever its dialog shows its key; return the exit code.

        A dialog shows the key of a guarded answer once it counts: before, it would be too fast to be meant.
        """
        deadline, told = time.monotonic() + LIMIT_S, 0
        while True:
            if (count := self.text.count(f" {key}  ")) > told:
                told = count
                with suppress(OSError):  # it has ended meanwhile
                    self.type(key)
            if not self._read(deadline):
                return self.process.wait(timeout=max(0.1, deadline - time.monotonic()))

    def _read(self, deadline: float) -> bool:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self._descriptor], [], [], left)[0]:
            raise AssertionError(f"nothing more within {LIMIT_S:.0f} s; the output:\n{self.text}")
        try:
            chunk = os.read(self._descriptor, 65536)
        except OSError:  # how a terminal says that nobody is at its other end any more
            return False
        self._raw += chunk
        return bool(chunk)


@contextmanager
def _ended(process: subprocess.Popen[bytes] | Process) -> Iterator[None]:
    try:
        yield
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def plan(*actions: dict[str, Any]) -> str:
    """A plan as JSON."""
    return json.dumps({"actions": list(actions)})


def call(name: str, tool: str = "calculate", **more: Any) -> dict[str, Any]:
    """A tool call; its parameters by ``parameters``."""
    parameters = more.pop("parameters", {"expression": "6 * 7"} if tool == "calculate" else {})
    return {"id": name, "type": "tool_call", "tool": tool, "parameters": parameters, **more}
