"""The sections of ``headway.toml`` that say who is asked over the network, and for what models."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from headway.config.section import FilePath, Name, Section
from headway.egress.rules import Entry, check_proxy
from headway.errors import InvalidInput
from headway.secrets.reference import SCHEME, is_name


def _egress_entry(text: str) -> str:
    try:
        Entry.parse(text)
    except InvalidInput as error:
        raise ValueError(error.message) from None
    return text


EgressEntry = Annotated[str, AfterValidator(_egress_entry)]


def _proxy(text: str | None) -> str | None:
    try:
        if text is not None:
            check_proxy(text)
    except InvalidInput as error:
        raise ValueError(error.message) from None
    if text is not None and "@" in text:
        raise ValueError('must not hold a user or a password: name it in HTTPS_PROXY, and here "environment"')
    return text


class EgressConfig(Section):
    """What may be reached over the network by models and other clients of Headway itself: see models.md."""

    allow: list[EgressEntry] = Field(
        default=[],
        description="Hosts, addresses and networks, with :PORT or without, that may be reached though their addresses"
        " are private or this machine's. Public addresses may be reached anyway.",
    )
    only: list[EgressEntry] | None = Field(
        default=None, description="The only hosts that may be reached; none: no such limit."
    )
    proxy: Annotated[str | None, AfterValidator(_proxy)] = Field(
        default=None,
        description='The HTTP proxy, as http://HOST:PORT; "environment": the one that HTTPS_PROXY and its like name.',
    )


class ModelConfig(Section):
    """A model of a provider: what is not known of it otherwise."""

    id: Name = Field(description="The name that the service knows it by.")
    aliases: list[Name] = Field(default=[], description="Other names for it.")
    context: int | None = Field(default=None, ge=1, description="Tokens that fit.")
    output: int | None = Field(default=None, ge=1, description="Tokens that it writes at most.")
    input_price: int | None = Field(default=None, ge=0, description="Micro-dollars per million tokens read.")
    output_price: int | None = Field(default=None, ge=0, description="Micro-dollars per million tokens written.")
    tools: bool = Field(default=True, description="Whether it can call tools.")


def secret_reference(text: str | None) -> str | None:
    """Return ``text`` if it names a secret."""
    if text is not None and not (text.startswith(SCHEME) and is_name(text.removeprefix(SCHEME))):
        raise ValueError("must name a secret, as secret://NAME")
    return text


class ProviderConfig(Section):
    """A service of models, or models in this process: see models.md."""

    kind: Literal["openai", "openai-responses", "anthropic", "gemini", "local"] = Field(
        description="How the service writes; `local`: models in this process (`headway[local]`)."
    )
    url: str | None = Field(default=None, min_length=1, description="The API's base URL; none: the vendor's.")
    api_key: Annotated[str | None, AfterValidator(secret_reference)] = Field(
        default=None, description="The secret that is the API's key, as `secret://NAME`."
    )
    api_key_env: str | None = Field(
        default=None, min_length=1, description="The environment variable that holds the API's key, instead."
    )
    file: FilePath | None = Field(default=None, description="The GGUF file of a local model; none: the one that comes.")
    default: Name | None = Field(
        default=None, description="The model that answers if none is named, or one that is unknown."
    )
    models: list[ModelConfig] = Field(default=[], description="Models that Headway does not know, or other prices.")
    open: bool | None = Field(
        default=None, description="Whether other models than those known may be named; none: if `url` is given."
    )

    @model_validator(mode="after")
    def _sound(self) -> ProviderConfig:  # noqa: N804 - it is called with the model in this mode
        if self.api_key is not None and self.api_key_env is not None:
            raise ValueError("must have api_key or api_key_env, not both")
        if self.kind == "local" and (self.url or self.api_key or self.api_key_env):
            raise ValueError("a local provider has neither url nor key")
        if self.kind != "local" and self.file is not None:
            raise ValueError("only a local provider has a file")
        return self


def provider_name(name: str) -> str:
    if "/" in name or not name.isprintable() or name != name.strip():
        raise ValueError("the name of a provider has no '/' and no spaces around it")
    return name


class ModelsConfig(Section):
    """Which model is meant by what: see models.md."""

    default: Name | None = Field(default=None, description="An alias or PROVIDER/MODEL; none: the first provider's.")
    failover: list[Name] = Field(default=[], description="Models that are asked in turn when the one meant fails.")
    aliases: dict[Name, Name] = Field(default={}, description="Names for models, as PROVIDER/MODEL.")
