"""The models of a place, as its headway.toml has them: looked at only, no service is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headway.inference import ModelRegistry
    from headway_console.cli.place import Place


def registry_at(place: Place) -> ModelRegistry:
    """Return the models that are configured at ``place``. No code is loaded and no key is read."""
    from headway.provision import door_of, models_of, vault_of

    config = place.config()
    return models_of(config, vault_of(config), door_of(config))
