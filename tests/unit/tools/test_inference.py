"""The built-in tools, alone and in plans."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headway import CostBudget, Runtime, parse_proposal, verify
from headway.errors import InferenceError, InferenceRefused, InvalidInput
from headway.inference.answer import Completion, Prices, Usage
from headway.testing import ScriptedProvider, settle
from headway.tools.context import ToolResult
from headway.tools.inference import inference_tools
from headway.tools.registry import ToolEntry


def tools(provider: Any) -> dict[str, ToolEntry]:
    return {entry.name: entry for entry in inference_tools(provider)}


def runtime_with(provider: Any) -> Runtime:
    runtime = Runtime()
    for entry in inference_tools(provider):
        runtime.register_tool_entry(entry)
    return runtime


def plan(*actions: dict[str, Any]) -> dict[str, Any]:
    return {"actions": [{"type": "tool_call", "id": f"a{n}", **action} for n, action in enumerate(actions)]}


def test_the_three_are_builtin_and_described() -> None:
    entries = inference_tools(ScriptedProvider())
    assert [entry.name for entry in entries] == ["infer", "embed", "classify"]
    for entry in entries:
        assert (entry.source, entry.category, entry.permission) == ("builtin", "inference", "allow")
        assert entry.is_async
        assert not entry.writes_files
        assert entry.schema.description
        assert entry.schema.returns is not None
        entry.refuse_broken_schemas()
    assert [entry.schema.idempotent for entry in entries] == [False, True, True]


async def test_infer() -> None:
    provider = ScriptedProvider(Completion("hi", Usage(3, 4, cost=7), "m", "length"))
    result = await tools(provider)["infer"].call(
        prompt="p", system="s", max_tokens=9, temperature=0.5, stop=["x"], seed=1
    )
    assert result == ToolResult(
        {"text": "hi", "model": "m", "finish_reason": "length"}, usage={"input_tokens": 3, "output_tokens": 4}, cost=7
    )
    asked = provider.calls[0].request
    assert asked is not None
    assert (asked.prompt, asked.system, asked.max_tokens, asked.temperature, asked.stop, asked.seed) == (
        "p",
        "s",
        9,
        0.5,
        ("x",),
        1,
    )


async def test_an_estimate_says_so_and_an_unknown_price_is_none() -> None:
    result = await tools(ScriptedProvider(Completion("x", Usage(1, 1, estimated=True))))["infer"].call(prompt="p")
    assert (result.usage, result.cost) == ({"input_tokens": 1, "output_tokens": 1, "estimated": True}, None)


async def test_embed() -> None:
    result = await tools(ScriptedProvider(prices=Prices(1_000_000)))["embed"].call(texts=["a b", ""])
    assert [len(vector) for vector in result.output["embeddings"]] == [64, 64]
    assert (result.output["model"], result.usage, result.cost) == (
        "scripted",
        {"input_tokens": 1, "output_tokens": 0},
        1,
    )


async def test_classify() -> None:
    result = await tools(ScriptedProvider().label("goal", "sports"))["classify"].call(
        text="goal", labels=["a", "sports"]
    )
    assert result.output == {
        "label": "sports",
        "scores": [{"label": "sports", "score": 1.0}, {"label": "a", "score": 0.0}],
    }
    assert result.usage["input_tokens"] > 0


@pytest.mark.parametrize(
    ("tool", "params", "text"),
    [
        ("infer", {}, "missing required parameter 'prompt' for tool 'infer'"),
        ("infer", {"prompt": 5}, '5 is not of type "string" (at /prompt)'),
        ("infer", {"prompt": "x", "temperature": 9}, "9 is greater than the maximum of 2 (at /temperature)"),
        ("infer", {"prompt": "x", "max_tokens": 0}, "0 is less than the minimum of 1 (at /max_tokens)"),
        ("infer", {"prompt": "\ud800"}, "prompt holds half a surrogate pair, which is no character"),
        ("infer", {"prompt": "x", "stop": [" "]}, "stop[0] must not be empty"),
        ("embed", {"texts": []}, "[] should be non-empty (at /texts)"),
        ("embed", {"texts": ["\ud800"]}, "texts[0] holds half a surrogate pair, which is no character"),
        ("classify", {"text": "x", "labels": ["a", "a"]}, "label 'a' is there twice"),
        ("classify", {"text": "\ud800", "labels": ["a"]}, "text holds half a surrogate pair, which is no character"),
    ],
)
def test_parameters_are_checked_before_anything_runs(tool: str, params: dict[str, Any], text: str) -> None:
    assert tools(ScriptedProvider())[tool].validate(params) == [text]


def test_bounds_and_unknown_parameters() -> None:
    entries = tools(ScriptedProvider())
    assert entries["embed"].validate({"texts": ["x"] * 256}) == []
    assert len(entries["embed"].validate({"texts": ["x"] * 257})) == 1
    assert len(entries["embed"].validate({"texts": ["x" * 100_001]})) == 1
    assert len(entries["infer"].validate({"prompt": "x" * 1_000_001})) == 1
    assert len(entries["infer"].validate({"prompt": "x", "model": "y"})) == 1
    assert len(entries["classify"].validate({"text": "x", "labels": ["y" * 201]})) == 1


async def test_a_lacking_part_refuses_the_plan_before_anything_runs() -> None:
    provider = ScriptedProvider(default="x", without=["embed"])
    runtime = runtime_with(provider)
    proposal = plan({"tool": "infer", "parameters": {"prompt": "x"}}, {"tool": "embed", "parameters": {"texts": ["x"]}})
    report = verify(parse_proposal(proposal), tools=runtime.registry)
    assert [issue.message for issue in report.issues] == ["the inference provider 'scripted' has no embed"]
    result = await runtime.execute(proposal)
    assert result["a1"].error == "the inference provider 'scripted' has no embed"
    assert [call.part for call in provider.calls if call.part == "embed"] == []


async def test_a_run_hands_answers_on_and_counts_tokens_and_money() -> None:
    provider = ScriptedProvider(default=lambda request: request.prompt.upper(), prices=Prices(1_000_000, 1_000_000))
    runtime = runtime_with(provider)
    runtime.set_cost_budget(CostBudget(tokens=1_000, usd_micros=1_000))
    result = await runtime.execute(
        plan(
            {"tool": "infer", "parameters": {"prompt": "abcdefgh"}},
            {"tool": "infer", "parameters": {"prompt": "$a0.output.text"}},
            {"tool": "classify", "parameters": {"text": "$a1.output.text", "labels": ["abcdefgh", "x"]}},
        )
    )
    assert result.ok
    assert result["a1"].output["text"] == "ABCDEFGH"
    assert result["a2"].output["label"] == "abcdefgh"
    settled = [event for event in await runtime.log.read() if event.kind == "budget_settled"]
    assert settled[-1].data["spent"]["tokens"] == 4 + 4 + 5
    assert settled[-1].data["spent"]["usd_micros"] == 13


async def test_a_budget_of_tokens_ends_a_run() -> None:
    runtime = runtime_with(ScriptedProvider(default="x" * 400))
    runtime.set_cost_budget(CostBudget(tokens=50))
    step = {"tool": "infer", "parameters": {"prompt": "p"}}
    result = await runtime.execute(plan(step, {**step, "dependencies": ["a0"]}))
    assert (result.status, result.outcome) == ("failed", "budget_exhausted")
    assert [r.status for r in result.results] == ["succeeded", "skipped"]


async def test_a_failing_model_is_retried_and_a_refusing_one_is_not() -> None:
    retried = {"tool": "infer", "parameters": {"prompt": "p"}, "failure_behavior": "retry", "max_retries": 1}
    provider = ScriptedProvider(default="x").fail(InferenceError("busy"))
    result = await runtime_with(provider).execute(plan(retried))
    assert (result.ok, result["a0"].attempts) == (True, 2)
    provider = ScriptedProvider(default="x").fail(InferenceRefused("no such model"))
    result = await runtime_with(provider).execute(plan(retried))
    assert (result["a0"].attempts, result["a0"].error, result["a0"].terminal) == (1, "no such model", True)


class Foreign:
    """A provider that is no subclass of ours."""

    def __init__(self, answer: Any = None, error: BaseException | None = None) -> None:
        self.answer = answer
        self.error = error
        self.inside = self.most = 0
        self.go = asyncio.Event()
        self.go.set()

    async def infer(self, prompt: str, **_: Any) -> Any:
        self.inside += 1
        self.most = max(self.most, self.inside)
        await self.go.wait()
        self.inside -= 1
        if self.error is not None:
            raise self.error
        return self.answer

    async def embed(self, texts: Any) -> Any:
        return [(1, 2.0) for _ in texts]

    async def classify(self, text: str, labels: Any) -> Any:
        return self.answer


async def test_a_foreign_provider_serves() -> None:
    entries = tools(Foreign(Completion("x")))
    assert (await entries["infer"].call(prompt="p")).output["text"] == "x"
    embedded = await entries["embed"].call(texts=["a"])
    assert (embedded.output, embedded.usage, embedded.cost) == ({"embeddings": [[1, 2.0]], "model": ""}, {}, None)
    assert (await tools(Foreign([("a", 1.0)]))["classify"].call(text="t", labels=["a"])).output["label"] == "a"


async def test_what_a_foreign_provider_raises_is_told_by_its_kind_only() -> None:
    entries = tools(Foreign(error=RuntimeError("Bearer sk-secret")))
    with pytest.raises(InferenceError) as caught:
        await entries["infer"].call(prompt="p")
    assert str(caught.value) == "the inference provider's infer raised RuntimeError"


@pytest.mark.parametrize(("tool", "answer", "text"), [("infer", "x", "returned str"), ("classify", [], "none of the")])
async def test_what_a_foreign_provider_returns_is_looked_at(tool: str, answer: Any, text: str) -> None:
    params: dict[str, Any] = {"prompt": "p"} if tool == "infer" else {"text": "t", "labels": ["a"]}
    with pytest.raises(InferenceError, match=text):
        await tools(Foreign(answer))[tool].call(**params)


async def test_a_foreign_provider_is_limited_too() -> None:
    provider = Foreign(Completion("x"))
    provider.max_concurrency = 2  # type: ignore[attr-defined]
    provider.go.clear()
    entry = tools(provider)["infer"]
    tasks = [asyncio.create_task(entry.call(prompt="p")) for _ in range(5)]
    await settle()
    assert provider.inside == 2
    provider.go.set()
    await asyncio.gather(*tasks)
    assert provider.most == 2


async def test_a_foreign_provider_may_have_a_part_only() -> None:
    class Answers:
        async def infer(self, prompt: str, **_: Any) -> Completion:
            return Completion(prompt)

    entries = tools(Answers())
    assert entries["infer"].validate({"prompt": "x"}) == []
    assert entries["embed"].validate({"texts": ["x"]}) == ["the inference provider Answers has no embed"]
    with pytest.raises(InferenceRefused, match="has no classify"):
        await entries["classify"].call(text="x", labels=["a"])


def test_what_is_no_provider_is_refused() -> None:
    with pytest.raises(InvalidInput, match="int has none"):
        inference_tools(5)  # type: ignore[arg-type]
