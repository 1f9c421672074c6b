"""Ownership: who could have written a file, told by owner, mode, group, links and the folders above."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from headway.errors import InvalidConfig, UnsafeFile
from headway.trust import User, check_path, check_tree, open_to_all, read_owned
from headway.trust.ownership import fault

ME, OTHER, GROUP, ROOT = 1000, 1001, 1000, 0
FILE, FOLDER, LINK = stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


def status(mode: int, uid: int = ME, gid: int = GROUP) -> os.stat_result:
    return os.stat_result((mode, 1, 1, 1, uid, gid, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "private", "reason"),
    [
        (FILE | 0o644, ME, GROUP, None, None),
        (FILE | 0o600, ROOT, ROOT, None, None),
        (FILE | 0o644, OTHER, GROUP, GROUP, "belongs to 1001, not to you or root: chown 1000 /x"),
        (FOLDER | 0o755, OTHER, GROUP, GROUP, "belongs to 1001, not to you or root: chown 1000 /x"),
        (FOLDER | 0o1777, OTHER, GROUP, GROUP, "belongs to 1001, not to you or root: chown 1000 /x"),
        (LINK | 0o777, OTHER, GROUP, GROUP, "belongs to 1001, not to you or root: chown 1000 /x"),
        (LINK | 0o777, ME, GROUP, None, None),
        (FILE | 0o666, ME, GROUP, GROUP, "everyone may write to it: chmod go-w /x"),
        (FILE | 0o1666, ME, GROUP, GROUP, "everyone may write to it: chmod go-w /x"),
        (FILE | 0o602, ROOT, ROOT, GROUP, "everyone may write to it: chmod go-w /x"),
        (FOLDER | 0o777, ME, GROUP, GROUP, "everyone may write to it: chmod go-w /x"),
        (FOLDER | 0o1777, ROOT, ROOT, None, None),
        (FOLDER | 0o1770, ME, 77777, GROUP, None),
        (FILE | 0o664, ME, GROUP, GROUP, None),
        (FILE | 0o664, ME, GROUP, None, "its group 1000 may write to it: chmod g-w /x"),
        (FILE | 0o664, ME, 77777, GROUP, "its group 77777 may write to it: chmod g-w /x"),
        (FOLDER | 0o2775, ME, GROUP, GROUP, None),
        (FOLDER | 0o2775, ROOT, 77777, GROUP, "its group 77777 may write to it: chmod g-w /x"),
    ],
)
def test_rules(
    mode: int, uid: int, gid: int, private: int | None, reason: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of users and groups are not those of this machine: the numbers are told."""

    def unknown(number: int) -> None:
        raise KeyError(number)

    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.setattr("grp.getgrgid", unknown)
    assert fault(status(mode, uid, gid), Path("/x"), User(ME, private)) == reason


def test_an_access_list_is_no_private_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getxattr", lambda *_, **__: b"list", raising=False)
    reason = fault(status(FILE | 0o664), Path("/a b"), User(ME, GROUP))
    assert reason == "an access list may let others write to it: setfacl -b '/a b'"
    assert fault(status(FILE | 0o644), Path("/a b"), User(ME, GROUP)) is None


