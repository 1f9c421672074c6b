"""The registry of models: resolution with its provenance, never across vendors under a hint, and failover."""

from __future__ import annotations

from typing import Any

import pytest

from headway.errors import InferenceError, InferenceRefused, InvalidInput, NotFound
from headway.inference import ChatRequest, ModelInfo, ModelRegistry, Piece, Prices, RegisteredProvider
from headway.inference.catalogue import catalogue, merged
from headway.inference.dialects.table import DIALECTS
from headway.testing import ScriptedProvider

HI = ChatRequest.of("Hi")


def registry(**options: Any) -> ModelRegistry:
    script = {name: ScriptedProvider(default=f"by {name}") for name in ("red", "blue", "any")}
    return ModelRegistry(
        [
            RegisteredProvider("red", script["red"], (ModelInfo("big", ("b",)), ModelInfo("same")), "big"),
            RegisteredProvider("blue", script["blue"], (ModelInfo("small"), ModelInfo("same")), "small"),
            RegisteredProvider("any", script["any"], open=True),
        ],
        **{"aliases": {"fast": "blue/small", "wild": "any/thing"}, "default": "fast", **options},
    )


@pytest.mark.parametrize(
    ("model", "hint", "name", "fallback", "chain"),
    [
        ("big", None, "red/big", False, ["requested:big"]),
        ("b", None, "red/big", False, ["requested:b"]),
        ("red/big", None, "red/big", False, ["requested:red/big"]),
        ("red/b", None, "red/big", False, ["requested:red/b"]),
        ("fast", None, "blue/small", False, ["requested:fast"]),
        ("wild", None, "any/thing", False, ["requested:wild"]),
        ("same", None, "red/same", False, ["requested:same"]),
        ("same", "blue", "blue/same", False, ["requested:same"]),
        ("fast", "blue", "blue/small", False, ["requested:fast"]),
        ("blue/small", "blue", "blue/small", False, ["requested:blue/small"]),
        ("whatever", "any", "any/whatever", False, ["requested:whatever"]),
        ("any/vendor/model", None, "any/vendor/model", False, ["requested:any/vendor/model"]),
        # never another vendor's under a hint
        ("big", "blue", "blue/small", True, ["requested:big", "provider_default:blue"]),
        ("red/big", "blue", "blue/small", True, ["requested:red/big", "provider_default:blue"]),
        ("fast", "red", "red/big", True, ["requested:fast", "provider_default:red"]),
        ("nothing", "red", "red/big", True, ["requested:nothing", "provider_default:red"]),
        ("nothing", None, "blue/small", True, ["requested:nothing", "global_default:blue/small"]),
        ("red/nothing", None, "blue/small", True, ["requested:red/nothing", "global_default:blue/small"]),
        (None, None, "blue/small", False, ["global_default:blue/small"]),
        (None, "red", "red/big", False, ["provider_default:red"]),
    ],
)
def test_resolve(model: str | None, hint: str | None, name: str, fallback: bool, chain: list[str]) -> None:
    found = registry().resolve(model, hint)
    assert (found.name, found.used_fallback, list(found.chain)) == (name, fallback, chain)
    assert found.requested == model
    assert (found.info is None) == (found.provider == "any")


def test_a_hint_never_leads_to_another_provider() -> None:
    every = [None, "fast", "wild", "b", "x", *(f"{p}/{m}" for p in ("red", "blue", "any") for m in ("big", "x"))]
    for hint in ("red", "blue"):
        for model in every:
            assert registry().resolve(model, hint).provider == hint


@pytest.mark.parametrize(("model", "hint"), [("x", "green"), (None, "any"), ("blue/small", "any")])
def test_what_is_not_there(model: str | None, hint: str) -> None:
    with pytest.raises(NotFound):
        registry().resolve(model, hint)


def test_nothing_at_all() -> None:
    with pytest.raises(NotFound, match="no model was asked for, and there is no default"):
        ModelRegistry().resolve()
    assert ModelRegistry().provider_default() == (None, None)


def test_the_first_provider_has_the_default_where_none_is_set() -> None:
    assert registry(default=None).resolve().name == "red/big"
    assert registry(configured="fast").provider_default() == ("fast", "blue/small")
    assert registry(default="big", configured="fast").provider_default() == ("fast", "red/big")


