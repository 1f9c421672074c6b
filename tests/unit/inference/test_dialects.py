"""Dialects by themselves: what no service should write and one may."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from headway.errors import InferenceError
from headway.inference import ChatRequest, Reply
from headway.inference.dialects.table import DIALECTS, dialect
from tests.sizes import cases
from tests.unit.inference.recorded import ALL, Recorded

HELLO = ChatRequest.of("Hi")

FAILURES: dict[str, dict[str, Any]] = {
    "openai": {"error": {"code": "sk-secret-1234", "message": "sk-secret-1234"}},
    "openai-responses": {"type": "error", "code": "sk-secret-1234", "message": "sk-secret-1234"},
    "anthropic": {"type": "error", "error": {"type": "sk-secret-1234"}},
    "gemini": {"error": {"status": "sk-secret-1234"}},
}


@pytest.mark.parametrize("name", DIALECTS)
def test_of_a_failure_only_known_codes_are_told(name: str) -> None:
    with pytest.raises(InferenceError) as caught:
        dialect(name).reader(HELLO, "m").feed(json.dumps(FAILURES[name]).encode())
    assert str(caught.value) == "the service failed while it answered"


def twisted(value: Any, draw: random.Random) -> Any:
    """Return JSON like ``value`` in which something is not as it should be."""
    odd: list[Any] = [None, 5, -1, 2**70, "x", "", [], {}, True, 1.5, [None], {"type": "text"}]
    if draw.random() < 0.15:
        return draw.choice(odd)
    if isinstance(value, dict):
        return {key: twisted(item, draw) for key, item in value.items() if draw.random() > 0.05}
    if isinstance(value, list):
        return [twisted(item, draw) for item in value]
    return value


def outcome(call: Callable[[], Reply]) -> Reply | InferenceError:
    try:
        return call()
    except InferenceError as error:
        return error


@pytest.mark.parametrize("recorded", ALL.values(), ids=ALL)
@pytest.mark.parametrize("seed", range(cases(40)))
def test_whatever_comes_is_a_reply_or_a_typed_error(recorded: Recorded, seed: int) -> None:
    print(f"seed {seed}")
    draw, speaks = random.Random(seed), dialect(recorded.dialect)

    def streamed(stream: bytes) -> Reply:
        reader = speaks.reader(HELLO, "m")
        for line in stream.decode().splitlines():
            if line.startswith("data: {"):
                reader.feed(json.dumps(twisted(json.loads(line[6:]), draw)).encode())
        return reader.reply()

    found = [
        outcome(lambda answer=answer: speaks.read(speaks.decode(json.dumps(answer).encode()), HELLO, "m"))  # type: ignore[misc]
        for answer in [twisted(one, draw) for one in (recorded.text, recorded.call, recorded.cut) for _ in range(9)]
    ]
    found += [outcome(partial(streamed, one)) for one in (recorded.text_stream, recorded.call_stream) for _ in range(9)]
    for one in found:
        if isinstance(one, Reply):
            assert one.usage.input_tokens >= 0
        else:
            assert "\n" not in str(one)
