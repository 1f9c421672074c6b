"""The check of an answer against its question: what does not fit is refused in one line, and nothing changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from headway.arguments import expect_one_of, plain_or_empty
from headway.errors import InvalidInput, one_line
from headway.execution.asking import ANSWER, EDIT, TOP_UP, VALUED
from headway.jsonvalue import to_json
from headway.limits.budget import DIMENSIONS
from headway.numbers import whole_number

if TYPE_CHECKING:
    from headway.events.views import Elicitation
    from headway.secrets.redactor import Redactor

MAX_REASON = 2000
"""The longest reason of an answer, in characters."""

MAX_VALUE_BYTES = 1_048_576
"""The largest value of an answer, as JSON."""

MAX_TOP_UP = 10**15
"""The most that one top-up adds to a dimension."""


def check_answer(
    question: Elicitation,
    choice: str,
    value: Any,
    reason: str,
    redactor: Redactor,
    problems: Callable[[Any], list[str]] | None = None,
) -> Any:
    """Return the value of an answer as JSON of its own, if the answer fits its question.

    ``problems`` says what is wrong with a value beyond the question's schema. Raises :class:`InvalidInput`.
    """
    expect_one_of(choice, question.choices, f"an answer to question '{question.id}'")
    plain_or_empty(reason, "a reason", MAX_REASON)
    if redactor.names_in(reason):
        raise InvalidInput("the reason holds the value of a secret, which the log must not keep")
    if choice not in VALUED:
        if value is not None:
            raise InvalidInput(f"the answer '{choice}' takes no value")
        return None
    if choice == EDIT and not isinstance(value, Mapping):
        raise InvalidInput("edited parameters are a JSON object")
    made = _bounded(value)
    if redactor.clean(made, numbers=True) != made:
        raise InvalidInput("the answer holds the value of a secret: name it as secret://NAME where a tool takes one")
    if choice == TOP_UP:
        return _amounts(made, question.detail.get("limits"))
    if problems is not None:
        found = problems(made)
        if found:
            raise InvalidInput(one_line("; ".join(found)))
    elif isinstance(question.schema, dict):
        refuse_unfit(made, question.schema, "parameters" if choice == EDIT else "answer")
    return made


def refuse_unfit(value: Any, schema: dict[str, Any], what: str = ANSWER) -> None:
    """Raise :class:`InvalidInput` for a value that its JSON Schema does not allow."""
    from headway.tools.validation import compile_output

    problem = compile_output(what, schema)(value)
    if problem is not None:
        raise InvalidInput(f"the {what} does not fit its schema: {problem}")


def _bounded(value: Any) -> Any:
    import msgspec

    made = to_json(value)
    size = len(msgspec.json.encode(made))
    if size > MAX_VALUE_BYTES:
        raise InvalidInput(f"the value of an answer is {size:,} bytes; the limit is {MAX_VALUE_BYTES:,}")
    return made


def _amounts(value: Any, limits: Any) -> dict[str, int]:
    """Return the amounts of a top-up: whole numbers over 0, of dimensions that have a limit."""
    if not isinstance(value, dict) or not value:
        raise InvalidInput('a top-up names an amount for each dimension: {"tool_calls": 10}')
    known = [name for name in DIMENSIONS if not isinstance(limits, dict) or name in limits]
    for name, amount in value.items():
        expect_one_of(name, known, "a dimension of this budget")
        if whole_number(amount, f"the top-up of {name}", 1) > MAX_TOP_UP:
            raise InvalidInput(f"the top-up of {name} is over {MAX_TOP_UP:,}")
    return value
