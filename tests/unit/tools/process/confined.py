"""What the tests of the sandbox share: a project with secrets around it, and a shell in a sandbox."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from headway.tools.context import ToolContext
from headway.tools.files.workspace import Workspace
from headway.tools.process.bwrap import probe
from headway.tools.process.shell import shell_tool
from headway.tools.sandbox import Sandbox

PYTHON = sys.executable


def need_sandbox() -> None:
    """Skip the test, with the reason, where no sandbox works."""
    found = probe()
    if found.bwrap is None:
        pytest.skip(found.reason)


class Place:
    """A user's home with a key, Headway's home in it with a token, and a project whose workspace is its folder."""

    def __init__(self, root: Path, **options: Any) -> None:
        self.home = root / "user"
        self.state = self.home / "headway"
        self.project = self.home / "project"
        for folder in (self.home / ".ssh", self.state, self.project / "policies", self.project / ".git" / "hooks"):
            folder.mkdir(parents=True)
        (self.home / ".ssh" / "id_ed25519").write_text("SECRET KEY")
        (self.state / "token").write_text("SECRET TOKEN")
        (self.project / "headway.toml").write_text('[tools]\npython = ["tools.py"]\n')
        (self.project / "tools.py").write_text("TOOLS = 1\n")
        (self.project / "policies" / "p.toml").write_text("rules = []\n")
        (self.project / ".git" / "config").write_text("[core]\n")
        (self.project / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
        (self.project / "sub" / "policies").mkdir(parents=True)
        (self.project / "sub" / "policies" / "q.toml").write_text("rules = []\n")
        (self.project / "README.md").write_text("hello\n")
        self.sandbox = Sandbox(
            workspace=self.project, control=[self.project / "tools.py"], hidden=[self.state], **options
        )

    def control(self) -> dict[str, str]:
        """Return every control file that there is, with its content, by its path in the project."""
        found = {}
        for path in sorted(self.project.rglob("*")):
            parts = path.relative_to(self.project).parts
            git = ".git" in parts and parts[-1] in ("config", "config.worktree", "commondir")
            closed = parts == ("tools.py",) or parts[-1].casefold() == "headway.toml" or git
            inside = any(part.casefold() == "policies" for part in parts) or (".git" in parts and "hooks" in parts)
            if path.is_symlink() and (closed or inside):
                found["/".join(parts)] = f"-> {path.readlink()}"
            elif path.is_file() and (closed or inside):
                found["/".join(parts)] = path.read_text(errors="replace")
        return found


async def sh(sandbox: Sandbox | None, folder: Path, command: str, env: Sequence[str] = (), **options: Any) -> Any:
    """Run a command in a sandbox, as a plan's call does."""
    entry = shell_tool(Workspace(folder), env=env, **options)
    return await entry.call(command=command, ctx=ToolContext(sandbox=sandbox))