@pytest.mark.parametrize(
    ("name", "members", "private"),
    [("me", [], 7), ("me", ["me"], 7), ("me", ["me", "you"], None), ("staff", [], None)],
)
def test_private_group(name: str, members: list[str], private: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    import grp
    import pwd

    monkeypatch.setattr("pwd.getpwuid", lambda uid: pwd.struct_passwd(("me", "", uid, 7, "", "/", "")))
    monkeypatch.setattr("grp.getgrgid", lambda gid: grp.struct_group((name, "", gid, members)))
    assert User.current() == User(os.geteuid(), private)


def test_a_user_without_an_entry_has_no_private_group(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(number: int) -> None:
        raise KeyError(number)

    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert User.current().private_gid is None


def test_what_is_ours_is_read(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    file = tmp_path / "real" / "f"
    file.write_bytes(b"text")
    (tmp_path / "link").symlink_to("real/../real")
    assert read_owned(tmp_path / "link" / "f", 4) == b"text"
    assert check_path(tmp_path / "link" / "f") == file.resolve()
    assert check_path(tmp_path / "not" / "there").name == "there"


@pytest.mark.parametrize(
    ("mode", "path"), [(0o666, "a/b/f"), (0o777, "a/b"), (0o777, "a"), (0o622, "a/b/f"), (0o775 | 0o2, "a")]
)
def test_one_loose_part_of_the_way_is_enough(tmp_path: Path, mode: int, path: str) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    file = tmp_path / "a" / "b" / "f"
    file.write_bytes(b"")
    (tmp_path / "link").symlink_to("a/b")
    assert read_owned(tmp_path / "link" / "f", 10) == b""
    (tmp_path / path).chmod(mode)
    for given in (file, tmp_path / "link" / "f"):
        for check in (check_path, lambda given: read_owned(given, 10)):
            with pytest.raises(UnsafeFile) as caught:
                check(given)
            assert str(caught.value).endswith(f"everyone may write to it: chmod go-w {(tmp_path / path).resolve()}")
            assert "\n" not in str(caught.value)


@needs_root
@pytest.mark.parametrize("path", ["a/b/f", "a/b", "a", "link"])
def test_what_somebody_else_owns_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "f").write_bytes(b"")
    (tmp_path / "link").symlink_to("a/b")
    os.chown(tmp_path / path, 54321, 54321, follow_symlinks=False)
    with pytest.raises(UnsafeFile, match=f"{path}: belongs to 54321, not to you or root: chown root "):
        read_owned(tmp_path / "link" / "f", 10)


def test_for_another_user_the_same_files_are_foreign(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    if os.geteuid() == 0:
        assert read_owned(tmp_path / "f", 10, User(ME)) == b""
    else:
        with pytest.raises(UnsafeFile, match="not to you or root"):
            read_owned(tmp_path / "f", 10, User(ME + 7))


def test_the_opened_file_is_the_one_that_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the open the file is exchanged: what is read is what was opened."""
    file = tmp_path / "f"
    file.write_bytes(b"mine")
    loose = tmp_path / "loose"
    loose.write_bytes(b"evil")
    loose.chmod(0o666)
    real = os.open

    def swapping(path: object, *arguments: object, **options: object) -> int:
        if str(path).endswith("/f"):
            loose.replace(file)
        return real(path, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("headway.trust.ownership.os.open", swapping)
    with pytest.raises(UnsafeFile, match="everyone may write to it"):
        read_owned(file, 10)


@pytest.mark.parametrize("kind", ["fifo", "folder", "missing", "device"])
def test_only_regular_files_are_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    expected: dict[str, type[Exception]] = {"folder": IsADirectoryError, "missing": FileNotFoundError}
    with pytest.raises(expected.get(kind, InvalidConfig)):
        read_owned(path, 10)


def test_large_files_and_rings_of_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 11)
    with pytest.raises(InvalidConfig, match="larger than 10 bytes"):
        read_owned(tmp_path / "large", 10)
    (tmp_path / "ring").symlink_to("ring")
    with pytest.raises(UnsafeFile, match="more than 40 links"):
        check_path(tmp_path / "ring")


def test_a_tree_is_checked_to_its_leaves(tmp_path: Path) -> None:
    deep = tmp_path / "lib" / "package" / "inner"
    deep.mkdir(parents=True)
    (deep / "m.py").write_text("")
    (tmp_path / "lib" / "link").symlink_to(deep)
    check_tree(tmp_path / "lib")
    (deep / "m.py").chmod(0o646)
    with pytest.raises(UnsafeFile, match=r"m\.py: everyone may write to it"):
        check_tree(tmp_path / "lib")
    (deep / "m.py").chmod(0o644)
    outside = tmp_path / "outside.py"
    outside.write_text("")
    outside.chmod(0o666)
    (deep / "n.py").symlink_to(outside)
    with pytest.raises(UnsafeFile, match=r"outside\.py: everyone may write to it"):
        check_tree(tmp_path / "lib")


def test_a_tree_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway.trust.ownership.MAX_ENTRIES", 2)
    for name in "abc":
        (tmp_path / name).write_text("")
    with pytest.raises(UnsafeFile, match="holds more than 2 files"):
        check_tree(tmp_path)


def test_open_to_all(tmp_path: Path) -> None:
    assert not open_to_all(tmp_path)
    assert not open_to_all(tmp_path / "missing")
    tmp_path.chmod(0o1777)
    assert open_to_all(tmp_path)
    (tmp_path / "ring").symlink_to("ring")
    assert open_to_all(tmp_path / "ring")
