"""Faults in resolution, failover and dialects."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

REGISTRY = ("tests/unit/inference/test_registry.py",)
CHAT = ("tests/unit/inference/test_chat.py",)

ROWS = [
    Mutant(
        "a hinted question is answered with another vendor",
        "inference/registry.py",
        "found = self._within(self.provider(hint), model) if hint is not None else self._anywhere(model)",
        "found = self._anywhere(model)",
        REGISTRY,
    ),
    Mutant(
        "a fallback is told as what was asked for",
        "inference/registry.py",
        "return self._resolution(model, fallback, chain, fallback=model is not None)",
        "return self._resolution(model, fallback, chain, fallback=False)",
        REGISTRY,
    ),
    Mutant(
        "a stream that has begun is taken up by another model",
        "inference/registry.py",
        "                if begun:\n                    raise\n",
        "",
        REGISTRY,
    ),
    Mutant(
        "a stream that breaks off is a whole answer",
        "inference/dialects/anthropic.py",
        "        if not self._ended:\n            self.broken()\n",
        "",
        CHAT,
    ),
    Mutant(
        "what a service writes in the midst of a stream is told",
        "inference/dialects/dialect.py",
        "        code = known_code(kind)",
        "        code = str(kind)",
        ("tests/unit/inference/test_dialects.py",),
    ),
    Mutant(
        "tokens read from a cache are not counted",
        "inference/dialects/anthropic.py",
        'return total(used.get("input_tokens"), *cached), used.get("output_tokens")',
        'return total(used.get("input_tokens")), used.get("output_tokens")',
        CHAT,
    ),
    Mutant(
        "what a service does not take is dropped",
        "inference/dialects/dialect.py",
        "            if given:",
        "            if given and False:",
        CHAT,
    ),
]
