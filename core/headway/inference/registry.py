"""The registry of models: providers by name, aliases, and the way from a wish to the one model that answers.

Resolution decides which model is meant, and says how it came to that. Failover is another thing: which model answers
when the one that was meant does not (:meth:`ModelRegistry.chat`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from headway.arguments import expect, expect_many, plain_or_empty, shown_value
from headway.errors import InferenceError, InvalidInput, NotFound, one_line
from headway.inference.answer import Completion
from headway.inference.catalogue import ModelInfo
from headway.inference.chat import ChatRequest, Piece, Reply
from headway.inference.provider import Part, Provider
from headway.inference.request import InferRequest

MAX_NAME = 256
MAX_CHAIN = 16
"""The most models that one call fails over to."""


@dataclass(frozen=True, slots=True)
class RegisteredProvider:
    """A provider under a name, with its models.

    ``default`` is the model that it answers with when none, or an unknown one, is asked for. ``open``: it has models
    that nobody listed, so that any name is passed on. ``vendor`` is whose models they are: the dialect, mostly.
    """

    name: str
    provider: Provider
    models: tuple[ModelInfo, ...] = ()
    default: str | None = None
    open: bool = False
    vendor: str = ""

    def model(self, wanted: str) -> ModelInfo | None:
        """Return the model of that id or alias, None if it has none."""
        for one in self.models:
            if one.id == wanted:
                return one
        return next((one for one in self.models if wanted in one.aliases), None)


class Resolution(msgspec.Struct, frozen=True):
    """The one model that a wish leads to: ``provider`` and ``model``, and what is known of it.

    ``used_fallback``: it is not what was asked for. ``chain`` tells each thing that was looked for in turn, the last of
    it found: ``["requested:x", "provider_default:openai"]``.
    """

    requested: str | None
    provider: str
    model: str
    used_fallback: bool
    chain: tuple[str, ...]
    info: ModelInfo | None = None

    @property
    def name(self) -> str:
        """The model with its provider, as it can be asked for again."""
        return f"{self.provider}/{self.model}"


class ProviderDefault(NamedTuple):
    """The default model as the file has it (``configured``), and as it is (``effective``); None: there is none."""

    configured: str | None
    effective: str | None


class ModelRegistry:
    """Providers in the order in which they are looked through.

    ``aliases`` name models as ``provider/model``, ``default`` is an alias or such a name, ``failover`` are models that
    are tried in turn when the one that was meant fails. Raises ``InvalidInput`` for names that lead nowhere.
    """

    def __init__(
        self,
        providers: Iterable[RegisteredProvider] = (),
        *,
        aliases: Mapping[str, str] | None = None,
        default: str | None = None,
        failover: Iterable[str] = (),
        configured: str | None = None,
    ) -> None:
        self._providers: dict[str, RegisteredProvider] = {}
        self._aliases = dict(expect(aliases or {}, Mapping, "aliases"))
        for one in expect_many(providers, "providers"):
            self.register(one)
        for alias, target in self._aliases.items():
            _checked(alias)
            _checked(target)
            if "/" in alias or self._named(target) is None:
                raise InvalidInput(
                    f"alias {shown_value(alias)} must lead to PROVIDER/MODEL of a provider that is there"
                )
        self._default = default
        self._configured = configured
        if default is not None:
            self._must(default)
        if configured is not None:
            _checked(configured)
        self._failover = [self._must(name) for name in expect_many(failover, "failover")]
        if len(self._failover) > MAX_CHAIN:
            raise InvalidInput(f"failover must name at most {MAX_CHAIN} models")

    def register(self, provider: RegisteredProvider) -> None:
        """Add a provider. Raises ``InvalidInput`` for a name that is taken, or that cannot be one."""
        _refuse_malformed(provider)
        if "/" in provider.name:
            raise InvalidInput("the name of a provider has no '/'")
        if provider.name in self._providers:
            raise InvalidInput(f"provider '{provider.name}' is there twice")
        if provider.default is not None and provider.model(provider.default) is None and not provider.open:
            raise InvalidInput(f"provider '{provider.name}' has no model '{one_line(provider.default, 80)}'")
        self._providers[provider.name] = provider

    @property
    def providers(self) -> tuple[RegisteredProvider, ...]:
        """The providers in order."""
        return tuple(self._providers.values())

    @property
    def aliases(self) -> dict[str, str]:
        """The aliases, with the names that they stand for."""
        return dict(self._aliases)

    def provider(self, name: str) -> RegisteredProvider:
        """Return the provider of that name; ``NotFound`` if there is none."""
        found = self._providers.get(_checked(name))
        if found is None:
            known = ", ".join(self._providers) or "none is configured"
            raise NotFound(f"there is no provider of models '{one_line(name, 80)}': {known}")
        return found

    def provider_default(self) -> ProviderDefault:
        """Return the default model as the file has it, and as variables, flags and order make it."""
        found = self._fallback(None)
        return ProviderDefault(self._configured, None if found is None else f"{found[0].name}/{found[1]}")

    def resolve(self, model: str | None = None, hint: str | None = None) -> Resolution:
        """Return the model that ``model`` means: an alias, ``provider/model``, a model's id or its alias.

        With ``hint`` the answer is of that provider, whatever else knows the model: an unknown one leads to the
        provider's default. Raises ``NotFound`` for a provider that is not there, and where there is no default.
        """
        chain: list[str] = []
        if model is not None:
            chain.append(f"requested:{_checked(model)}")
            found = self._within(self.provider(hint), model) if hint is not None else self._anywhere(model)
            if found is not None:
                return self._resolution(model, found, chain, fallback=False)
        fallback = self._fallback(self.provider(hint) if hint is not None else None)
        if fallback is None:
            wanted = "no model was asked for" if model is None else f"there is no model '{one_line(model, 80)}'"
            where = f"provider '{one_line(hint, 80)}' has no default" if hint is not None else "there is no default"
            raise NotFound(f"{wanted}, and {where}: set [models] default, or the provider's")
        chain.append(
            f"provider_default:{hint}" if hint is not None else f"global_default:{fallback[0].name}/{fallback[1]}"
        )
        return self._resolution(model, fallback, chain, fallback=model is not None)

    async def chat(self, request: ChatRequest, resolution: Resolution) -> tuple[Reply, Resolution]:
        """Continue a conversation with the model that was resolved; return the reply and the model that gave it.

        Where it fails, the models of ``failover`` are asked in turn. Raises the last of their errors.
        """
        failed = _Failed()
        for one in self._chain(_asked(request, resolution)):
            try:
                asked = msgspec.structs.replace(request, model=one.model)
                return await self.provider(one.provider).provider.chat(asked), one
            except InferenceError as error:
                failed.note(one, error)
        raise failed.error()

    async def stream(
        self, request: ChatRequest, resolution: Resolution
    ) -> AsyncGenerator[tuple[Piece, Resolution], None]:
        """Yield the pieces of a reply, each with the model that gives it; see :meth:`chat`.

        Once there is some of a reply, no other model takes it up.
        """
        failed = _Failed()
        for one in self._chain(_asked(request, resolution)):
            begun = False
            try:
                asked = msgspec.structs.replace(request, model=one.model)
                async with aclosing(self.provider(one.provider).provider.stream(asked)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece, one
                return
            except InferenceError as error:
                if begun:
                    raise
                failed.note(one, error)
        raise failed.error()

    def routed(self) -> Provider:
        """Return a provider that asks the default model, with failover: what the tool ``infer`` uses."""
        return _Routed(self)

    async def aclose(self) -> None:
        """Close the connections of all providers."""
        for one in self._providers.values():
            await one.provider.aclose()

    def _chain(self, first: Resolution) -> list[Resolution]:
        chain, seen = [first], {first.name}
        for provider, model in self._failover:
            if f"{provider.name}/{model}" not in seen:
                seen.add(f"{provider.name}/{model}")
                told = (*first.chain, f"failover:{provider.name}/{model}")
                chain.append(Resolution(first.requested, provider.name, model, True, told, provider.model(model)))
        return chain

    def _resolution(
        self, requested: str | None, found: tuple[RegisteredProvider, str], chain: list[str], *, fallback: bool
    ) -> Resolution:
        provider, model = found
        info = provider.model(model)
        return Resolution(requested, provider.name, model if info is None else info.id, fallback, tuple(chain), info)

    def _within(self, provider: RegisteredProvider, model: str) -> tuple[RegisteredProvider, str] | None:
        """Return a model of ``provider``, by its id, its alias, or an alias of the registry that leads there."""
        target = self._aliases.get(model, model)
        named = target.removeprefix(f"{provider.name}/")
        if "/" in target and named == target and target.partition("/")[0] in self._providers:
            return None  # it is another provider's
        info = provider.model(named)
        if info is not None:
            return provider, info.id
        return (provider, named) if provider.open else None

    def _anywhere(self, model: str) -> tuple[RegisteredProvider, str] | None:
        if (named := self._named(self._aliases.get(model, model))) is not None:
            return named
        for one in self._providers.values():
            if (info := one.model(model)) is not None:
                return one, info.id
        return None

    def _named(self, name: str) -> tuple[RegisteredProvider, str] | None:
        """Return what ``provider/model`` names, None if it names nothing."""
        provider, slash, model = name.partition("/")
        found = self._providers.get(provider)
        return self._within(found, model) if found is not None and slash and model else None

    def _must(self, name: str) -> tuple[RegisteredProvider, str]:
        found = self._anywhere(_checked(name))
        if found is None:
            raise InvalidInput(f"there is no model '{one_line(name, 80)}': name it as an alias or PROVIDER/MODEL")
        return found

    def _fallback(self, provider: RegisteredProvider | None) -> tuple[RegisteredProvider, str] | None:
        if provider is not None:
            return None if provider.default is None else (provider, provider.default)
        if self._default is not None:
            return self._anywhere(self._default)
        return next(((one, one.default) for one in self._providers.values() if one.default is not None), None)


class _Failed:
    """The models that were asked for one reply and failed."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._last = InferenceError("no model was asked")

    def note(self, one: Resolution, error: InferenceError) -> None:
        self._names.append(one.name)
        self._last = error

    def error(self) -> InferenceError:
        """Return the last error; where there are several models, with their names."""
        if len(self._names) < 2:
            return self._last
        return type(self._last)(f"{self._last.message}; tried {', '.join(self._names)}", **self._last.details)


