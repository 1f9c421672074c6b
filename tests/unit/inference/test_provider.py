"""The base of a provider: parts, the gate, bounds; and the script for tests."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from headway.errors import InferenceError, InferenceRefused, InvalidInput, TerminalToolError, ToolError
from headway.inference.answer import Completion, Metered, Prices, Usage
from headway.inference.gate import Gate
from headway.inference.provider import PARTS, InferenceProvider, Provider, lacking
from headway.inference.request import InferRequest
from headway.testing import InferenceCall, ScriptedProvider, settle


class Echo(Provider):
    """Answers only."""

    name = "echo"

    async def _infer(self, request: InferRequest) -> Completion:
        return Completion(request.prompt, Usage(1, 1), "echo-1")


class Slow(Provider):
    """Counts who is inside."""

    name = "slow"

    def __init__(self, limit: int) -> None:
        super().__init__(max_concurrency=limit)
        self.inside = self.most = 0
        self.order: list[str] = []
        self.go = asyncio.Event()

    async def _infer(self, request: InferRequest) -> Completion:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.order.append(request.prompt)
        try:
            await self.go.wait()
        finally:
            self.inside -= 1
        return Completion(request.prompt)

    async def _embed(self, texts: list[str]) -> Metered[list[float]]:
        await self._infer(InferRequest(texts[0]))
        return Metered([[1.0] for _ in texts])


def test_providers_are_of_the_protocol() -> None:
    assert isinstance(Echo(), InferenceProvider)
    assert isinstance(ScriptedProvider(), InferenceProvider)
    assert not isinstance(object(), InferenceProvider)


async def test_a_part_that_is_lacking_is_named() -> None:
    echo = Echo()
    assert [echo.lacks(part) for part in PARTS] == [None, "the inference provider 'echo' has no embed", None]
    with pytest.raises(InferenceRefused, match="the inference provider 'echo' has no embed"):
        await echo.embed(["x"])
    bare = Provider()
    for call in (bare.infer("x"), bare.embed(["x"]), bare.classify("x", ["a"])):
        with pytest.raises(InferenceRefused, match="the inference provider 'provider' has no"):
            await call
    for inner in (bare._infer(InferRequest("x")), bare._embed(["x"])):
        with pytest.raises(InferenceRefused):
            await inner


def test_lacking_takes_any_object() -> None:
    class Foreign:
        async def infer(self) -> None: ...

        def lacks(self, part: str) -> object:
            return 5

    assert lacking(Foreign(), "infer") is None
    assert lacking(Foreign(), "embed") == "the inference provider Foreign has no embed"


def test_refused_is_final_for_a_run() -> None:
    assert issubclass(InferenceRefused, TerminalToolError)
    assert issubclass(InferenceRefused, InferenceError)
    assert issubclass(InferenceError, ToolError)
    assert not issubclass(InferenceError, TerminalToolError)


async def test_a_provider_that_only_answers_classifies_by_asking() -> None:
    class Chooser(Echo):
        async def _infer(self, request: InferRequest) -> Completion:
            assert "Labels:\n1. a\n2. b" in request.prompt
            assert request.system is not None
            assert request.max_tokens == 256
            return Completion("2", Usage(9, 1, cost=3), "m")

    ranked = await Chooser().classify("text", ["a", "b"])
    assert ranked == [("b", 1.0), ("a", 0.0)]
    assert (ranked.usage, ranked.model) == (Usage(9, 1, cost=3), "m")


async def test_a_provider_with_vectors_classifies_by_them() -> None:
    class Vectors(Provider):
        async def _embed(self, texts: list[str]) -> Metered[list[float]]:
            assert texts == ["t", "a", "b"]
            return Metered([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], Usage(5), "v")

    ranked = await Vectors().classify("t", ["a", "b"])
    assert ranked[0][0] == "b"
    assert (ranked.usage, ranked.model) == (Usage(5), "v")


@pytest.mark.parametrize("limit", [1, 3])
async def test_so_many_calls_at_once_in_order(limit: int) -> None:
    provider = Slow(limit)
    assert provider.max_concurrency == limit
    tasks = [asyncio.create_task(provider.infer(str(n))) for n in range(6)]
    tasks.append(asyncio.create_task(provider.embed(["6"])))  # type: ignore[arg-type]
    await settle()
    assert provider.inside == limit
    tasks[limit].cancel()  # one that waits
    tasks[0].cancel()  # one that runs: its place is free again
    await settle()
    assert provider.inside == limit
    provider.go.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert provider.most == limit
    assert provider.order == [str(n) for n in range(7) if n != limit]


def test_a_provider_outlives_its_loop() -> None:
    provider = Slow(1)

    async def both() -> None:
        provider.go = asyncio.Event()
        tasks = [asyncio.create_task(provider.infer(str(n))) for n in range(3)]
        await settle()
        provider.go.set()
        await asyncio.gather(*tasks)

    for _ in range(2):
        asyncio.run(both())
    assert provider.most == 1


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "2", 10**20])
def test_a_gate_needs_a_number(limit: Any) -> None:
    with pytest.raises(InvalidInput, match="max_concurrency"):
        Gate(limit)


async def test_bad_input_reaches_no_model() -> None:
    provider = ScriptedProvider(default="x")
    for call in (provider.infer(5), provider.embed("x"), provider.classify("x", []), provider.classify(None, ["a"])):  # type: ignore[arg-type]
        with pytest.raises(InvalidInput):
            await call
    assert provider.calls == []
    assert await provider.embed([]) == []
    assert provider.calls == []


async def test_a_provider_is_a_context() -> None:
    async with Echo() as provider:
        assert (await provider.infer("x")).text == "x"
    assert repr(provider) == "Echo('echo')"


class TestScripted:
    """The provider for tests."""

    async def test_rules_then_queue_then_default(self) -> None:
        provider = ScriptedProvider("one", default="rest").when("weather", "rain").queue("two")
        provider.when(re.compile(r"^\d+$"), lambda request: f"{int(request.prompt) + 1}")
        said = [(await provider.infer(prompt)).text for prompt in ("a", "the weather", "41", "b", "c", "d")]
        assert said == ["one", "rain", "42", "two", "rest", "rest"]
        assert provider.prompts == ["a", "the weather", "41", "b", "c", "d"]

    async def test_a_completion_is_given_as_it_is(self) -> None:
        whole = Completion("x", Usage(1, 2, cost=3), "m", "length")
        assert await ScriptedProvider(whole).infer("p") == whole

    async def test_calls_are_kept(self) -> None:
        provider = ScriptedProvider("x")
        await provider.infer("p", system="s", max_tokens=3, temperature=1.0, stop=["q"], seed=4)
        await provider.embed(["a", "b"])
        await provider.classify("t", ["l"])
        assert provider.calls == [
            InferenceCall("infer", InferRequest("p", "s", 3, 1.0, ("q",), 4)),
            InferenceCall("embed", texts=("a", "b")),
            InferenceCall("classify", texts=("t", "l")),
        ]

    async def test_it_fails_when_told_and_when_it_knows_nothing(self) -> None:
        provider = ScriptedProvider(default="x").fail(InferenceError("down"), times=2)
        provider.fail(ValueError("odd"), part="embed")
        for _ in range(2):
            with pytest.raises(InferenceError, match="down"):
                await provider.infer("p")
        assert (await provider.infer("p")).text == "x"
        with pytest.raises(ValueError, match="odd"):
            await provider.embed(["x"])
        with pytest.raises(KeyError):
            await ScriptedProvider(KeyError("k")).infer("p")
        with pytest.raises(InferenceError, match="no answer to 'p'"):
            await ScriptedProvider().infer("p")

    async def test_texts_with_words_in_common_point_alike(self) -> None:
        provider = ScriptedProvider()
        ranked = await provider.classify("The cat sat.", ["a dog ran", "the cat slept"])
        assert ranked[0][0] == "the cat slept"
        assert await provider.embed(["x y"]) == await provider.embed(["Y, X!"])
        assert (await provider.embed([""]))[0] == [0.0] * 64

    async def test_labels_as_told(self) -> None:
        provider = ScriptedProvider().label("spam", "bad").label(re.compile("^ham"), "good")
        assert (await provider.classify("spam spam", ["good", "bad"]))[0] == ("bad", 1.0)
        assert (await provider.classify("ham", ["good", "bad"])) == [("good", 1.0), ("bad", 0.0)]

    async def test_usage_and_cost(self) -> None:
        provider = ScriptedProvider("x" * 8, prices=Prices(1_000_000, 2_000_000))
        assert (await provider.infer("y" * 8, system="z" * 8)).usage == Usage(4, 2, cost=8)
        assert (await provider.embed(["y" * 8])).usage == Usage(2, cost=2)

    async def test_parts_can_be_left_out(self) -> None:
        provider = ScriptedProvider(without=["embed"])
        assert provider.lacks("embed") == "the inference provider 'scripted' has no embed"
        with pytest.raises(InferenceRefused):
            await provider.embed(["x"])
