"""The dialects by name. A new one is a file beside this and a row here."""

from __future__ import annotations

from headway.errors import InvalidInput, one_line
from headway.inference.dialects.anthropic import Anthropic
from headway.inference.dialects.dialect import Dialect
from headway.inference.dialects.gemini import Gemini
from headway.inference.dialects.openai_chat import OpenAIChat
from headway.inference.dialects.openai_responses import OpenAIResponses

DIALECTS: dict[str, type[Dialect]] = {kind.name: kind for kind in (OpenAIChat, OpenAIResponses, Anthropic, Gemini)}


def dialect(name: str) -> Dialect:
    """Return the dialect of that name; ``InvalidInput`` if there is none."""
    found = DIALECTS.get(name)
    if found is None:
        raise InvalidInput(f"'{one_line(str(name), 40)}' is no dialect: {', '.join(DIALECTS)}")
    return found()
