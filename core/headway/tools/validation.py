"""Parameters and outputs against a tool's JSON Schemas.

The full dialect that the schema names (2020-12 without one), by ``jsonschema``, which is imported and compiled at the
first schema that needs it. References are resolved inside the schema and to the published meta-schemas only; nothing
is ever fetched.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any

from headway.errors import InvalidInput, one_line
from headway.tools.quickcheck import quick_check

if TYPE_CHECKING:
    from jsonschema.exceptions import SchemaError, ValidationError
    from jsonschema.protocols import Validator

MAX_ERRORS = 20
"""The findings told of one call; the rest is counted as more."""

_SHOWN = 120  # characters of an offending value in a message
_SHOWN_RULE = 300  # and of what the schema asks for

ParameterCheck = Callable[[dict[str, Any], bool], list[str]]
"""Takes one call's parameters, and whether the findings may quote them."""

OutputCheck = Callable[[Any], str | None]


def compile_check(tool: str, schema: dict[str, Any]) -> ParameterCheck:
    """Return what checks one call's parameters: ``[]`` if they are valid, else one line a finding.

    With ``quote`` the findings are CAR's texts and quote what is wrong; without, they say nothing but the schema.

    Raises ``InvalidInput`` for a broken schema, as :func:`refuse_broken` does.
    """
    if not schema:
        return _no_findings
    accepts = quick_check(schema) if schema.get("type") == "object" else None
    validator: Validator | None = None if accepts else refuse_broken(tool, schema)

    def check(params: dict[str, Any], quote: bool) -> list[str]:
        nonlocal validator
        if accepts is not None:
            if accepts(params):
                return []
            if validator is None:
                validator = _validator(tool, schema)
        assert validator is not None
        return _findings(tool, validator, params, quote)

    return check


def refuse_broken(tool: str, schema: dict[str, Any], *, of_parameters: bool = True) -> Validator:
    """Return the validator of ``schema``; raise ``InvalidInput`` with one line if it is not a sound JSON Schema.

    A schema ``of_parameters`` must let objects pass.
    """
    validator = _validator(tool, schema)
    kinds = schema.get("type", "object")
    if of_parameters and "object" not in ([kinds] if isinstance(kinds, str) else kinds):
        raise InvalidInput(f"tool '{tool}': the schema of its parameters must be of type 'object'")
    try:
        _resolve_references(validator.schema)
        next(validator.iter_errors({}), None)  # meets references in circles, and any that the walk did not
    except InvalidInput as error:
        raise InvalidInput(f"tool '{tool}': broken schema: {error}") from None
    except RecursionError:
        raise InvalidInput(f"tool '{tool}': broken schema: it refers to itself without end") from None
    except Exception as error:
        raise InvalidInput(f"tool '{tool}': broken schema: {one_line(str(error), 300)}") from error
    return validator


def _no_findings(_params: dict[str, Any], _quote: bool) -> list[str]:
    return []


def _validator(tool: str, schema: dict[str, Any]) -> Validator:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for
    from referencing import Registry

    try:
        kind = validator_for(schema, default=Draft202012Validator)
        kind.check_schema(schema)
        # An empty registry, not the default one: that would fetch what it does not know.
        return kind(schema, registry=Registry())
    except SchemaError as error:
        place = _pointer(error.absolute_path)
        text = f"{_message(error)} (at {place})" if place else _message(error)
        raise InvalidInput(f"tool '{tool}': broken schema: {text}") from None
    except RecursionError:
        raise InvalidInput(f"tool '{tool}': broken schema: it is nested too deeply") from None
    except Exception as error:
        raise InvalidInput(f"tool '{tool}': broken schema: {one_line(str(error), 300)}") from error


def _resolve_references(schema: Any) -> None:
    """Look up every reference that the schema holds; raise ``InvalidInput`` for the first that leads nowhere."""
    from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]
    from referencing import Resource
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    resource = Resource.from_contents(schema, default_specification=DRAFT202012)
    resolver = REGISTRY.with_resource("", resource).crawl().resolver_with_root(resource)
    todo = [(resource, resolver)]
    while todo:
        here, resolver = todo.pop()
        if isinstance(here.contents, dict):
            for keyword in ("$ref", "$dynamicRef"):
                target = here.contents.get(keyword)
                if isinstance(target, str):
                    try:
                        resolver.lookup(target)
                    except Unresolvable:
                        raise InvalidInput(f"reference '{one_line(target, 200)}' is not in the schema") from None
        todo.extend((sub, resolver.in_subresource(sub)) for sub in here.subresources())


def _findings(tool: str, validator: Validator, params: dict[str, Any], quote: bool) -> list[str]:
    try:
        errors = list(islice(validator.iter_errors(params), MAX_ERRORS + 1))
        texts = [_text(tool, error, quote) for error in errors[:MAX_ERRORS]]
    except RecursionError:
        return [f"the parameters of tool '{tool}' are nested too deeply to be checked"]
    except Exception as error:  # noqa: BLE001 - a reference that only this value reaches and that leads nowhere
        why = one_line(str(error), 300) if quote else type(error).__name__
        return [f"the parameters of tool '{tool}' cannot be checked: {why}"]
    if len(errors) > MAX_ERRORS:
        texts.append("and more")
    return texts


