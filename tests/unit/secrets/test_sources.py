"""Where secrets come from, and what is told when they do not."""

import os
import sys
import types
from pathlib import Path

import pytest

from headway.errors import SecretUnavailable
from headway.secrets import EnvironmentSource, FileSource, KeyringSource
from headway.secrets import sources as module


def test_environment() -> None:
    source = EnvironmentSource("DB", {"DB": "s3cret-value"})
    assert source.read().reveal() == "s3cret-value"
    with pytest.raises(SecretUnavailable, match="variable X is not set"):
        EnvironmentSource("X", {}).read()
    with pytest.raises(SecretUnavailable, match="variable X is empty"):
        EnvironmentSource("X", {"X": ""}).read()
    with pytest.raises(SecretUnavailable, match="UTF-8"):
        EnvironmentSource("X", {"X": "abc\udcff"}).read()


def test_the_environment_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAY_TEST_SECRET", "from-outside")
    assert EnvironmentSource("HEADWAY_TEST_SECRET").read().reveal() == "from-outside"


def secret_file(folder: Path, data: bytes, mode: int = 0o600) -> FileSource:
    path = folder / "secret"
    path.write_bytes(data)
    path.chmod(mode)
    return FileSource(path)


@pytest.mark.parametrize(
    ("data", "text"), [(b"value-1", "value-1"), (b"value-1\n", "value-1"), (b"a b\r\n", "a b"), (b"x\n\n", "x\n")]
)
def test_a_file_without_its_last_line_break(tmp_path: Path, data: bytes, text: str) -> None:
    assert secret_file(tmp_path, data).read().reveal() == text


def test_a_file_is_read_each_time(tmp_path: Path) -> None:
    source = secret_file(tmp_path, b"first-value")
    assert source.read().reveal() == "first-value"
    source.path.write_text("second-value")
    assert source.read().reveal() == "second-value"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622, 0o644])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(SecretUnavailable, match=r"chmod (600|go-w)"):
        secret_file(tmp_path, b"value-1", mode).read()


def test_files_that_hold_no_secret(tmp_path: Path) -> None:
    for data, why in (
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\xff\xfe", "UTF-8"),
        (b"a\0b", "NUL"),
        (b"x" * 70_000, "larger"),
    ):
        with pytest.raises(SecretUnavailable, match=why):
            secret_file(tmp_path, data).read()
    with pytest.raises(SecretUnavailable, match="cannot be read: No such file"):
        FileSource(tmp_path / "none").read()
    with pytest.raises(SecretUnavailable, match="is not a file"):
        FileSource(tmp_path).read()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SecretUnavailable, match="is not a file"):  # and nobody waits for a writer
        FileSource(tmp_path / "pipe").read()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    source = secret_file(tmp_path, b"value-1")
    os.chown(source.path, 4321, 4321)
    with pytest.raises(SecretUnavailable, match=r"is not safe: .* belongs to 4321, not to you or root: chown"):
        source.read()


def fake_keyring(monkeypatch: pytest.MonkeyPatch, get: object) -> None:
    keyring = types.ModuleType("keyring")
    keyring.get_password = get  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", keyring)


def test_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    fake_keyring(monkeypatch, lambda service, user: asked.append((service, user)) or "from-keyring")
    source = KeyringSource("db", "ann")
    assert source.read().reveal() == "from-keyring"
    assert source.read().reveal() == "from-keyring"
    assert asked == [("db", "ann")]


def test_a_keyring_that_has_nothing_raises_or_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    fake_keyring(monkeypatch, lambda *_: None)
    with pytest.raises(SecretUnavailable, match="there is no keyring entry db:ann"):
        KeyringSource("db", "ann").read()

    def broken(*_: str) -> str:
        raise RuntimeError("the-secret-itself")

    fake_keyring(monkeypatch, broken)
    with pytest.raises(SecretUnavailable, match="cannot be read: RuntimeError") as caught:
        KeyringSource("db", "ann").read()
    assert "itself" not in str(caught.value)
    gate = threading.Event()
    fake_keyring(monkeypatch, lambda *_: gate.wait(60) or "")
    monkeypatch.setattr(module, "KEYRING_S", 0.05)
    with pytest.raises(SecretUnavailable, match="is the keyring locked"):
        KeyringSource("db", "ann").read()
    gate.set()
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(SecretUnavailable, match=r"headway\[keyring\]"):
        KeyringSource("db", "ann").read()


def test_a_file_in_a_folder_that_others_may_write_to_is_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    source = secret_file(folder, b"value")
    assert source.read().reveal() == "value"
    folder.chmod(0o777)
    with pytest.raises(SecretUnavailable, match=r"file .* is not safe: .*everyone may write to it"):
        source.read()