@pytest.mark.parametrize(
    "options",
    [{"default": "nothing"}, {"aliases": {"x": "nothing"}}, {"aliases": {"x": "green/m"}}, {"default": 5},
     {"aliases": {"a/b": "red/big"}}, {"failover": ["nothing"]}, {"failover": ["big"] * 17},
     {"aliases": {"": "red/big"}}],
)  # fmt: skip
def test_names_that_lead_nowhere(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        registry(**options)


@pytest.mark.parametrize("name", ["", " x", "a/b", "red", "x\ny", "x" * 300])
def test_a_provider_that_cannot_be_called_so(name: str) -> None:
    with pytest.raises(InvalidInput):
        registry().register(RegisteredProvider(name, ScriptedProvider()))
    with pytest.raises(InvalidInput, match="has no model"):
        registry().register(RegisteredProvider("green", ScriptedProvider(), default="x"))


@pytest.mark.parametrize("model", ["", "\n", "x" * 300, 5, "\ud800"])
def test_a_wish_that_is_no_name(model: Any) -> None:
    with pytest.raises(InvalidInput):
        registry().resolve(model)


class TestFailover:
    """Which model answers when the one that was meant does not."""

    async def test_the_model_that_was_meant_answers(self) -> None:
        models = registry(failover=["big"])
        reply, by = await models.chat(HI, models.resolve("same", "blue"))
        assert (reply.text, by.name) == ("by blue", "blue/same")
        request = models.provider("blue").provider.calls[0].request  # type: ignore[attr-defined]
        assert request.model == "same"

    async def test_others_are_asked_in_turn(self) -> None:
        models = registry(failover=["small", "big", "wild"])
        for name in ("blue", "red"):
            models.provider(name).provider.fail(InferenceError("busy"))  # type: ignore[attr-defined]
        reply, by = await models.chat(HI, models.resolve())
        assert (reply.text, by.name, by.used_fallback) == ("by any", "any/thing", True)
        assert by.chain == ("global_default:blue/small", "failover:any/thing")

    async def test_a_stream_that_has_begun_is_nobody_else_s(self) -> None:
        models = registry(failover=["big"])
        models.provider("blue").provider.fail(InferenceError("busy"))  # type: ignore[attr-defined]
        found = [(piece, by.name) async for piece, by in models.stream(HI, models.resolve())]
        assert {name for _, name in found} == {"red/big"}
        assert found[-1][0].reply is not None

        class Breaking(ScriptedProvider):
            async def _stream(self, request: ChatRequest) -> Any:
                yield Piece("some")
                raise InferenceError("broke")

        models.register(RegisteredProvider("half", Breaking(), open=True))
        stream = models.stream(HI, models.resolve("half/x"))
        assert (await anext(stream))[0].text == "some"
        with pytest.raises(InferenceError, match=r"^broke$"):
            await anext(stream)

    async def test_none_answers(self) -> None:
        models = registry(failover=["big"])
        models.provider("blue").provider.fail(InferenceError("busy"))  # type: ignore[attr-defined]
        models.provider("red").provider.fail(InferenceRefused("no key", status=401))  # type: ignore[attr-defined]
        with pytest.raises(InferenceRefused) as caught:
            await models.chat(HI, models.resolve())
        assert str(caught.value) == "no key; tried blue/small, red/big"
        assert caught.value.details == {"status": 401}

    async def test_bad_input_is_nobody_s_failure(self) -> None:
        models = registry(failover=["big"])
        models.provider("blue").provider.fail(InvalidInput("no"))  # type: ignore[attr-defined]
        with pytest.raises(InvalidInput):
            await models.chat(HI, models.resolve())
        assert models.provider("red").provider.calls == []  # type: ignore[attr-defined]

    async def test_as_a_provider(self) -> None:
        models = registry(failover=["big"])
        models.provider("blue").provider.fail(InferenceError("busy"))  # type: ignore[attr-defined]
        routed = models.routed()
        assert routed.lacks("infer") is None
        assert (await routed.infer("Hi")).text == "by red"
        assert "no embed" in (routed.lacks("embed") or "")


def test_the_catalogue() -> None:
    known = catalogue()
    assert set(known) <= set(DIALECTS)
    for vendor in known.values():
        ids = [model.id for model in vendor.models]
        names = ids + [alias for model in vendor.models for alias in model.aliases]
        assert vendor.default in ids
        assert len(set(names)) == len(names)
        assert all(model.context and model.output and model.prices for model in vendor.models)
    with pytest.raises(TypeError):
        known["x"] = known["openai"]  # type: ignore[index]


def test_what_is_given_takes_the_place_of_what_is_known() -> None:
    models = merged([ModelInfo("a", context=1), ModelInfo("b")], [ModelInfo("a", context=2), ModelInfo("c")])
    assert [(one.id, one.context) for one in models] == [("a", 2), ("c", None), ("b", None)]
    assert ModelInfo("a", input_price=1).prices is None
    assert ModelInfo("a", input_price=1, output_price=2).prices == Prices(1, 2)
