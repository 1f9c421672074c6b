"""Peers: what the kernel says of who is at the other end."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headway.client import OperatorClient
from headway.home import Home
from headway_bridge import peer
from headway_bridge.operator import operator_app
from headway_bridge.peer import credentials, peer_in, peer_of
from tests.unit.bridge.operator.conftest import listening
from tests.unit.bridge.operator.fakes import FakeEngine

ME = {"uid": os.getuid(), "user": pwd.getpwuid(os.getuid()).pw_name, "pid": os.getpid()}

KNOCK = """
import ctypes, socket, sys
ctypes.CDLL(None).prctl(15, b"evil\\x1b[31m\\nname")  # what it calls itself
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
print("connected", flush=True); sys.stdin.read()
"""

linux = pytest.mark.skipif(sys.platform != "linux", reason="names of programs are read from /proc")


@pytest.fixture
def unix(tmp_path: Path) -> Any:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        yield listener


def test_a_unix_socket_tells_user_and_process(unix: socket.socket) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(unix.getsockname())
        served, _ = unix.accept()
        with served:
            assert credentials(served) == (os.getuid(), os.getpid())
            found = peer_of(served)
    assert found | ME == found
    assert set(found) <= {*ME, "program"}


@linux
def test_a_process_is_told_by_the_kernel_whatever_it_calls_itself(unix: socket.socket) -> None:
    command = [sys.executable, "-c", KNOCK, unix.getsockname()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        child.stdout.readline()
        served, _ = unix.accept()
        with served:
            found = peer_of(served)
            assert found == ME | {"pid": child.pid, "program": found["program"]}
            assert found["program"].startswith("evil")
            assert "\x1b" not in found["program"]
            assert "\n" not in found["program"]
            child.stdin.close()
            child.wait(60)
            assert peer_of(served) == ME | {"pid": child.pid}  # gone: nobody knows its name


def test_over_tcp_there_is_an_address_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        served, _ = listener.accept()
        with served:
            host, port = client.getsockname()
            assert peer_of(served) == {"address": f"{host}:{port}"}
    assert peer_of(None) == {}
    assert peer_of(client) == {}  # closed
    assert peer_in({"client": ("10.0.0.1", 7)}) == {"address": "10.0.0.1:7"}
    assert peer_in({}) == {}


def test_a_user_without_a_name_has_a_number(unix: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> Any:
        raise KeyError(uid)

    monkeypatch.setattr(peer.pwd, "getpwuid", unknown)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(unix.getsockname())
        served, _ = unix.accept()
        with served:
            assert "user" not in peer_of(served)
            assert peer_of(served)["uid"] == os.getuid()


async def test_each_command_is_audited_with_its_peer(home: Home) -> None:
    engine = FakeEngine(home)
    app = operator_app(engine, on_stop=lambda now: None, url="", started_ms=5)  # type: ignore[arg-type]
    async with listening(home, app), OperatorClient(home, actor="somebody else") as client:
        await client.prune()
        await client.stop()
    records = await engine.audited()
    assert [record["what"] for record in records] == ["prune", "stop"]
    for record in records:
        assert record["who"] == "somebody else"
        assert record["peer"] | ME == record["peer"]


async def test_who_does_not_say_who_is_the_user_of_the_socket(home: Home) -> None:
    engine = FakeEngine(home)
    app = operator_app(engine, on_stop=lambda now: None, url="", started_ms=5)  # type: ignore[arg-type]
    async with listening(home, app), OperatorClient(home, actor="") as client:
        await client.prune()
    (record,) = await engine.audited()
    assert record["who"] == f"unix:{os.getuid()}"
