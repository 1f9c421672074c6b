"""The workspace holds against paths that want out."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import Conflict, HeadwayError, InvalidInput, NotFound, OutsideWorkspace, ToolError
from headway.tools.files import paths
from headway.tools.files.workspace import MAX_FILE_BYTES, Workspace


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.txt").write_text("secret")
    return folder


@pytest.fixture
def root(tmp_path: Path, outside: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "a/b").mkdir(parents=True)
    (folder / "a/b/c.txt").write_text("content")
    return folder


@pytest.fixture
def workspace(root: Path) -> Workspace:
    return Workspace(root)


def everything(workspace: Workspace, path: str) -> list[Callable[[], object]]:
    """Every way to reach ``path``."""

    def folder() -> None:
        with workspace.folder(path):
            raise AssertionError("the folder was opened")

    return [
        lambda: workspace.read(path, 10),
        lambda: workspace.write(path, b"x"),
        lambda: workspace.edit(path, lambda data: data + b"x"),
        lambda: workspace.resolve(path),
        lambda: workspace.is_folder(path),
        folder,
    ]


def refused(workspace: Workspace, path: str, error: type[HeadwayError], text: str | None = None) -> None:
    for way in everything(workspace, path):
        with pytest.raises(error, match=text) as caught:
            way()
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../outside/secret.txt",
        "a/../../outside/secret.txt",
        "a/b/../../../outside",
        "./../outside/secret.txt",
        "/",
        "/etc/passwd",
        "//etc/passwd",
        "../root/../outside/secret.txt",
    ],
)
def test_paths_that_leave(workspace: Workspace, path: str) -> None:
    refused(workspace, path, OutsideWorkspace, "is outside the workspace$")


def test_absolute_path_of_a_neighbour_with_the_same_beginning(root: Path, workspace: Workspace) -> None:
    neighbour = root.with_name("root2")
    neighbour.mkdir()
    refused(workspace, str(neighbour / "x"), OutsideWorkspace)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("", "empty"),
        ("a\0b", "NUL"),
        ("a/" * 2049, "longer than 4096 bytes"),
        ("x" * 256, "too long"),
        ("\ud800", "not valid text"),
    ],
)
def test_impossible_paths(workspace: Workspace, path: str, text: str) -> None:
    ways = everything(workspace, path)
    if path.startswith("x"):
        del ways[3]  # resolve touches nothing that the name would be too long for
    for way in ways:
        with pytest.raises(InvalidInput, match=text):
            way()


def test_what_is_shown_of_a_path_is_one_line(workspace: Workspace) -> None:
    with pytest.raises(NotFound) as caught:
        workspace.read("a\n\x1b[31m" + "x" * 200 + "/y" * 200, 1)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("path", ["a/b/c.txt", "./a//b/./c.txt", "a/../a/b/c.txt", "a/b/../b/c.txt"])
def test_paths_inside(workspace: Workspace, root: Path, path: str) -> None:
    for form in (path, str(root / "a/b/c.txt")):
        found = workspace.read(form, 100)
        assert (found.path, found.data, found.size, found.truncated) == ("a/b/c.txt", b"content", 7, False)
        assert workspace.resolve(form) == root / "a/b/c.txt"


def test_root_given_through_a_link(tmp_path: Path, root: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    workspace = Workspace(tmp_path / "link")
    assert workspace.root == root.resolve()
    assert workspace.read(str(tmp_path / "link/a/b/c.txt"), 10).data == b"content"
    assert workspace.read(str(root / "a/b/c.txt"), 10).data == b"content"


@pytest.mark.parametrize("name", ["missing", "a/b/c.txt"])
def test_root_must_be_a_folder(root: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="the workspace"):
        Workspace(root / name)


def test_root_that_is_gone(root: Path, workspace: Workspace) -> None:
    root.rename(root.with_name("elsewhere"))
    refused(workspace, "a", HeadwayError)


class TestLinks:
    """Links work where they stay inside, whatever they look like."""

    @pytest.mark.parametrize(
        ("place", "target"),
        [
            ("link", "a/b/c.txt"),
            ("a/link", "b/c.txt"),
            ("a/link", "../a/./b//c.txt"),
            ("a/b/link", "../../a/b/c.txt"),
            ("link", "ROOT/a/b/c.txt"),
        ],
    )
    def test_to_a_file_inside(self, workspace: Workspace, root: Path, place: str, target: str) -> None:
        (root / place).symlink_to(target.replace("ROOT", str(root)))
        assert workspace.read(place, 10).path == "a/b/c.txt"
        assert workspace.write(place, b"new").path == "a/b/c.txt"
        assert (root / "a/b/c.txt").read_bytes() == b"new"
        assert (root / place).is_symlink()

    def test_to_a_folder_inside_and_through_others(self, workspace: Workspace, root: Path) -> None:
        (root / "one").symlink_to("a")
        (root / "two").symlink_to("one/b")
        (root / "a/b/up").symlink_to("..")
        assert workspace.read("two/c.txt", 10).path == "a/b/c.txt"
        assert workspace.read("two/up/b/up/b/c.txt", 10).path == "a/b/c.txt"
        assert workspace.resolve("two/new") == root / "a/b/new"

    def test_dotdot_after_a_link_is_the_targets_parent(self, workspace: Workspace, root: Path) -> None:
        (root / "deep").symlink_to("a/b")
        assert workspace.resolve("deep/../x") == root / "a/x"

    @pytest.mark.parametrize("target", ["../outside", "OUTSIDE", "a/../../outside", "/", "..", "ROOT/../outside"])
    def test_that_leave(self, workspace: Workspace, root: Path, outside: Path, target: str) -> None:
        (root / "link").symlink_to(target.replace("OUTSIDE", str(outside)).replace("ROOT", str(root)))
        for path in ("link", "link/secret.txt", "link/../outside/secret.txt"):
            refused(workspace, path, OutsideWorkspace)
        assert (outside / "secret.txt").read_text() == "secret"
        assert sorted(p.name for p in outside.iterdir()) == ["secret.txt"]

    def test_dangling_and_leaving(self, workspace: Workspace, root: Path, outside: Path) -> None:
        (root / "link").symlink_to(outside / "new.txt")
        refused(workspace, "link", OutsideWorkspace)
        assert not (outside / "new.txt").exists()

    def test_in_a_circle(self, workspace: Workspace, root: Path) -> None:
        (root / "x").symlink_to("y")
        (root / "y").symlink_to("x")
        refused(workspace, "x", InvalidInput, "more than 40 links")

    def test_dangling_inside_is_written(self, workspace: Workspace, root: Path) -> None:
        (root / "link").symlink_to("new/file.txt")
        with pytest.raises(NotFound):
            workspace.read("link", 1)
        assert workspace.write("link", b"x").path == "new/file.txt"


class TestSwaps:
    """A component that becomes a link between the look and the opening."""

    def swap_at(self, monkeypatch: pytest.MonkeyPatch, function: str, part: str, swap: Callable[[], None]) -> None:
        """Call ``swap`` once, just before ``os.FUNCTION`` is called for ``part``."""
        real, done = getattr(os, function), []

        def first_swap(path: object, *args: object, **kwargs: object) -> object:
            if path == part and not done:
                done.append(1)
                swap()
            return real(path, *args, **kwargs)

        monkeypatch.setattr(os, function, first_swap)

    def test_of_a_folder(
        self, workspace: Workspace, root: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def swap() -> None:
            (root / "a").rename(root / "gone")
            (root / "a").symlink_to(outside)

        (outside / "b").mkdir()
        (outside / "b/c.txt").write_text("secret")
        self.swap_at(monkeypatch, "open", "a", swap)
        with pytest.raises(OutsideWorkspace):
            workspace.read("a/b/c.txt", 10)

    def test_of_a_folder_that_is_open_already(
        self, workspace: Workspace, root: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def swap() -> None:
            (root / "a").rename(root / "gone")
            (root / "a").symlink_to(outside)

        self.swap_at(monkeypatch, "rename", "never", swap)
        self.swap_at(monkeypatch, "fsync", "never", swap)
        self.swap_at(monkeypatch, "stat", "new.txt", swap)
        with pytest.raises(Conflict, match="was moved meanwhile"):
            workspace.write("a/new.txt", b"x")
        assert not list((root / "gone").glob("*.t*"))
        assert not (outside / "new.txt").exists()

    @pytest.mark.parametrize("function", ["stat", "open"])
    def test_of_the_file(
        self, workspace: Workspace, root: Path, outside: Path, monkeypatch: pytest.MonkeyPatch, function: str
    ) -> None:
        def swap() -> None:
            (root / "a/b/c.txt").unlink()
            (root / "a/b/c.txt").symlink_to(outside / "secret.txt")

        self.swap_at(monkeypatch, function, "c.txt", swap)
        with pytest.raises(OutsideWorkspace):
            workspace.read("a/b/c.txt", 10)

    def test_of_the_file_to_write(
        self, workspace: Workspace, root: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def swap() -> None:
            (root / "a/b/c.txt").unlink()
            (root / "a/b/c.txt").symlink_to(outside / "secret.txt")

        self.swap_at(monkeypatch, "stat", "c.txt", swap)
        with pytest.raises(InvalidInput, match="is a link"):
            workspace.write("a/b/c.txt", b"x")
        assert (outside / "secret.txt").read_text() == "secret"

    def test_to_a_fifo_does_not_wait(self, workspace: Workspace, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def swap() -> None:
            (root / "a/b/c.txt").unlink()
            os.mkfifo(root / "a/b/c.txt")

        self.swap_at(monkeypatch, "open", "c.txt", swap)
        with pytest.raises(InvalidInput, match="is a fifo"):
            workspace.read("a/b/c.txt", 10)

    def test_for_ever(self, workspace: Workspace, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("headway.tools.files.workspace.open_regular", lambda *_: None)
        with pytest.raises(Conflict, match="keeps changing"):
            workspace.read("a/b/c.txt", 10)

    def test_by_a_busy_neighbour(self, workspace: Workspace, root: Path, outside: Path) -> None:
        """A thread exchanges a folder and a link to the outside as fast as it can."""
        (outside / "c.txt").write_text("secret")
        inode = (outside / "c.txt").stat().st_ino
        (root / "evil").symlink_to(outside)
        stop = threading.Event()

        def busy() -> None:
            while not stop.is_set():
                os.rename(root / "a/b", root / "kept")  # noqa: PTH104 - as fast as can be
                os.rename(root / "evil", root / "a/b")  # noqa: PTH104
                os.rename(root / "a/b", root / "evil")  # noqa: PTH104
                os.rename(root / "kept", root / "a/b")  # noqa: PTH104

        thread = threading.Thread(target=busy, daemon=True)
        thread.start()
        seen = set()
        try:
            for n in range(1500):
                try:
                    seen.add(workspace.read("a/b/c.txt", 10).data)
                    if n % 10 == 0:
                        workspace.edit("a/b/c.txt", bytes)
                except (OutsideWorkspace, NotFound, ToolError, Conflict):
                    pass
        finally:
            stop.set()
            thread.join()
        assert seen <= {b"content"}
        assert (outside / "c.txt").stat().st_ino == inode  # not replaced


class TestSpecialFiles:
    """They are refused and never opened."""

    def test_fifo_socket_device(self, workspace: Workspace, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        os.mkfifo(root / "fifo")
        monkeypatch.chdir(root)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("socket")
            for name, text in (("fifo", "is a fifo"), ("socket", "is a socket")):
                for way in everything(workspace, name)[:3]:
                    with pytest.raises(InvalidInput, match=text):
                        way()

    def test_device(self) -> None:
        workspace = Workspace("/dev")
        for way in everything(workspace, "null")[:3]:
            with pytest.raises(InvalidInput, match="is a device"):
                way()

    def test_folder(self, workspace: Workspace) -> None:
        for path in ("a", ".", "a/b/.."):
            for way in everything(workspace, path)[:3]:
                with pytest.raises(InvalidInput, match="is a folder"):
                    way()

    def test_file_as_a_folder(self, workspace: Workspace) -> None:
        for way in everything(workspace, "a/b/c.txt/d"):
            with pytest.raises(InvalidInput, match="goes through a file"):
                way()


class TestRead:
    def test_part(self, workspace: Workspace) -> None:
        found = workspace.read("a/b/c.txt", 3, 2)
        assert (found.data, found.offset, found.size, found.truncated) == (b"nte", 2, 7, True)
        assert workspace.read("a/b/c.txt", 7).truncated is False
        assert workspace.read("a/b/c.txt", 3, 100).data == b""

    def test_file_that_does_not_know_its_size(self) -> None:
        found = Workspace("/proc/self").read("status", 5)
        assert len(found.data) == 5
        assert found.truncated

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_not_permitted(self, workspace: Workspace, root: Path) -> None:
        (root / "a/b/c.txt").chmod(0)
        with pytest.raises(ToolError, match="permission denied"):
            workspace.read("a/b/c.txt", 1)


class TestWrite:
    def test_makes_folders_and_keeps_the_mode(self, workspace: Workspace, root: Path) -> None:
        written = workspace.write("x/y/z.txt", b"1")
        assert (written.path, written.size, written.created) == ("x/y/z.txt", 1, True)
        file = root / "x/y/z.txt"
        umask = os.umask(0)
        os.umask(umask)
        assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~umask
        file.chmod(0o4750)
        assert not workspace.write("x/y/z.txt", b"22").created
        assert stat.S_IMODE(file.stat().st_mode) == 0o750  # never set-user-id
        assert file.read_bytes() == b"22"
        assert [p.name for p in file.parent.iterdir()] == ["z.txt"]

    def test_deep_folders(self, workspace: Workspace) -> None:
        path = "d/" * 200 + "f"
        assert workspace.write(path, b"x").path == path

    def test_readers_of_the_old_content_keep_it(self, workspace: Workspace, root: Path) -> None:
        with (root / "a/b/c.txt").open() as reader:
            workspace.write("a/b/c.txt", b"new")
            assert reader.read() == "content"

    def test_hard_link_to_the_outside_is_replaced_not_written_through(
        self, workspace: Workspace, root: Path, outside: Path
    ) -> None:
        (root / "hard").hardlink_to(outside / "secret.txt")
        workspace.write("hard", b"x")
        assert (outside / "secret.txt").read_text() == "secret"

    def test_too_much_leaves_nothing(self, workspace: Workspace, root: Path) -> None:
        with pytest.raises(InvalidInput, match="bytes are more than"):
            workspace.write("new/file", b"x" * (MAX_FILE_BYTES + 1))
        assert not (root / "new").exists()

    def test_name_of_a_folder(self, workspace: Workspace, root: Path) -> None:
        for path in ("new/", "new/.", "new//", "new/./", "a/b/c.txt/.", "./a/b/c.txt/."):
            with pytest.raises(InvalidInput, match="name of a folder"):
                workspace.write(path, b"x")
        assert (root / "a/b/c.txt").read_text() == "content"
        assert not (root / "new").exists()
        assert not (root / "new").exists()

    @pytest.mark.parametrize("function", ["write", "fsync", "rename", "fchmod"])
    def test_failure_leaves_the_old_content_and_no_rubbish(
        self, workspace: Workspace, root: Path, monkeypatch: pytest.MonkeyPatch, function: str
    ) -> None:
        def full(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(os, function, full)
            with pytest.raises(ToolError, match=r"^'a/b/c\.txt': no space left on device$"):
                workspace.write("a/b/c.txt", b"new")
        assert (root / "a/b/c.txt").read_text() == "content"
        assert [p.name for p in (root / "a/b").iterdir()] == ["c.txt"]


class TestEdit:
    def test_changes(self, workspace: Workspace, root: Path) -> None:
        (root / "a/b/c.txt").chmod(0o640)
        assert workspace.edit("a/b/c.txt", bytes.upper).size == 7
        assert (root / "a/b/c.txt").read_text() == "CONTENT"
        assert stat.S_IMODE((root / "a/b/c.txt").stat().st_mode) == 0o640

    def test_missing(self, workspace: Workspace) -> None:
        with pytest.raises(NotFound, match="there is no 'nope'"):
            workspace.edit("nope", bytes.upper)

    def test_changed_by_somebody_else_meanwhile(self, workspace: Workspace, root: Path) -> None:
        def change(data: bytes) -> bytes:
            (root / "a/b/c.txt").write_text("somebody else's")
            return data + b"!"

        with pytest.raises(Conflict, match="changed meanwhile"):
            workspace.edit("a/b/c.txt", change)
        assert (root / "a/b/c.txt").read_text() == "somebody else's"

    def test_edits_of_one_file_wait_for_each_other(self, workspace: Workspace, root: Path) -> None:
        (root / "n").write_bytes(b"")
        threads = [
            threading.Thread(target=workspace.edit, args=("n", lambda data, n=n: data + bytes([n]))) for n in range(30)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted((root / "n").read_bytes()) == list(range(30))

    def test_too_large(self, workspace: Workspace, root: Path) -> None:
        (root / "big").write_bytes(b"x" * (MAX_FILE_BYTES + 1))
        with pytest.raises(InvalidInput, match="larger than"):
            workspace.edit("big", bytes.upper)
        with pytest.raises(InvalidInput, match="would make"):
            workspace.edit("a/b/c.txt", lambda _: b"x" * (MAX_FILE_BYTES + 1))


def test_no_descriptor_is_left_open(workspace: Workspace, root: Path, outside: Path) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd") if Path("/proc/self/fd").exists() else os.listdir("/dev/fd"))  # noqa: PTH208

    (root / "link").symlink_to(outside)
    before = count()
    for path in ("a/b/c.txt", "../x", "link/x", "a/nope/x", "a", "a/b/c.txt/d", "a/../a/b"):
        for way in everything(workspace, path):
            with suppress(HeadwayError, AssertionError):
                way()
    assert count() == before


parts = st.sampled_from(["..", ".", "", "a", "b", "in", "out", "abs", "loop", "up", "c.txt", "new"])


@given(st.lists(parts, min_size=1, max_size=8).map("/".join), st.booleans())
def test_any_path_is_inside_or_refused(tmp_path_factory: pytest.TempPathFactory, path: str, write: bool) -> None:
    top = tmp_path_factory.mktemp("any")
    root = top / "root"
    (root / "a/b").mkdir(parents=True)
    (top / "secret").mkdir()
    (top / "secret/c.txt").write_text("secret")
    (root / "a/c.txt").write_text("inside")
    (root / "in").symlink_to("a")
    (root / "a/up").symlink_to("../..")
    (root / "a/b/up").symlink_to("..")
    (root / "out").symlink_to("../secret")
    (root / "abs").symlink_to(top / "secret")
    (root / "loop").symlink_to("loop/x")
    workspace = Workspace(root)
    try:
        if write:
            workspace.write(path, b"inside")
        else:
            assert workspace.read(path, 100).data == b"inside"
    except (InvalidInput, NotFound):
        pass
    assert sorted(p.name for p in top.iterdir()) == ["root", "secret"]
    assert [(p.name, p.read_text()) for p in (top / "secret").iterdir()] == [("c.txt", "secret")]


def test_shown_is_short() -> None:
    assert len(paths.shown("x" * 5000)) == 300
