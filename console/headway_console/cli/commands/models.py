"""``headway models ls|show|resolve``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from headway_console.cli.completing import model_names, provider_names
from headway_console.cli.options import Place, json_option, pass_place, place_options

if TYPE_CHECKING:
    from headway.inference import ModelInfo, RegisteredProvider, Resolution


@click.group("models")
def command() -> None:
    """List models and say which one a name means."""


@command.command("ls")
@click.option("--provider", metavar="PROVIDER", shell_complete=provider_names, help="Only those of this provider.")
@json_option()
@place_options()
@pass_place
def ls(place: Place, provider: str | None, as_json: bool) -> None:
    """List the models of the providers that headway.toml names, and the aliases.

    PRICE is that of a million tokens read and written, in US dollars. No service is asked.
    """
    from headway_console.cli.models import registry_at
    from headway_console.cli.output import note, say, table, write_json

    registry = registry_at(place)
    shown = registry.providers if provider is None else (registry.provider(provider),)
    default = registry.provider_default()
    if as_json:
        rows = [_model(one, model) for one in shown for model in one.models]
        defaults = {"configured": default.configured, "effective": default.effective}
        write_json({"default": defaults, "aliases": registry.aliases, "models": rows})
        return
    if not registry.providers:
        say("no providers of models: add [providers.NAME] to headway.toml")
        return
    rows_ = []
    for one in shown:
        for model in one.models:
            name = f"{one.name}/{model.id}"
            names = [alias for alias, target in registry.aliases.items() if target == name] + list(model.aliases)
            mark = "default" if name == default.effective else ""
            rows_.append((name, ", ".join(names), _count(model.context), _count(model.output), _price(model), mark))
        if one.open:
            note(f"{one.name} takes any other name, too")
    if rows_:
        table(("MODEL", "ALIASES", "CONTEXT", "OUTPUT", "PRICE", ""), rows_)


@command.command("show")
@click.argument("model", metavar="MODEL", shell_complete=model_names)
@json_option()
@place_options()
@pass_place
def show(place: Place, model: str, as_json: bool) -> None:
    """Show one model: what it takes, what it costs, and whether it can be asked from here.

    Unlike `resolve`, nothing stands in for a model that is not there.
    """
    from headway.errors import NotFound, one_line
    from headway_console.cli.models import registry_at
    from headway_console.cli.output import say, table, write_json

    registry = registry_at(place)
    found = registry.resolve(model)
    if found.used_fallback:
        raise NotFound(f"there is no model '{one_line(model, 80)}': headway models ls")
    provider = registry.provider(found.provider)
    problem = provider.provider.lacks_key() if provider.vendor != "local" else provider.provider.lacks("infer")
    told = {**_resolution(found), "vendor": provider.vendor, "ready": problem is None, "problem": problem}
    if as_json:
        write_json(told)
        return
    say(found.name)
    info = found.info
    rows = [("vendor", provider.vendor), ("ready", "yes" if problem is None else problem)]
    if info is not None:
        rows += [("context", _count(info.context)), ("output", _count(info.output)), ("price", _price(info))]
    table(("", ""), rows)


@command.command("resolve")
@click.argument("model", metavar="[MODEL]", required=False, shell_complete=model_names)
@click.option("--provider", metavar="PROVIDER", shell_complete=provider_names, help="Of this provider and no other.")
@json_option()
@place_options()
@pass_place
def resolve(place: Place, model: str | None, provider: str | None, as_json: bool) -> None:
    """Say which model a name means, and how it is found.

    Without MODEL, the default. With --provider the answer is never another provider's.
    """
    from headway_console.cli.models import registry_at
    from headway_console.cli.output import note, say, write_json

    found = registry_at(place).resolve(model, provider)
    if as_json:
        write_json(_resolution(found))
        return
    say(found.name)
    note(" -> ".join(found.chain))


def _resolution(found: Resolution) -> dict[str, Any]:
    return {
        "requested": found.requested,
        "name": found.name,
        "provider": found.provider,
        "model": found.model,
        "used_fallback": found.used_fallback,
        "chain": list(found.chain),
        "info": _info(found.info),
    }


def _model(provider: RegisteredProvider, model: ModelInfo) -> dict[str, Any]:
    return {"name": f"{provider.name}/{model.id}", "provider": provider.name, "vendor": provider.vendor, **_told(model)}


def _info(model: ModelInfo | None) -> dict[str, Any] | None:
    return None if model is None else _told(model)


def _told(model: ModelInfo) -> dict[str, Any]:
    import msgspec

    told: dict[str, Any] = msgspec.to_builtins(model)
    return told


def _count(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def _price(model: ModelInfo) -> str:
    prices = model.prices
    return "-" if prices is None else f"{prices.input / 1e6:.2f} / {prices.output / 1e6:.2f}"
