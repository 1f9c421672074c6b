"""The data files are found in a source tree and in a package, and their absence is said clearly."""

from collections.abc import Callable
from pathlib import Path

import pytest

from headway_console import resources

FINDERS = [resources.themes, resources.recordings, resources.examples]
NAMES = ["themes", "recordings", "examples"]


def tree(root: Path, package: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up installation whose headway_console lies at ``root / package``."""
    home = root / package
    home.mkdir(parents=True)
    monkeypatch.setattr(resources, "_PACKAGE", home)
    return home


@pytest.mark.parametrize(("find", "name"), zip(FINDERS, NAMES, strict=True))
def test_this_installation_has_it(find: Callable[[], Path], name: str) -> None:
    found = find()
    assert found.is_dir()
    assert found.name == name
    assert found.is_absolute()


@pytest.mark.parametrize(("find", "name"), zip(FINDERS, NAMES, strict=True))
def test_in_a_package(find: Callable[[], Path], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tree(tmp_path, Path("site-packages/headway_console"), monkeypatch)
    (package / name).mkdir()
    assert find() == package / name


@pytest.mark.parametrize(("find", "name"), zip(FINDERS, NAMES, strict=True))
def test_in_a_checkout(find: Callable[[], Path], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, Path("console/headway_console"), monkeypatch)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / name).mkdir()
    assert find() == tmp_path / name


@pytest.mark.parametrize(("find", "name"), zip(FINDERS, NAMES, strict=True))
def test_the_package_comes_first(
    find: Callable[[], Path], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tree(tmp_path, Path("console/headway_console"), monkeypatch)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / name).mkdir()
    (package / name).mkdir()
    assert find() == package / name


@pytest.mark.parametrize(("find", "name"), zip(FINDERS, NAMES, strict=True))
def test_a_stranger_above_site_packages_is_not_taken(
    find: Callable[[], Path], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tree(tmp_path, Path("site-packages/headway_console"), monkeypatch)
    (tmp_path / name).mkdir()
    with pytest.raises(FileNotFoundError, match=f"Headway's {name} are missing") as caught:
        find()
    assert str(package / name) in str(caught.value)
    assert "\n" not in str(caught.value)
