"""A glance at a daemon: what its status says, and every way in which there is none."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from headway.client.glance import glance
from headway.errors import NoAnswer, Unavailable
from headway.home import Home


@contextmanager
def answering(home: Home, answer: bytes | None) -> Iterator[list[bytes]]:
    """Answer one request on the home's socket, or with None hold it; yield what was asked."""
    asked: list[bytes] = []
    done = threading.Event()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(home.socket))
    listener.listen()

    def serve() -> None:
        plug, _ = listener.accept()
        with plug:
            asked.append(plug.recv(4096))
            if answer is None:
                done.wait(60)
            else:
                plug.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield asked
    finally:
        done.set()
        thread.join(60)
        listener.close()


def test_the_status_as_it_came(home: Home) -> None:
    answer = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{"pid": 7, "later": [1]}'
    with answering(home, answer) as asked:
        assert glance(home) == {"pid": 7, "later": [1]}
    assert asked[0].startswith(b"GET /operator/v1/status HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "broke off"),
        (b"HTTP/1.1 200 OK\r\n", "broke off"),
        (b"SSH-2.0\r\n\r\n", "not a Headway daemon"),
        (b"HTTP/1.1 200 OK\r\n\r\n[]", "not a Headway daemon"),
        (b'HTTP/1.1 503 No\r\n\r\n{"error": {"code": "closing", "message": "it ends"}}', "it ends"),
    ],
)
def test_other_answers_are_one_line(home: Home, answer: bytes, words: str) -> None:
    with answering(home, answer), pytest.raises(Unavailable, match=words) as caught:
        glance(home)
    assert "\n" not in str(caught.value)


def test_nobody_and_silence(home: Home) -> None:
    with pytest.raises(Unavailable, match="no daemon answers at"):
        glance(home)
    with answering(home, None), pytest.raises(NoAnswer, match="in time"):
        glance(home, timeout=0.2)


def test_the_command_loads_no_http_library_and_no_event_loop(home: Home) -> None:
    script = (
        "import sys; from headway_console.cli.root import main\n"
        f"assert main(['--home', {str(home)!r}, 'status']) == 3\n"
        "heavy = {'asyncio', 'httpx', 'msgspec', 'pydantic', 'rich', 'sqlite3'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
