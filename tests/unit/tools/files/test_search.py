"""find_files and grep_files: what they find, and that they end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headway.errors import InvalidInput, NotFound
from headway.testing import VirtualClock
from headway.tools.basics import register_agent_basics
from headway.tools.context import ToolContext
from headway.tools.files import grep_files, tree
from headway.tools.files.workspace import Workspace
from headway.tools.registry import ToolRegistry

Call = Callable[..., Any]


@pytest.fixture
def call(tmp_path: Path) -> Call:
    registry = ToolRegistry()
    register_agent_basics(registry, Workspace(tmp_path))

    def call_tool(name: str, ctx: ToolContext | None = None, **params: Any) -> Any:
        entry = registry.get(name)
        assert entry is not None
        assert entry.validate(params) == []
        return entry.call(**params, ctx=ctx)

    return call_tool


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    for name, text in {
        "a.py": "import os\nprint('x')\n",
        "src/b.py": "import sys\r\n# import os\r\n",
        "src/deep/c.txt": "no newline at the end",
        ".git/d.py": "import os\n",
        "src/.git/e.py": "import os\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text.encode())
    (tmp_path / "binary").write_bytes(b"import os\0")
    (tmp_path / "outside").symlink_to("/etc")
    (tmp_path / "loop").symlink_to(".")
    (tmp_path / "link.py").symlink_to("a.py")


def lines(found: dict[str, Any]) -> list[tuple[str, int, str]]:
    return [(m["path"], m["line"], m["text"]) for m in found["matches"]]


class TestFind:
    def test_shape(self, call: Call) -> None:
        assert call("find_files", pattern="*.py") == {
            "files": ["a.py", "src/b.py"],
            "unreadable": 0,
            "truncated": False,
        }

    def test_below_a_folder(self, call: Call) -> None:
        assert call("find_files", pattern="deep/*", path="src")["files"] == ["src/deep/c.txt"]
        assert call("find_files", pattern="**", path="src")["files"] == ["src/b.py", "src/deep/c.txt"]

    def test_git_when_told(self, call: Call) -> None:
        found = call("find_files", pattern="*.py", skip_dirs=["deep"])["files"]
        assert found == [".git/d.py", "a.py", "src/.git/e.py", "src/b.py"]

    def test_bounds(self, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
        found = call("find_files", pattern="**", max_results=2)
        assert (found["files"], found["truncated"], found["stopped_by"]) == (["a.py", "binary"], True, "results")
        assert call("find_files", pattern="*.py", max_results=2)["truncated"] is False
        with monkeypatch.context() as patched:
            patched.setattr(tree, "MAX_DEPTH", 1)
            found = call("find_files", pattern="**")
            assert (found["files"], found["stopped_by"]) == (["a.py", "binary", "src/b.py"], "depth")
        with monkeypatch.context() as patched:
            patched.setattr(tree, "MAX_NAMES", 2)
            assert call("find_files", pattern="**")["stopped_by"] == "names"
        with monkeypatch.context() as patched:
            patched.setattr(tree, "MAX_VISITED", 2)
            assert call("find_files", pattern="**")["stopped_by"] == "names"

    def test_deadline_of_the_call(self, call: Call) -> None:
        clock = VirtualClock()
        found = call("find_files", ToolContext(clock=clock, deadline=clock.now()), pattern="**")
        assert (found["files"], found["stopped_by"]) == ([], "time")

    def test_reports_progress(self, call: Call) -> None:
        seen: list[Any] = []
        call("find_files", ToolContext(progress=lambda *report: seen.append(report[1:])), pattern="**")
        assert seen[0] == (7, None, "0 files found")
        assert len(seen) == 3

    def test_deep_trees_end(self, call: Call, tmp_path: Path) -> None:
        folder = os.open(tmp_path, os.O_RDONLY)
        for _ in range(500):
            os.mkdir("d", dir_fd=folder)
            inner = os.open("d", os.O_RDONLY, dir_fd=folder)
            os.close(folder)
            folder = inner
        os.close(folder)
        assert call("find_files", pattern="*.py")["stopped_by"] == "depth"

    def test_files_that_are_being_written_are_not_there_yet(
        self, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def look(*_: object, **__: object) -> None:
            assert len(list((tmp_path / "new").iterdir())) == 1
            assert call("find_files", pattern="new/**")["files"] == []
            assert call("grep_files", pattern="text", path="new")["files_searched"] == 0
            assert Workspace(tmp_path).read("new/a", 10)  # not there: ends the write

        workspace = Workspace(tmp_path)
        monkeypatch.setattr(os, "rename", look)
        with pytest.raises(NotFound):
            workspace.write("new/a", b"text")
        assert list((tmp_path / "new").iterdir()) == []

    @pytest.mark.parametrize("pattern", ["", "../*", "/etc/*"])
    def test_bad_pattern(self, call: Call, pattern: str) -> None:
        with pytest.raises(InvalidInput, match="glob pattern"):
            call("find_files", pattern=pattern)


class TestGrep:
    def test_shape(self, call: Call) -> None:
        assert call("grep_files", pattern=r"^import \w+$") == {
            "matches": [
                {"path": "a.py", "line": 1, "text": "import os"},
                {"path": "src/b.py", "line": 1, "text": "import sys"},
            ],
            "files_searched": 3,
            "files_matched": 2,
            "files_skipped": 1,
            "lines_cut": 0,
            "unreadable": 0,
            "truncated": False,
        }

    def test_filters_and_options(self, call: Call) -> None:
        assert lines(call("grep_files", pattern="IMPORT", glob="src/*.py", ignore_case=True)) == [
            ("src/b.py", 1, "import sys"),
            ("src/b.py", 2, "# import os"),
        ]
        assert lines(call("grep_files", pattern="('x')", literal=True)) == [("a.py", 2, "print('x')")]
        assert lines(call("grep_files", pattern="end$")) == [("src/deep/c.txt", 1, "no newline at the end")]
        assert lines(call("grep_files", pattern="os", path="a.py")) == [("a.py", 1, "import os")]
        assert lines(call("grep_files", pattern="os", path="link.py")) == [("a.py", 1, "import os")]
        assert len(lines(call("grep_files", pattern="os", skip_dirs=[]))) == 4

    def test_a_match_never_spans_lines(self, call: Call, tmp_path: Path) -> None:
        (tmp_path / "t").write_text("a\nb\n\na b\n")
        assert lines(call("grep_files", pattern=r"a\sb", path="t")) == [("t", 4, "a b")]
        assert lines(call("grep_files", pattern=r"a[^x]*b", path="t")) == [("t", 4, "a b")]
        assert lines(call("grep_files", pattern=r"(?s)a.*b", path="t")) == [("t", 4, "a b")]
        assert lines(call("grep_files", pattern="^$", path="t")) == [("t", 3, "")]

    def test_unicode(self, call: Call, tmp_path: Path) -> None:
        (tmp_path / "t").write_bytes("naïve ÉTÉ 日本\n".encode() + b"bad \xff byte\n")
        assert len(lines(call("grep_files", pattern=r"\pL{2}ï", path="t"))) == 1
        assert len(lines(call("grep_files", pattern="été", path="t", ignore_case=True))) == 1
        assert lines(call("grep_files", pattern="byte", path="t")) == [("t", 2, "bad \N{REPLACEMENT CHARACTER} byte")]

    def test_line_numbers_across_blocks(self, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        text = [f"line {n} {'hit' if n % 7 == 0 else ''}" for n in range(1, 200)]
        (tmp_path / "t").write_text("\n".join(text))
        wanted = [("t", n, text[n - 1]) for n in range(7, 200, 7)]
        for block in (16, 17, 64, 4096):
            monkeypatch.setattr(grep_files, "BLOCK", block)
            found = call("grep_files", pattern="hit$", path="t")
            assert lines(found) == wanted
            assert found["lines_cut"] == 0

    def test_long_lines_are_cut_and_counted(self, call: Call, tmp_path: Path) -> None:
        size = grep_files.BLOCK
        (tmp_path / "t").write_bytes(b"first\n" + b"x" * 3 * size + b"needle\nneedle " + b"y" * 1000 + b" needle\n")
        found = call("grep_files", pattern="needle", path="t")
        assert found["lines_cut"] == 1
        ((_, line, text),) = lines(found)
        assert line == 3
        assert text.startswith("needle y")
        assert text.endswith("y…")
        assert len(text) <= 400
        ((_, _, text),) = lines(call("grep_files", pattern="needle$", path="t"))
        assert text.startswith("…y")
        assert text.endswith("y needle")

    def test_bounds(self, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
        found = call("grep_files", pattern="import", max_matches=2)
        assert (len(found["matches"]), found["stopped_by"], found["truncated"]) == (2, "results", True)
        assert call("grep_files", pattern="import", max_matches=3)["truncated"] is False
        for name, reason in (("MAX_FILES", "files"), ("MAX_BYTES", "bytes")):
            with monkeypatch.context() as patched:
                patched.setattr(grep_files, name, 1)
                assert call("grep_files", pattern="import")["stopped_by"] == reason

    def test_deadline_of_the_call(self, call: Call) -> None:
        clock = VirtualClock()
        found = call("grep_files", ToolContext(clock=clock, deadline=clock.now()), pattern="import")
        assert (found["matches"], found["stopped_by"]) == ([], "time")

    @pytest.mark.parametrize(
        ("pattern", "text"),
        [
            ("(?=a)", "not a regular expression of RE2: invalid perl operator"),
            (r"(a)\1", "invalid escape sequence"),
            ("a)(b", r"unexpected \): a\)\(b"),
            ("[", "missing ]"),
            ("a{1001}", "invalid repetition size"),
            ("(" * 1000, "missing"),
            (r"\pL{500}" * 10, "too large"),
            ("(?:a?){999}" * 8, "the pattern is too large: repeat less"),
            ("", "1 to 1000 characters"),
            ("a" * 1001, "1 to 1000 characters"),
            ("a\nb", "cannot hold a line end"),
            ("\ud800", "not valid text"),
        ],
    )
    def test_bad_pattern(self, call: Call, pattern: str, text: str, capfd: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(InvalidInput, match=text) as caught:
            call("grep_files", pattern=pattern)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 400
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize(
        "pattern",
        [
            "(a+)+$",
            "(a|aa)+$",
            r"(\w+\s?)*$x",
            "(x+x+)+y",
            ".*.*.*.*=.*y",
            "(?:a?){300}a{300}$x",
            "((a*)*)*b",
            "(a|b)*a(a|b){200}c",
        ],
    )
    def test_hostile_patterns_are_linear(self, call: Call, tmp_path: Path, pattern: str) -> None:
        (tmp_path / "t").write_bytes((b"a" * 20_000 + b"!\n") * 4)
        start = time.process_time()
        found = call("grep_files", pattern=pattern, path="t")
        assert found["matches"] == []
        assert time.process_time() - start < 20

    def test_file_that_goes_away_or_is_exchanged(
        self, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = os.stat

        def swap(path: Any, *args: Any, **kwargs: Any) -> os.stat_result:
            if path == "a.py":
                (tmp_path / "a.py").unlink(missing_ok=True)
                (tmp_path / "a.py").symlink_to("/etc/passwd")
            return real(path, *args, **kwargs)

        monkeypatch.setattr(os, "stat", swap)
        found = call("grep_files", pattern="root|import")
        assert [m["path"] for m in found["matches"]] == ["src/b.py", "src/b.py"]
        assert found["files_skipped"] == 2