class _Routed(Provider):
    """The default model of a registry as a provider."""

    name = "models"

    def __init__(self, registry: ModelRegistry) -> None:
        super().__init__(max_concurrency=256)  # each provider has a limit of its own
        self._registry = registry

    def lacks(self, part: Part) -> str | None:
        """Return what the default model's provider lacks."""
        found = self._registry.resolve()
        provider = self._registry.provider(found.provider).provider
        return f"the inference provider '{self.name}' has no embed" if part == "embed" else provider.lacks_key()

    async def _infer(self, request: InferRequest) -> Completion:
        reply, _ = await self._registry.chat(ChatRequest.asking(request), self._registry.resolve())
        return reply.completion()


def _refuse_malformed(value: object) -> None:
    """Raise ``InvalidInput`` for what is no provider, or has fields of other kinds."""
    provider = expect(value, RegisteredProvider, "a provider")
    _checked(provider.name)
    expect(provider.provider, Provider, f"the provider of '{provider.name}'")
    for model in expect_many(provider.models, f"the models of '{provider.name}'"):
        _checked(expect(model, ModelInfo, "a model").id)
        for alias in expect_many(model.aliases, f"the aliases of '{model.id}'"):
            _checked(alias)
    if provider.default is not None:
        _checked(provider.default)
    expect(provider.open, bool, f"open of '{provider.name}'")
    plain_or_empty(provider.vendor, f"the vendor of '{provider.name}'", MAX_NAME)


def _asked(request: object, resolution: Resolution) -> Resolution:
    expect(request, ChatRequest, "a request")
    return expect(resolution, Resolution, "a resolution")


def _checked(name: object) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or not name.isprintable() or name != name.strip():
        raise InvalidInput(f"the name of a model or provider has 1 to {MAX_NAME} printable characters")
    return name