def compile_output(tool: str, schema: dict[str, Any]) -> OutputCheck:
    """Return what checks an output: None if it is valid, else where it first breaks the schema, and by which rule.

    It never tells the value. Raises ``InvalidInput`` for a broken schema, as :func:`refuse_broken` does.
    """
    accepts = quick_check(schema)
    validator: Validator | None = None if accepts else refuse_broken(tool, schema, of_parameters=False)

    def check(output: Any) -> str | None:
        nonlocal validator
        if accepts is not None and accepts(output):
            return None
        if validator is None:
            validator = _validator(tool, schema)
        return _first_problem(validator, output)

    return check


def _first_problem(validator: Validator, output: Any) -> str | None:
    try:
        error = next(validator.iter_errors(output), None)
    except Exception as failure:  # noqa: BLE001 - too deep, or a reference that leads nowhere
        return f"it cannot be checked ({type(failure).__name__})"
    return f"'{error.validator}' at {_known_pointer(error) or '/'}" if error is not None else None


def _text(tool: str, error: ValidationError, quote: bool) -> str:
    place = _pointer(error.absolute_path)
    missing = None if place else _missing(error)
    if missing is not None:
        return f"missing required parameter '{one_line(missing, _SHOWN)}' for tool '{tool}'"
    if not quote:
        return f"the value at {_known_pointer(error) or '/'} {_broken_rule(error)}"
    return f"{_message(error)} (at {place})" if place else _message(error)


def _broken_rule(error: ValidationError) -> str:
    """Return what the schema asks for, in its words alone."""
    asked: Any = error.validator_value
    if error.validator == "type":
        kinds = [asked] if isinstance(asked, str) else asked
        return f"is not of type {', '.join(repr(kind) for kind in kinds)}"
    shown = f" {asked!r}" if isinstance(asked, int | float | str) and not isinstance(asked, bool) else ""
    return one_line(f"does not meet '{error.validator}'{shown}", 300)


def _known_pointer(error: ValidationError) -> str:
    """Return where the error is, with ``*`` for keys that the schema does not name: they belong to the value."""
    rules = list(error.absolute_schema_path)
    named = {rules[i + 1] for i in range(len(rules) - 1) if rules[i] == "properties"}
    return _pointer(part if isinstance(part, int) or part in named else "*" for part in error.absolute_path)


def _missing(error: ValidationError | SchemaError) -> str | None:
    """Return the name of the parameter that is required and not there; None if the error is another one."""
    wanted: Any = error.validator_value
    if error.validator != "required" or not isinstance(wanted, list) or not isinstance(error.instance, dict):
        return None
    for name in wanted:
        if name not in error.instance and error.message.startswith(repr(name)):
            return str(name)
    return None


_RULES: dict[Any, str] = {
    "enum": "{value} is not one of {rule}",
    "const": "{rule} was expected",
    "minLength": "{value} is shorter than {rule} character{s}",
    "maxLength": "{value} is longer than {rule} character{s}",
    "pattern": "{value} does not match {rule}",
    "format": "{value} is not a {rule}",
    "not": "{value} should not be valid under {rule}",
    None: "False schema does not allow {value}",
}
"""The texts about a value that breaks a rule, where the library's own text has Python in it."""


def _message(error: ValidationError | SchemaError) -> str:
    """Return why the value is refused, in the words of CAR's validator: values are JSON, and cut.

    A parameter may be megabytes, an error is one line.
    """
    value, rule = _shown(error.instance, _SHOWN), error.validator_value
    missing = _missing(error)
    if missing is not None:
        return one_line(f"{_shown(missing, _SHOWN)} is a required property", 500)
    if error.validator == "type":
        kinds: Any = rule if isinstance(rule, list) else [rule]
        which = "types" if len(kinds) > 1 else "type"
        return one_line(f"{value} is not of {which} {', '.join(_shown(kind, _SHOWN) for kind in kinds)}", 500)
    if error.validator in _RULES:
        plural = "" if rule == 1 else "s"
        text = _RULES[error.validator].format(value=value, rule=_shown(rule, _SHOWN_RULE), s=plural)
        return one_line(text, 500)
    message, dumped = str(error.message), repr(error.instance)
    if error.validator == "oneOf" and " is valid under each of " in message:
        return f"{value} is valid under more than one of the given schemas"
    return one_line(message.replace(dumped, value, 1) if message.startswith(dumped) else message, 500)


_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=lambda value: type(value).__name__)


def _shown(value: Any, most: int) -> str:
    """Return ``value`` as JSON, cut to ``most`` characters; no more of it is encoded than is shown."""
    text = ""
    try:
        for part in _JSON.iterencode(value[: most + 1] if isinstance(value, str) else value):
            text += part
            if len(text) > most:
                return text[: most - 1] + "…"
    except (TypeError, ValueError):  # a key that is no text, a value that holds itself: not from JSON
        return f"a value of type {type(value).__name__}"
    return text


def _pointer(path: Any) -> str:
    """Return a JSON Pointer (RFC 6901), cut to 200 characters."""
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in path)
    return one_line("".join(f"/{part}" for part in parts), 200)
