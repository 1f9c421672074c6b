"""Questions of runs in words, and the words of answers: what a command line shows and takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headway.errors import InvalidInput

if TYPE_CHECKING:
    from headway.events.views import Elicitation

MAX_SHOWN = 300
"""The most characters of parameters or a schema on one line."""

FLAGS: Mapping[str, str] = {
    "allow": "--allow",
    "session": "--session",
    "edit": "--edit JSON",
    "deny": "--deny",
    "abort": "--abort",
    "answer": "--value JSON",
    "top_up": "--top-up DIMENSION=AMOUNT",
}
"""The option of ``headway inbox answer`` for each choice."""

WORDS: Mapping[str, str] = {
    "allow": "Allow",
    "session": "Allow for the session",
    "edit": "Edit",
    "deny": "Deny",
    "abort": "Abort the run over",
    "answer": "Answer",
    "top_up": "Top up",
}


def question_lines(question: Elicitation, title: str = "") -> list[str]:
    """Return a question in lines of words: what is asked, and of what. Clean them before they are shown."""
    where = f"job {question.job_id}{f' ({title})' if title else ''}"
    what = f"{question.subject} of {where}" if question.action_id is not None else where
    lines = [f"{question.kind} {question.id}: {question.prompt}", f"  {what}"]
    if question.tool:
        lines.append(f"  tool {question.tool}{f' {_json(question.parameters)}' if question.parameters else ''}")
    elif question.parameters:
        lines.append(f"  {_json(question.parameters)}")
    if url := question.detail.get("url"):
        lines.append(f"  at {url}")
    if question.kind == "input" and question.schema:
        lines.append(f"  schema {_json(question.schema)}")
    return lines


def how_to_answer(question: Elicitation) -> str:
    """Return the command that answers a question."""
    flags = " | ".join(FLAGS.get(choice, choice) for choice in question.choices)
    return f"headway inbox answer {question.id} {flags}"


def target_of(question: Elicitation, choice: str) -> str:
    """Return what an answer does, and to what, for a confirmation."""
    word = WORDS.get(choice, choice)
    subject = question.subject
    if question.kind == "approval":
        tool = f"tool {question.tool} of " if question.tool else ""
        return f"{word} {tool}{subject}, job {question.job_id}"
    return f"{word}: {question.kind} of {subject}, job {question.job_id}"


def top_up_of(amounts: tuple[str, ...] | list[str]) -> dict[str, int]:
    """Return amounts by dimension of texts such as ``tool_calls=10``."""
    found: dict[str, int] = {}
    for text in amounts:
        name, equals, amount = text.partition("=")
        if not equals or not name or not amount.strip().isdecimal() or len(amount) > 20:
            raise InvalidInput(f"a top-up is DIMENSION=AMOUNT, as tool_calls=10, not '{text[:60]}'")
        found[name.strip()] = int(amount)
    return found


def value_of(text: str, question: Elicitation | None = None) -> Any:
    """Return JSON as a value; a bare text where the question's schema wants a text."""
    import msgspec

    try:
        return msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        schema = question.schema if question is not None else None
        if isinstance(schema, dict) and schema.get("type") == "string":
            return text
        raise InvalidInput(f"a value is JSON: {error}") from None


def _json(value: Any) -> str:
    from headway.secrets import mask
    from headway_console.text import cut, to_json

    return cut(to_json(mask(value)), MAX_SHOWN)
