"""The options that commands share, and what a command sees of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from headway.config import Config
    from headway.home import Home

F = TypeVar("F", bound=Callable[..., Any])

FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)


class Place:
    """The home and the configuration that a command line is about."""

    def __init__(self) -> None:
        self.home_path: Path | None = None
        self.config_path: Path | None = None

    def home(self) -> Home:
        """Return the home: ``--home``, else ``HEADWAY_HOME``, else the default of this machine."""
        from headway.home import Home, default_home

        return Home(self.home_path.absolute()) if self.home_path else default_home()

    def config(self, overrides: Mapping[str, Any] | None = None, also: Path | None = None) -> Config:
        """Return the configuration; ``also`` is where to look when there is none from here upwards."""
        from headway.config import load_config

        return load_config(overrides=overrides, file=self.config_path, also=also)


def place_options(*, environment: bool = False) -> Callable[[F], F]:
    """Add ``--home`` and ``--config``; only the root reads them from the environment, the nearest flag wins."""

    def add(function: F) -> F:
        home = click.option(
            "--home",
            type=FOLDER,
            envvar="HEADWAY_HOME" if environment else None,
            metavar="DIR",
            expose_value=False,
            callback=_keep("home_path"),
            help="Where the store lies (HEADWAY_HOME).",
        )
        config = click.option(
            "--config",
            type=FILE,
            envvar="HEADWAY_CONFIG" if environment else None,
            metavar="FILE",
            expose_value=False,
            callback=_keep("config_path"),
            help="Read this headway.toml; no search (HEADWAY_CONFIG).",
        )
        return home(config(function))

    return add


def json_option(text: str = "Print JSON, and nothing else, on stdout.") -> Callable[[F], F]:
    """Add ``--json`` as the parameter ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help=text)


pass_place = click.make_pass_decorator(Place, ensure=True)
"""Hands the :class:`Place` to the function as its first argument."""


def _keep(name: str) -> Callable[[click.Context, click.Parameter, Path | None], None]:
    def callback(ctx: click.Context, parameter: click.Parameter, value: Path | None) -> None:
        place = ctx.ensure_object(Place)
        if value is not None:
            setattr(place, name, value)

    return callback
