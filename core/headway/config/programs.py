"""The code of programs that ``headway.toml`` names: the files and folders that no plan may touch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_NODE_CODE = (".js", ".mjs", ".cjs", ".ts", ".mts", ".cts")
_CODE = (".py", ".pyz", ".sh", ".rb", ".pl", ".php", ".lua", ".jar", ".wasm", *_NODE_CODE)
_IN_FOLDER = ("__main__.py", "index.js", "index.mjs", "package.json")
_NODE = frozenset({"node", "nodejs", "npx", "npm", "bun", "bunx", "deno", "tsx"})


def programs_of(command: Sequence[str], cwd: Path) -> tuple[list[Path], list[Path]]:
    """Return the files, and the folders, of code that a command line runs in ``cwd``, existing or not.

    Those are the program and the script that it names, what else it names that looks like code, and where node looks
    for packages.
    """
    program, args = command[0], command[1:]
    named = [program] if "/" in program else []
    words = [word for word in args if not word.startswith("-")]
    named += words[:1]
    named += [word.rpartition("=")[2] for word in args if word.rpartition("=")[2].endswith(_CODE)]
    files: list[Path] = []
    for word in dict.fromkeys(word for word in named if word and "\0" not in word):
        path = cwd / word
        files += [path / name for name in _IN_FOLDER] if path.is_dir() else [path]
    if Path(program).name in _NODE or any(file.suffix in _NODE_CODE for file in files):
        places = dict.fromkeys([cwd, *(file.parent for file in files)])
        return [*files, *(place / "package.json" for place in places)], [p / "node_modules" for p in places]
    return files, []
