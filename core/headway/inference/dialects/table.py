"""The dialects by name. A new one is a file beside this and a row here."""

from __future__ import annotations

from headway.arguments import shown_value
from headway.errors import InvalidInput
from headway.inference.dialects.anthropic import Anthropic
from headway.inference.dialects.dialect import Dialect
from headway.inference.dialects.gemini import Gemini
from headway.inference.dialects.openai_chat import OpenAIChat
from headway.inference.dialects.openai_responses import OpenAIResponses

DIALECTS: dict[str, type[Dialect]] = {kind.name: kind for kind in (OpenAIChat, OpenAIResponses, Anthropic, Gemini)}


def dialect(name: object) -> Dialect:
    """Return the dialect of that name; ``InvalidInput`` if there is none."""
    found = DIALECTS.get(name) if isinstance(name, str) else None
    if found is None:
        raise InvalidInput(f"{shown_value(name)} is no dialect: {', '.join(DIALECTS)}")
    return found()
