"""read_file, write_file, edit_file, list_dir: shapes, bounds, bad input."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headway.errors import HeadwayError, InvalidInput, NotFound, OutsideWorkspace, ToolError
from headway.tools.basics import register_agent_basics
from headway.tools.files.workspace import MAX_FILE_BYTES, Workspace
from headway.tools.registry import ToolRegistry

Call = Callable[..., Any]


@pytest.fixture
def registry(tmp_path: Path) -> ToolRegistry:
    registry = ToolRegistry()
    register_agent_basics(registry, Workspace(tmp_path))
    return registry


@pytest.fixture
def call(registry: ToolRegistry) -> Call:
    def call_tool(name: str, **params: Any) -> Any:
        entry = registry.get(name)
        assert entry is not None
        entry.check = None  # what admission asks first: the tool itself must hold without it
        assert entry.validate(params) == []
        return entry.call(**params)

    return call_tool


def test_the_seven(registry: ToolRegistry) -> None:
    found = {e.name: (e.schema.idempotent, e.writes_files, e.is_async, e.context_param) for e in registry.entries()}
    assert found == {
        "calculate": (True, False, True, None),
        "edit_file": (False, True, False, None),
        "find_files": (True, False, False, "ctx"),
        "grep_files": (True, False, False, "ctx"),
        "list_dir": (True, False, False, None),
        "read_file": (True, False, False, None),
        "write_file": (False, True, False, None),
    }
    for entry in registry.entries():
        assert entry.source == "builtin"
        assert entry.permission == "allow"
        assert entry.schema.description
        assert all("description" in p or p["type"] == "boolean" for p in entry.schema.parameters["properties"].values())


@pytest.mark.parametrize(
    ("name", "params", "text"),
    [
        ("read_file", {}, "missing required parameter 'path' for tool 'read_file'"),
        ("read_file", {"path": 1}, '1 is not of type "string" (at /path)'),
        ("read_file", {"path": "a", "max_bytes": 0}, "0 is less than the minimum of 1 (at /max_bytes)"),
        (
            "read_file",
            {"path": "a", "max_bytes": 2**25},
            f"{2**25} is greater than the maximum of {2**24} (at /max_bytes)",
        ),
        ("read_file", {"path": "a", "root": "/"}, "Additional properties are not allowed ('root' was unexpected)"),
        ("list_dir", {"max_entries": 10_001}, "10001 is greater than the maximum of 10000 (at /max_entries)"),
        ("edit_file", {"path": "a", "old": "", "new": "x"}, '"" is shorter than 1 character (at /old)'),
        ("grep_files", {"pattern": "a", "ctx": {}}, "Additional properties are not allowed ('ctx' was unexpected)"),
    ],
)
def test_parameters_are_checked(registry: ToolRegistry, name: str, params: dict[str, Any], text: str) -> None:
    entry = registry.get(name)
    assert entry is not None
    assert entry.validate(params) == [text]


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "link"])
def test_every_tool_is_confined(call: Call, tmp_path: Path, path: str) -> None:
    (tmp_path / "link").symlink_to("/etc")
    for name, more in (
        ("read_file", {}),
        ("write_file", {"content": "x"}),
        ("edit_file", {"old": "a", "new": "b"}),
        ("list_dir", {}),
        ("find_files", {"pattern": "*"}),
        ("grep_files", {"pattern": "root"}),
    ):
        with pytest.raises(OutsideWorkspace):
            call(name, path=path, **more)


class TestReadFile:
    def test_shape(self, call: Call, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_bytes("é\r\nx".encode())
        assert call("read_file", path="./a.txt") == {
            "path": "a.txt",
            "content": "é\r\nx",
            "offset": 0,
            "bytes": 5,
            "size": 5,
            "truncated": False,
            "lossy": False,
        }

    def test_pages_join_to_the_whole_text(self, call: Call, tmp_path: Path) -> None:
        text = "aé€𝄞\n" * 10
        (tmp_path / "a").write_text(text)
        for size in range(4, 9):
            pages, offset = [], 0
            while True:
                page = call("read_file", path="a", max_bytes=size, offset=offset)
                pages.append(page["content"])
                offset += page["bytes"]
                assert not page["lossy"]
                if not page["truncated"]:
                    break
            assert "".join(pages) == text

    def test_a_page_smaller_than_a_character_still_gets_on(self, call: Call, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("€")
        page = call("read_file", path="a", max_bytes=1)
        assert (page["bytes"], page["lossy"], page["truncated"]) == (1, True, True)

    def test_default_bound(self, call: Call, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"x" * (2**20 + 1))
        page = call("read_file", path="a")
        assert (page["bytes"], page["truncated"]) == (2**20, True)

    def test_bytes_that_are_no_text(self, call: Call, tmp_path: Path) -> None:
        (tmp_path / "latin").write_bytes(b"caf\xe9 au lait")
        found = call("read_file", path="latin")
        assert (found["content"], found["lossy"]) == ("caf\N{REPLACEMENT CHARACTER} au lait", True)
        (tmp_path / "end").write_bytes(b"caf\xe9")
        assert call("read_file", path="end")["content"] == "caf\N{REPLACEMENT CHARACTER}"
        (tmp_path / "binary").write_bytes(b"\x89PNG\0\0")
        with pytest.raises(ToolError, match="'binary' is a binary file"):
            call("read_file", path="binary")

    def test_empty_and_missing(self, call: Call, tmp_path: Path) -> None:
        (tmp_path / "a").touch()
        assert call("read_file", path="a")["content"] == ""
        with pytest.raises(NotFound, match="there is no 'b' in the workspace"):
            call("read_file", path="b")


class TestWriteFile:
    def test_shape(self, call: Call, tmp_path: Path) -> None:
        assert call("write_file", path="x/y.txt", content="é\n") == {"path": "x/y.txt", "bytes": 3, "created": True}
        assert call("write_file", path="x/y.txt", content="") == {"path": "x/y.txt", "bytes": 0, "created": False}
        assert (tmp_path / "x/y.txt").read_bytes() == b""

    def test_half_a_surrogate_pair(self, call: Call, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match="character 1 of the text is half a surrogate pair"):
            call("write_file", path="x/y", content="a\ud800")
        assert list(tmp_path.iterdir()) == []

    def test_too_much(self, call: Call, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match="more than the"):
            call("write_file", path="x/y", content="é" * (MAX_FILE_BYTES // 2 + 1))
        assert list(tmp_path.iterdir()) == []


class TestEditFile:
    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"one\r\ntwo\none \xff aaa")

    def test_the_only_one(self, call: Call, tmp_path: Path) -> None:
        assert call("edit_file", path="a", old="two\none", new="2\n1") == {"path": "a", "replacements": 1, "bytes": 14}
        assert (tmp_path / "a").read_bytes() == b"one\r\n2\n1 \xff aaa"

    def test_all(self, call: Call, tmp_path: Path) -> None:
        assert call("edit_file", path="a", old="one", new="", replace_all=True)["replacements"] == 2
        assert (tmp_path / "a").read_bytes() == b"\r\ntwo\n \xff aaa"

    @pytest.mark.parametrize("old", ["one", "aa"])
    def test_not_the_only_one(self, call: Call, tmp_path: Path, old: str) -> None:
        with pytest.raises(ToolError, match="in 'a' more than once: give more of it, or replace_all"):
            call("edit_file", path="a", old=old, new="x")
        assert b"one" in (tmp_path / "a").read_bytes()

    @pytest.mark.parametrize("every", [True, False])
    def test_not_there(self, call: Call, every: bool) -> None:
        with pytest.raises(ToolError, match="the text to replace is not in 'a'"):
            call("edit_file", path="a", old="three", new="x", replace_all=every)

    def test_growth_is_bounded_before_it_happens(self, call: Call, tmp_path: Path) -> None:
        (tmp_path / "many").write_bytes(b"a" * 1_000_000)
        with pytest.raises(InvalidInput, match="would make 'many' larger"):
            call("edit_file", path="many", old="a", new="x" * 1_000_000, replace_all=True)

    def test_missing(self, call: Call) -> None:
        with pytest.raises(NotFound):
            call("edit_file", path="b", old="a", new="b")


class TestListDir:
    def test_shape(self, call: Call, tmp_path: Path) -> None:
        (tmp_path / "b.txt").write_text("abc")
        os.utime(tmp_path / "b.txt", ns=(0, 1_700_000_000_123_456_789))
        (tmp_path / "a").mkdir()
        (tmp_path / "link").symlink_to("/etc")
        os.mkfifo(tmp_path / "fifo")
        (tmp_path / ".headway-0123456789abcdef.tmp").touch()  # being written
        found = call("list_dir")
        assert (found["path"], found["truncated"]) == (".", False)
        assert [(e["name"], e["type"]) for e in found["entries"]] == [
            ("a", "dir"),
            ("b.txt", "file"),
            ("fifo", "other"),
            ("link", "link"),
        ]
        assert found["entries"][1] == {"name": "b.txt", "type": "file", "size": 3, "modified_ms": 1_700_000_000_123}

    def test_bound_keeps_the_first_by_name(self, call: Call, tmp_path: Path) -> None:
        for name in "dbca":
            (tmp_path / name).touch()
        found = call("list_dir", max_entries=2)
        assert [e["name"] for e in found["entries"]] == ["a", "b"]
        assert found["truncated"]
        assert call("list_dir", max_entries=4)["truncated"] is False

    def test_a_name_that_is_no_text(self, call: Call, tmp_path: Path) -> None:
        try:
            os.close(os.open(os.fsencode(tmp_path) + b"/\xff", os.O_CREAT | os.O_WRONLY))
        except OSError:
            pytest.skip("this file system takes only text as names")
        (entry,) = call("list_dir")["entries"]
        assert entry["name"] == "\N{REPLACEMENT CHARACTER}"
        entry["name"].encode()

    def test_a_file_is_no_folder(self, call: Call, tmp_path: Path) -> None:
        (tmp_path / "a").touch()
        with pytest.raises(InvalidInput, match="'a' is not a folder"):
            call("list_dir", path="a")


def test_errors_are_one_line(call: Call) -> None:
    with pytest.raises(HeadwayError) as caught:
        call("read_file", path="a\nb\tc\x1b]0;title\x07")
    assert caught.value.message.isprintable()
