"""The demo's home, and the workspace in it with the shipped examples, the same on every machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from headway.errors import StoreError

if TYPE_CHECKING:
    from headway.home import Home
    from headway_console.cli.options import Place

DEMO = "demo"
"""The folder of the examples whose files go into the workspace itself, over those of the same name."""

LEFT_OUT = frozenset({"__pycache__"})


def demo_home(place: Place) -> Home:
    """Return the home of the demo: the one that was named, else ``demo`` in the default one."""
    from headway.home import Home, data_folder

    return Home(place.home_path.absolute() if place.home_path else data_folder() / "demo")


def prepare(home: Home) -> Path:
    """Bring the demo's workspace up to date and return it, trusted. Files that nobody changed are not touched."""
    from headway.trust import TrustedProjects

    home.prepare()
    workspace = home.path / "workspace"
    try:
        for name, source in _files().items():
            _copy(source, workspace / name)
    except OSError as error:
        raise StoreError(f"cannot write {error.filename or workspace}: {error.strerror}") from None
    TrustedProjects().add(workspace)
    return workspace


def _files() -> dict[Path, Path]:
    """Return the files of the workspace by their names in it."""
    from headway_console.resources import examples

    source = examples()
    found = {
        path.relative_to(source): path
        for path in sorted(source.rglob("*"))
        if path.is_file() and not LEFT_OUT.intersection(path.parts)
    }
    own = {name.relative_to(DEMO): path for name, path in found.items() if name.parts[0] == DEMO}
    return {name: path for name, path in found.items() if name.parts[0] != DEMO} | own


def _copy(source: Path, target: Path) -> None:
    content = source.read_bytes()
    if target.is_file() and target.read_bytes() == content:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
