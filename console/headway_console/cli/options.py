"""The options that commands share, and what a command sees of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from headway_console.cli.place import Place

__all__ = ["FILE", "FOLDER", "Place", "json_option", "pass_place", "place_options"]

F = TypeVar("F", bound=Callable[..., Any])

FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)


def place_options(*, environment: bool = False) -> Callable[[F], F]:
    """Add ``--home`` and ``--config``; only the root reads them from the environment, the nearest flag wins."""

    def add(function: F) -> F:
        home = click.option(
            "--home",
            type=FOLDER,
            envvar="HEADWAY_HOME" if environment else None,
            metavar="DIR",
            expose_value=False,
            callback=_keep_home,
            help="Where the store lies (HEADWAY_HOME); none: the home of the project.",
        )
        config = click.option(
            "--config",
            type=FILE,
            envvar="HEADWAY_CONFIG" if environment else None,
            metavar="FILE",
            expose_value=False,
            callback=_keep_config,
            help="Read this headway.toml; no search (HEADWAY_CONFIG).",
        )
        return home(config(function))

    return add


def json_option(text: str = "Print JSON, and nothing else, on stdout.") -> Callable[[F], F]:
    """Add ``--json`` as the parameter ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help=text)


pass_place = click.make_pass_decorator(Place, ensure=True)
"""Hands the :class:`Place` to the function as its first argument."""


def _keep_home(ctx: click.Context, parameter: click.Parameter, value: Path | None) -> None:
    place = ctx.ensure_object(Place)
    if value is not None:
        source = ctx.get_parameter_source(parameter.name or "")
        place.home_path = value
        place.home_said = source is not click.core.ParameterSource.ENVIRONMENT


def _keep_config(ctx: click.Context, parameter: click.Parameter, value: Path | None) -> None:
    place = ctx.ensure_object(Place)
    if value is not None:
        place.config_path = value
